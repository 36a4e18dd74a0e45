"""Allocators: who gets the next tokens."""
