"""Bandits that share one linear model over contexts and allocations."""
