"""A preflight: what is wrong with a run, said before money is spent."""
