"""What a wrong requirement and biased probes cost."""
