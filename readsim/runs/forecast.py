"""The outcome of one run, foretold: an allocator in a world, many seeds, 95 % prediction intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from readsim.allocators.registry import load_allocator
from readsim.arrays import Array, half_of
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError
from readsim.fitting.misfit import Misfit, misfit_in
from readsim.runs.loop import rollout
from readsim.streams import generator
from readsim.worlds.task import Task
from readsim.worlds.validation import check_budget
from readsim.worlds.world import World

LEVEL = 0.95
DRAWS = 200  # of the test items' noise, for each simulated run


@dataclass(frozen=True, eq=False)
class Outlook:
    """What one run will measure on its test split, as a world has it.

    names         capabilities (K,), then `utility`: K + 1 entries in every array
    mean          over the seeds
    low, high     the LEVEL prediction interval of one run's measured score
    seed_sd       spread of the true scores over seeds
    noise_sd      of one measurement: the test split's items, and the world's own error if it was given
    world_sd      that error, the root mean square over capabilities; 0: not in the interval
    """

    world: str
    seeds: int
    names: tuple[str, ...]
    mean: Array
    low: Array
    high: Array
    seed_sd: Array
    noise_sd: Array
    world_sd: float

    def table(self) -> dict[str, Any]:
        """As plain data."""
        arrays = ("mean", "low", "high", "seed_sd", "noise_sd")
        return {
            "world": self.world,
            "seeds": self.seeds,
            "level": LEVEL,
            "world_sd": self.world_sd,
            "scores": {
                name: {key: float(getattr(self, key)[j]) for key in arrays}
                for j, name in enumerate(self.names)
            },
        }


def interval(mean: Array, spread: Array, noise: Array, seeds: int) -> tuple[Array, Array]:
    """mean +- t_{N-1} sqrt(s^2 (1 + 1/N) + v): one more run of N, measured with an error of variance v.

    spread, noise   standard deviations s over N seeds and v^(1/2) of one measurement, (K,)

    The textbook interval of a next observation (Hahn and Meeker 1991, section 4.7), v added. Raises
    ConfigError for fewer than two seeds.
    """
    from scipy.special import stdtrit

    if seeds < 2:
        raise ConfigError(
            f"seeds = {seeds!r}: expected a number of at least 2, because a spread is computed"
        )
    half = float(stdtrit(seeds - 1, 0.5 + LEVEL / 2)) * np.sqrt(
        spread**2 * (1.0 + 1.0 / seeds) + noise**2
    )
    return mean - half, mean + half


def foretell(
    world: World,
    task: Task | str | Mapping[str, float],
    budget: int,
    steps: int,
    allocator: str,
    *,
    settings: Mapping[str, Any] | None = None,
    seeds: int = 32,
    probe_items: int | Sequence[int] | None = None,
    test_items: int | Sequence[int] | None = None,
    world_sd: float | None = None,
) -> Outlook:
    """Run `allocator` in `world` on `seeds` seeds and say what one more, real run would measure.

    probe_items, test_items   of each capability's splits; the world's own if not given
    world_sd                  by how much the world misses a true score (root mean square), independently
                              for each capability; default: what the file of a fitted world says of itself
                              (`readsim.fitting.misfit`), correlations with it, and 0 for other worlds

    The interval holds what varies between runs in the world, the probes' noise as far as it moves the
    allocator, and the test items' noise. That the world itself is a fit is in it as `world_sd` only.
    Raises ConfigError for a budget past the world's horizon.
    """
    if world_sd is not None and not 0.0 <= world_sd < np.inf:
        raise ConfigError(f"world_sd = {world_sd!r}: expected a number of at least 0 and finite")
    check_budget(world, budget)
    k = len(world.capabilities)
    misfit = misfit_in(world) if world_sd is None else Misfit(np.full(k, world_sd), np.eye(k))
    own = np.zeros((k, k)) if misfit is None else misfit.covariance
    given = {"items": probe_items, "test_items": test_items}
    sizes: dict[str, Any] = {
        field: np.broadcast_to(np.asarray(items, dtype=float), k)
        for field, items in given.items()
        if items is not None
    }
    world = replace(world, **sizes)
    interval(np.zeros(1), np.zeros(1), np.zeros(1), seeds)
    envs = [DistillEnv(world, task, budget, steps=steps) for _ in range(seeds)]
    rows, _ = rollout(envs, load_allocator(allocator, dict(settings or {})), range(seeds))
    final = np.array([row["final_profile"] for row in rows if row["kind"] == "final"])
    chosen = envs[0].episode.task
    probe = world.probe("test")
    drawn = generator(0, "test")
    items, missed = (drawn.standard_normal((DRAWS, 1, k)) for _ in range(2))
    measured = final + items * probe.deviation(final) + missed @ half_of(own).T
    if world.is_score:
        measured = measured.clip(world.scale.low, 1.0)
    true = np.column_stack([final, chosen.utility(final)])
    seen = np.concatenate([measured, chosen.utility(measured)[..., None]], axis=-1)
    noise_sd = np.sqrt(seen.var(axis=0, ddof=1).mean(axis=0))
    mean, seed_sd = true.mean(axis=0), true.std(axis=0, ddof=1)
    low, high = interval(mean, seed_sd, noise_sd, seeds)
    if world.is_score:
        low, high = (ends.clip(world.scale.low, 1.0) for ends in (low, high))
    names = (*world.capabilities, "utility")
    error = float(np.sqrt(np.diag(own).mean()))
    return Outlook(world.name, seeds, names, mean, low, high, seed_sd, noise_sd, error)
