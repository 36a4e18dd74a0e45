"""What the traps in the paper's public code cost, one switch each."""
