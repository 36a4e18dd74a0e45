"""The model card of a saved student: what was measured of the run, and what its owner has to fill in."""
