"""An offline pool for allocators that want one: short real trainings, undone, and item bootstraps."""

from typing import TYPE_CHECKING

import numpy as np

from readsim.arrays import Array
from readsim.offline import Pool, random_allocations
from readsim.setting import Setting
from readsim.streams import generator
from readsim_hf.probes.suite import Measurement, ProbeSuite

if TYPE_CHECKING:
    from readsim_hf.backend import HFBackend


def collect(
    backend: "HFBackend", setting: Setting, size: int, seed: int
) -> tuple[Pool, dict[str, int]]:
    """`size` transitions from the start of the run, and the tokens they took (decision D17).

    `pool_runs` interventions each train one decision step's tokens with a random sparse allocation
    (R23), measure, and are undone. Each is then repeated with its probe items resampled, the same
    resample before and after, until there are `size` rows: rows of one intervention differ by
    measurement noise alone.
    """
    runs = min(backend.parts.pool_runs, size)
    allocations = random_allocations(generator(seed, "bootstrap", 0), runs, len(setting.sources))
    tokens = setting.schedule[0]
    before = backend.measure("probe")
    charges: dict[str, int] = dict(backend.drain())
    pairs: list[tuple[Measurement, Measurement]] = []
    for n, weights in enumerate(allocations):
        saved = backend.snapshot()
        used = dict(backend.run_interval(0, weights, tokens).charges)
        pairs.append((before, backend.last))
        backend.restore(saved)
        used["offline"] = used.pop("student")
        for kind, amount in used.items():
            charges[kind] = charges.get(kind, 0) + amount
        backend.watch("pool", {"done": n + 1, "runs": runs})
    rng = generator(seed, "bootstrap", 1)
    suite = backend.parts.suite
    rows = [
        profile_and_change(suite, *pairs[row % runs], rng if row >= runs else None)
        for row in range(size)
    ]
    profiles, changes = zip(*rows, strict=True)
    width = setting.history * setting.width
    pool = Pool(
        profile=np.array(profiles),
        budget_left=np.ones(size),
        history=np.zeros((size, width)),
        allocation=allocations[np.arange(size) % runs],
        change=np.array(changes),
        tokens=np.full(size, float(tokens)),
    )
    return pool, charges


def profile_and_change(
    suite: ProbeSuite, before: Measurement, after: Measurement, rng: np.random.Generator | None
) -> tuple[Array, Array]:
    """Profile before (V,) and change (V,), with `rng` on items drawn with replacement."""
    chosen = {
        name: slice(None) if rng is None else rng.integers(len(scores), size=len(scores))
        for name, scores in before.scores.items()
    }
    first, last = (
        suite.profile_of({name: m.scores[name][at] for name, at in chosen.items()})
        for m in (before, after)
    )
    return first, last - first
