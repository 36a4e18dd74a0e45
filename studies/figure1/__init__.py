"""Figure 1: what training on one capability does to the others, by budget."""
