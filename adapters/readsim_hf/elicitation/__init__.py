"""Signals that take more than one request: the teacher or the student says several things of each prompt."""
