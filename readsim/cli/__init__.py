"""The command `readsim`: a file per command."""
