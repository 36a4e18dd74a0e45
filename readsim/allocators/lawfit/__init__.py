"""Allocators that fit a law to measured losses, and play what it says is best."""
