"""Lemmas of our own that add to the paper's theory, a module each (order effects: `order_effects`)."""
