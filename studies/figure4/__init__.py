"""Figure 4: what each component of ReAD is worth."""
