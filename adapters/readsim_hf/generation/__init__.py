"""Which prompt comes next: difficulty, curriculum, share cap, leak filter, token shares."""
