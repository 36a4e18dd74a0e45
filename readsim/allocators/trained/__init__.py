"""A policy that was trained in simulated worlds and is played in numpy: `trained`."""
