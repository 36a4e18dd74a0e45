"""Figure 2: diminishing returns and negative spillover, as the paper counts them and corrected."""
