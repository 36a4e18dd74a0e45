"""The result of the runs: changes by source, budget and seed, with their errors."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, norm

from readsim.arrays import Array
from readsim.errors import RunLogError
from readsim.tree_file import write_atomic

FALSE_DISCOVERIES = 0.1  # expected share, Benjamini-Hochberg
EXACT = 1e-4  # standard error of a score that is measured without any, so that weights are finite


@dataclass(frozen=True, eq=False)
class Measured:
    """`info` is plain data as it is on disk. B budgets in increasing order, S sources, n seeds.

    change, change_sd   (B, S, n, K) of the one-hot runs; sd over the items of the test split
    shares              (m, S) of the mixtures; `spent` (m,) their budgets
    mixed, mixed_sd     (m, K) their changes
    """

    info: dict[str, Any]
    sources: tuple[str, ...]
    capabilities: tuple[str, ...]
    budgets: tuple[int, ...]
    change: Array
    change_sd: Array
    shares: Array
    spent: Array
    mixed: Array
    mixed_sd: Array

    @classmethod
    def of(cls, info: dict[str, Any]) -> Self:
        """Sort the runs into arrays. Raises RunLogError unless every source has the same runs."""
        sources, runs = tuple(info["sources"]), info["runs"]
        budgets = tuple(sorted({run["budget"] for run in runs}))
        one_hot = [r for r in runs if max(r["shares"]) == 1.0]
        mixtures = [r for r in runs if max(r["shares"]) < 1.0]
        seeds = sorted({r["seed"] for r in one_hot})
        at = {(r["budget"], r["name"], r["seed"]): r for r in one_hot}
        wanted = [[[(b, s, n) for n in seeds] for s in sources] for b in budgets]
        lacking = [key for plane in wanted for row in plane for key in row if key not in at]
        if lacking:
            raise RunLogError(f"no run of (budget, source, seed) = {lacking[0]}")

        def gather(field: str) -> Array:
            return np.array([[[at[key][field] for key in r] for r in plane] for plane in wanted])

        k = len(info["capabilities"])
        return cls(
            info=info,
            sources=sources,
            capabilities=tuple(info["capabilities"]),
            budgets=budgets,
            change=gather("change"),
            change_sd=gather("change_sd"),
            shares=np.array([r["shares"] for r in mixtures]).reshape(-1, len(sources)),
            spent=np.array([r["budget"] for r in mixtures], dtype=np.float64),
            mixed=np.array([r["change"] for r in mixtures]).reshape(-1, k),
            mixed_sd=np.array([r["change_sd"] for r in mixtures]).reshape(-1, k),
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls.of(json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        """A JSON file with one run a line."""
        head = {k: v for k, v in self.info.items() if k != "runs"}
        lines = ",\n  ".join(json.dumps(run) for run in self.info["runs"])
        text = json.dumps(head, indent=1)[:-2] + f',\n "runs": [\n  {lines}\n ]\n}}\n'
        write_atomic(path, text.encode())

    def vector(self, name: str) -> Array:
        """`start`, `floor`, `teacher`, `items` or `test_items`: (K,)."""
        return np.array(self.info[name], dtype=np.float64)

    @property
    def matrix(self) -> Array:
        """M(B) of Definition 2.2, mean over seeds: (B, S, K)."""
        mean: Array = self.change.mean(axis=2)
        return mean

    @property
    def item_variance(self) -> Array:
        """Variance of a change by the choice of test items, mean over seeds: (B, S, K).

        At least that of one item in the whole split; where the split has no noise, of EXACT.
        """
        items = self.vector("test_items")
        least = np.where(items > 0, np.maximum(items, 1.0) ** -2.0, EXACT**2)
        out: Array = np.maximum((self.change_sd**2).mean(axis=2), least)
        return out

    @property
    def seed_variance(self) -> Array:
        """Variance of a change between seeds, (B, S, K), by budget proportional to the items' part.

        Two or three seeds say little of a single cell, so their variances are pooled. 0 for one.
        """
        if self.change.shape[2] < 2:
            return np.zeros_like(self.item_variance)
        between = self.change.var(axis=2, ddof=1)
        ratio = between.sum(axis=(1, 2)) / self.item_variance.sum(axis=(1, 2))
        out: Array = ratio[:, None, None] * self.item_variance
        return out

    @property
    def error(self) -> Array:
        """Standard error of `matrix` (B, S, K): all seeds answer the same items.

        Items and seeds are added up as if the seeds' part had no items in it: a little too large.
        """
        out: Array = np.sqrt(self.item_variance + self.seed_variance / self.change.shape[2])
        return out

    @property
    def own(self) -> NDArray[np.bool_]:
        """(S, K): source and capability have one name."""
        return np.array([[s == c for c in self.capabilities] for s in self.sources])

    @property
    def significant(self) -> NDArray[np.bool_]:
        """(B, S, K): the interval excludes 0, Benjamini-Hochberg at 10 %.

        Effects on the source's own capability and cross effects are two families, budget by budget.
        """
        p = 2.0 * norm.sf(np.abs(self.matrix / self.error))
        out = np.zeros(p.shape, dtype=np.bool_)
        for b in range(len(p)):
            for family in (self.own, ~self.own):
                if family.any():
                    out[b][family] = false_discovery_control(p[b][family]) <= FALSE_DISCOVERIES
        return out
