"""Runs of known worlds for the tests of fitting, and CSV files of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from readsim.arrays import Array
from readsim.worlds import World

SOURCES = ("alpha", "beta", "gamma")


def known_world(*, losses: bool = True, harm: float = 0.0) -> World:
    """Three sources that share two gain curves, two capabilities."""
    return World(
        name="known",
        sources=SOURCES,
        capabilities=("alpha", "other"),
        dynamics="potential",
        link="exponential" if losses else "saturating",
        start=np.array([-6.0, -5.0]) if losses else np.array([0.2, 0.3]),
        floor=np.full(2, -np.inf if losses else 0.0),
        ceiling=np.array([-1.5, -2.0]) if losses else np.array([0.9, 0.85]),
        gain=("log", "log"),
        scale_tokens=np.full(2, 1e6),
        feeds=np.array([[8.0, 0.5], [2.0, 3.0], [0.1, 12.0]]),
        help=np.array([[2.0, 0.3], [0.2, 1.2]]) * (1.0 if losses else 0.15),
        harm=np.array([[0.0, harm], [0.0, 0.0]]),
        items=np.zeros(2),
        test_items=np.zeros(2),
    )


def mixtures(n: int, seed: int = 0, s: int = 3) -> Array:
    """(n, S) shares."""
    return np.random.default_rng(seed).dirichlet(np.full(s, 0.7), n)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """A CSV file as a user would write it."""
    lines = [",".join(header), *(",".join(str(c) for c in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def additive_truth(seed: int, s: int = 4, k: int = 3) -> Callable[[Array], Array]:
    """Scores (n, K) of x (n, S): each source helps or harms each capability along a curve of its own."""
    rng = np.random.default_rng(seed)
    size, bend = rng.normal(0.0, 0.08, (s, k)), rng.uniform(2.0, 30.0, (s, k))
    return lambda x: 0.5 + (np.log1p(x[:, :, None] * bend) * size).sum(axis=1)
