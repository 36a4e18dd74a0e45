"""How honest the posterior of `level` is: what its plans were promised, and what they brought."""
