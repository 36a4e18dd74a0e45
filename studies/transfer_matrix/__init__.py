"""One-hot training on every source, and the world fitted to it."""
