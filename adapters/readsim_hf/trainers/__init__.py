"""Somebody else's trainer: as a backend that readsim drives, and as a job that asks for its mixture."""
