"""Rules that multiply the weights of the sources by the exponential of a score."""
