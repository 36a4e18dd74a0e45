"""The version of readsim: what run logs record, and what the wheel is called."""

__version__ = "0.1.0"
