"""Rules that treat each source as an arm of a bandit."""
