"""Figure 3: scores by token budget."""
