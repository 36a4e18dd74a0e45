"""Figure 5: specialists on one capability beside ReAD."""
