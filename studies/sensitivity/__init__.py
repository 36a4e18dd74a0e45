"""ReAD's settings, one at a time around the default."""
