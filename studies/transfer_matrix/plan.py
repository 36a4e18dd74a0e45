"""Which runs the study makes: one-hot ones for the matrix, mixtures to check the fitted world on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from readsim.errors import ConfigError
from readsim.streams import generator

MIXTURE_SEED = 0  # of the random mixtures, the same in every study


@dataclass(frozen=True)
class Job:
    """One run. `name` is the source, or `uniform`, `mix-1`, ...; `shares` (S,) of the budget."""

    name: str
    shares: tuple[float, ...]
    budget: int
    seed: int

    @property
    def stem(self) -> str:
        """Name of its log, without the ending."""
        safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in self.name)
        return f"{safe}.{self.budget}.seed{self.seed}"


def make_plan(
    sources: Sequence[str], budgets: Sequence[int], seeds: Sequence[int], mixtures: int
) -> list[Job]:
    """Seed by seed, from the smallest budget up: whatever is done first is a whole table.

    `mixtures` runs per budget, the first one uniform, the others Dirichlet(1) draws that differ
    between budgets; they take the seeds in turn. Raises ConfigError for an empty or doubled value.
    """
    for field, values in (("budgets", budgets), ("seeds", seeds)):
        if not values or len(set(values)) != len(values) or min(values) < 0:
            raise ConfigError(f"{field} = {list(values)!r}: at least one, each >= 0 and only once")
    if mixtures < 0:
        raise ConfigError(f"mixtures = {mixtures!r}: a whole number >= 0")
    corners = [tuple(row) for row in np.eye(len(sources)).tolist()]
    out = []
    for place, seed in enumerate(seeds):
        for budget in sorted(budgets):
            out += [Job(n, row, budget, seed) for n, row in zip(sources, corners, strict=True)]
        for budget in sorted(budgets):
            for n in range(place, mixtures, len(seeds)):
                name = f"mix-{n}" if n else "uniform"
                out.append(Job(name, _mixture(len(sources), budget, n), budget, seed))
    if len({job.stem for job in out}) < len(out):
        raise ConfigError(f"sources {', '.join(sources)}: two runs would share one log")
    return out


def _mixture(size: int, budget: int, n: int) -> tuple[float, ...]:
    if n == 0:
        return (1.0 / size,) * size
    draw = generator(MIXTURE_SEED, "data", budget, n).dirichlet(np.ones(size))
    return tuple(np.round(draw, 4).tolist())


def shard_of(jobs: Sequence[Job], text: str) -> list[Job]:
    """Every n-th job for `I/N`, so that N processes share the work. Raises ConfigError."""
    first, _, count = text.partition("/")
    if not (first.isdecimal() and count.isdecimal() and int(first) < int(count)):
        raise ConfigError(f"--shard {text!r}: I/N with 0 <= I < N, such as 0/2 and 1/2")
    return list(jobs[int(first) :: int(count)])
