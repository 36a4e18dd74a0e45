"""Lemmas L1 to L8 and L10 of the paper's theory, a module each; L9 is `readsim.theory.order_effects`."""
