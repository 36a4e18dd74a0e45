"""How well calibrated `level` is: what its plans promise, and what they bring."""
