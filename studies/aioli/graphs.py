"""Aioli's measured graphs (arXiv 2411.05735, Apache-2.0), and the world fitted to them.

An entry is the relative drop of the loss on a slice (column) after training from scratch on another
(row) alone: 1 - loss / start. Relative losses 1 - drop, with the known start 1, are what is fitted.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.files import read_sheet
from readsim.fitting.law import Fitted, fit_law
from readsim.fitting.network import LawConfig

FILE = Path(__file__).parents[3] / "shared/data/aioli/slimpajama_arxiv_book_stackexchange.csv"
TOKENS = 1e9  # of each run: its own unit, as the graphs do not say
# Two kinds of rows, none and all of one source, cannot tell curves apart: as few and as free as can be
CHOICE = LawConfig(gain="log", link="exponential", curves=3, l1=1e-6, ridge=1e-6, reach=0.2)


class Graphs(NamedTuple):
    """drop (N, S, K) of N seeds."""

    names: tuple[str, ...]
    drop: Array


def load(path: Path = FILE) -> Graphs:
    """Read the file. Raises ConfigError where it is not there or a row is missing."""
    if not path.is_file():
        raise ConfigError(f"{path}: not there; it holds the graphs of HazyResearch/aioli")
    sheet = read_sheet(path)
    names = tuple(c for c in sheet.header if c not in ("seed", "source"))
    seeds = list(dict.fromkeys(sheet.cells("seed")))
    values = sheet.numbers(names)
    places = list(zip(sheet.cells("seed"), sheet.cells("source"), strict=True))
    drop = np.array([[values[places.index((n, s))] for s in names] for n in seeds])
    return Graphs(names, drop)


def fit(graphs: Graphs, choice: LawConfig = CHOICE) -> Fitted:
    """One world for all seeds."""
    seeds, s, k = graphs.drop.shape
    return fit_law(
        np.tile(TOKENS * np.eye(s), (seeds, 1)),
        graphs.drop.reshape(-1, k) - 1.0,
        sources=graphs.names,
        capabilities=graphs.names,
        scores=False,
        start=np.full(k, -1.0),
        choice=choice,
        folds=0,
        name="aioli",
    )
