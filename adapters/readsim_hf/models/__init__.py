"""Teachers and students: loading, pruning, the pairs that run anywhere."""
