"""ReAD, the ensemble contextual bandit of the paper, with its parts."""
