"""One transition of the paper's public demo in plain Python, written from its published formula.

LabRAI/ReAD, `examples/toy_read_demo.py`: s_j += sum_i w_i T_ij max(0.05, 1 - s_j) + N(0, 0.0015),
kept in [0, 1]; four capabilities.
"""

import random

TRANSFER = [
    [0.045, 0.004, 0.000, -0.002],
    [0.006, 0.065, 0.025, -0.010],
    [0.003, 0.030, 0.070, -0.006],
    [-0.002, 0.010, -0.004, 0.060],
]
NOISE = 0.0015


def transition(scores: list[float], weights: list[float], rng: random.Random) -> list[float]:
    """The scores after one interval."""
    after = []
    for j, score in enumerate(scores):
        drive = sum(w * row[j] for w, row in zip(weights, TRANSFER, strict=True))
        change = drive * max(0.05, 1.0 - score) + rng.gauss(0.0, NOISE)
        after.append(min(1.0, max(0.0, score + change)))
    return after
