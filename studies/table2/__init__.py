"""Table 2: what methods do outside their target, and their final utility."""
