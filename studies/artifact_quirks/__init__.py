"""The traps of the public code, one switch each, and what they cost."""
