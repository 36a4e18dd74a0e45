"""From an allocator and an environment to rows on disk: the loop, the grid, log files, checkpoints."""
