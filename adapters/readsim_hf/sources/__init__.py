"""Sources of one's own: data sets of any size, their rows as prompts, and a stream through them."""
