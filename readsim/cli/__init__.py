"""The command `readsim`: a file a command."""
