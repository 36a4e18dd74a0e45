"""The environment of one decision problem, single and vectorised, and what an episode is made of."""
