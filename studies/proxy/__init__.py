"""Proxy validation: what ReAD predicted for its next step, and what it then measured."""
