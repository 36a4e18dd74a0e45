"""Which features of a world make ReAD win or lose."""
