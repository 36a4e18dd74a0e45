"""Short trainings with random allocations, each undone: what they did, kept on disk as they end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from readsim.allocators.base import Allocator
from readsim.arrays import Array
from readsim.backend import Backend, added, undone
from readsim.envs.episode import EpisodeConfig
from readsim.envs.history import remembered
from readsim.envs.offline_pool import Pool, random_allocations
from readsim.envs.reward import proxy_reward
from readsim.errors import ConfigError, RunLogError
from readsim.files.json_text import digest_of
from readsim.streams import generator
from readsim.tree_file import load_facts, save_facts
from readsim_hf.components import Components
from readsim_hf.config import RunConfig
from readsim_hf.probes.splits import Split
from readsim_hf.probes.suite import ItemScores, ProbeSuite

Scores = Mapping[str, Array]  # of each benchmark, item by item


@dataclass(frozen=True, eq=False)
class Intervention:
    """One training from the start: token shares (S,), tokens used by kind, scores afterwards, and those of
    the probes at the ends of its earlier intervals."""

    weights: Array
    token_usage: Mapping[str, int]
    probe: Scores
    dev: Scores
    earlier: tuple[Scores, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        scores: dict[str, Any] = {split: _plain(getattr(self, split)) for split in ("probe", "dev")}
        if self.earlier:
            scores["earlier"] = [_plain(one) for one in self.earlier]
        return {"weights": self.weights.tolist(), "charges": dict(self.token_usage), **scores}

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> "Intervention":
        probe, dev = (_scores(table[split]) for split in ("probe", "dev"))
        weights = np.array(table["weights"], dtype=np.float64)
        earlier = tuple(_scores(one) for one in table.get("earlier", ()))
        return cls(weights, dict(table["charges"]), probe, dev, earlier)


def _plain(scores: Scores) -> dict[str, Any]:
    return {name: values.tolist() for name, values in scores.items()}


def _scores(table: Mapping[str, Any]) -> dict[str, Array]:
    return {name: np.array(values, dtype=np.float64) for name, values in table.items()}


@dataclass(frozen=True, eq=False)
class Interventions:
    """`tokens` an interval of a training; `rows[0]` is the untrained student, with no shares."""

    tokens: int
    rows: tuple[Intervention, ...]

    @property
    def token_usage(self) -> dict[str, int]:
        """What all of them took, by ledger kind: student tokens count as offline."""
        out: dict[str, int] = {}
        for row in self.rows:
            for kind, amount in row.token_usage.items():
                out[kind] = out.get(kind, 0) + amount
        return out

    @property
    def runs(self) -> int:
        """How many trainings."""
        return len(self.rows) - 1

    @property
    def steps(self) -> int:
        """Intervals of each."""
        return len(self.rows[-1].earlier) + 1

    def changes(self, suite: ProbeSuite) -> tuple[Array, Array]:
        """Changes of the profile on the probe split and on the dev split, Eq. (5): (N, V) each."""
        first, rest = self.rows[0], self.rows[1:]
        probe, dev = (
            np.array([suite.profile_of(getattr(row, split)) for row in rest])
            - suite.profile_of(getattr(first, split))
            for split in ("probe", "dev")
        )
        return probe, dev


class Profiled(Protocol):
    """What makes a profile of scores, such as a `ProbeSuite`."""

    def profile_of(self, scores: Scores) -> Array:
        """(V,)"""
        ...


class Trainer(Backend, Protocol):
    """What interventions need of the real-run backend besides the contract."""

    components: Components
    budget: int
    workbench: Path | None
    watch: Callable[[str, Mapping[str, float]], None]

    @property
    def last(self) -> ItemScores:
        """The measurement that ended the last interval."""
        ...

    def measure(self, split: Split) -> ItemScores:
        """Scores of the student, item by item."""
        ...


def pool_shape(
    episode: EpisodeConfig, size: int, pool_runs: int, pool_steps: int, persistent: bool
) -> tuple[int, int]:
    """How many trainings make a pool of `size` rows, and intervals of each: at most `pool_runs` of
    `pool_steps`, or if `persistent` as many whole runs as have these rows (`check_whole_runs`)."""
    if not persistent:
        return min(pool_runs, size), min(pool_steps, episode.steps)
    runs = -(-size // episode.steps)
    check_whole_runs(runs, pool_runs, episode.budget, episode.steps)
    return runs, episode.steps


def check_whole_runs(runs: int, pool_runs: int, budget: int, steps: int) -> None:
    """ConfigError for a pool of more whole runs than `pool_runs`: they cost a whole budget each."""
    if runs > pool_runs:
        raise ConfigError(
            f"pool_runs = {pool_runs}, and the allocator asks for a pool of {runs} whole runs of "
            f"{budget:,} tokens each: give pool_runs = {runs}, or ask for fewer "
            f"(`level+runs={pool_runs}`, `read+pool={pool_runs * steps}`)"
        )


def planned_pools(config: RunConfig, allocator: Allocator) -> tuple[tuple[int, int], ...]:
    """(trainings, intervals of each) of a run's pools: short ones, or the identifier's, and whole
    runs, which are the identifier's where these are whole. ConfigError as `check_whole_runs`."""
    whole = allocator.whole_runs(config.steps)
    check_whole_runs(whole, config.pool_runs, config.budget, config.steps)
    out = []
    if config.identify or ("transitions" in allocator.needs and not whole):
        out.append((config.pool_runs, config.pool_steps))
    if whole and not (config.identify and config.pool_steps == config.steps):
        out.append((whole, config.steps))
    return tuple(out)


def intervene(backend: Trainer, tokens: int, runs: int, seed: int, steps: int = 1) -> Interventions:
    """`runs` trainings with random sparse allocations from where the backend is, each of `steps` intervals
    of `tokens`, with a probe after each.

    Each is undone. In `backend.workbench`, if that is a folder, they are kept as they end, and
    what is there already is not trained again: a killed process resumes, and runs of other allocators
    with the same settings and seed share them. What they took is charged to each all the same.
    """
    allocations = random_allocations(generator(seed, "bootstrap", 0), runs, len(backend.sources))
    about = {
        "identity": backend.components.identity,
        "budget": backend.budget,
        "seed": seed,
        "tokens": tokens,
        "runs": runs,
        **({"steps": steps} if steps > 1 else {}),
    }
    path = backend.workbench and backend.workbench / f"interventions-{digest_of(about)[:16]}.json"
    rows = _kept(path, about) if path else []
    for n in range(len(rows), runs + 1):
        rows.append(_measured(backend, None if n == 0 else allocations[n - 1], tokens, steps))
        if path:
            save_facts(path, {"about": about, "rows": [row.plain() for row in rows]})
        backend.watch("pool", {"done": n, "runs": runs})
    return Interventions(tokens, tuple(rows))


def _kept(path: Path, about: Mapping[str, Any]) -> list[Intervention]:
    """What was done before. Raises RunLogError for a file that is not of these interventions."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        return []
    try:
        table = load_facts(path)
        if table["about"] != about:
            raise ValueError(f"it is about {table['about']}")
        return [Intervention.of(row) for row in table["rows"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunLogError(
            f"{path} does not hold this run's interventions ({error}): move it away"
        ) from error


def _measured(backend: Trainer, weights: Array | None, tokens: int, steps: int) -> Intervention:
    """Train, measure on both splits, go back."""
    earlier: list[Scores] = []
    if weights is None:
        probe, dev = backend.measure("probe"), backend.measure("dev")
        used = probe.token_usage
    else:
        with undone(backend):
            used = dict(backend.run_interval(0, weights, tokens).token_usage)
            for step in range(1, steps):
                earlier.append(backend.last.scores)
                used = added(used, backend.run_interval(step, weights, tokens).token_usage)
            probe, dev = backend.last, backend.measure("dev")
        used["offline"] = used.pop("student")
    shares = np.zeros(len(backend.sources)) if weights is None else weights
    usage = added(used, dev.token_usage)
    return Intervention(shares, usage, probe.scores, dev.scores, tuple(earlier))


def pool_of(
    done: Interventions, suite: Profiled, episode: EpisodeConfig, size: int, seed: int
) -> Pool:
    """`size` transitions from the start of a run.

    Each interval of each intervention is a row; then each intervention is repeated with its probe items
    resampled, the same resample at all its measurements, until there are `size` rows: rows of one
    intervention, its parent, differ by measurement noise alone.
    """
    first, rest = done.rows[0], done.rows[1 : size + 1]
    rng = generator(seed, "bootstrap", 1)
    requirement, cost = episode.task.requirement, episode.reward.cost * done.tokens / episode.budget
    rows: list[tuple[Array | float, ...]] = []
    parents: list[int] = []
    runs: list[int] = []
    run = 0
    while len(rows) < size:
        parent = run % len(rest)
        one = rest[parent]
        measured = (first.probe, *one.earlier, one.probe)
        profiles = resampled_profiles(suite, measured, rng if run >= len(rest) else None)
        history = np.zeros(episode.history * episode.width)
        for step, (before, after) in enumerate(pairwise(profiles)):
            left, change = 1.0 - step * done.tokens / episode.budget, after - before
            rows.append((before, left, history, one.weights, change, float(done.tokens)))
            reward = float(proxy_reward(change, requirement, episode.prices, cost))
            history = remembered(history, one.weights, change, reward)
            parents.append(parent)
            runs.append(run)
        run += 1
    pool = Pool(*(np.array(column) for column in zip(*rows[:size], strict=True)))
    return pool._replace(parent=np.array(parents[:size]), run=np.array(runs[:size]))


def resampled_profiles(
    suite: Profiled, measured: Sequence[Scores], rng: np.random.Generator | None
) -> list[Array]:
    """Profiles (V,) of several measurements, with `rng` on items drawn with replacement once for all."""
    chosen = {
        name: slice(None) if rng is None else rng.integers(len(scores), size=len(scores))
        for name, scores in measured[0].items()
    }
    return [
        suite.profile_of({name: scores[name][at] for name, at in chosen.items()})
        for scores in measured
    ]
