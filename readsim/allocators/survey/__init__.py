"""Ideas of distillation papers, read as allocators: simple rules, named for where they come from."""
