"""Table 2: what methods do beside their target, and their final utility."""
