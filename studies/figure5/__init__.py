"""Figure 5: specialists on one capability compared with ReAD."""
