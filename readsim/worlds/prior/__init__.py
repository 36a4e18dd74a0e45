"""A prior over worlds: a file of ranges (`ranges`), and the world that a seed draws from them (`draw`)."""

from readsim.worlds.prior.draw import draw_world
from readsim.worlds.prior.ranges import Prior, load_prior, prior_names

__all__ = ["Prior", "draw_world", "load_prior", "prior_names"]
