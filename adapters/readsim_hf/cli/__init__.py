"""The commands that real runs add to `readsim`."""
