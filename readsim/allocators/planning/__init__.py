"""Allocators that plan ahead: on the known world, and on a world fitted to trial runs."""
