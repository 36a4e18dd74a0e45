"""What the student minimises: divergences, the six baselines, which signal each can use."""
