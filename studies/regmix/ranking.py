"""Do allocators rank alike in worlds fitted to disjoint halves of the runs, and do picks hold up?"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.allocators.registry import BUILT_IN, load_allocator
from readsim.envs.env import DistillEnv
from readsim.fitting.cross_validation import first_choice
from readsim.fitting.law import fit_law
from readsim.fitting.table import Runs
from readsim.runs.loop import rollout
from readsim.streams import generator
from readsim.worlds import World

ALLOCATORS = (
    *("uniform", "one-hot", "task-static", "random", "greedy-last", "grid", "read"),
    *("skill-it", "doremi", "exp3", "linucb", "thompson", "log-linear", "mpc"),
)
SETTINGS: dict[str, dict[str, Any]] = {"read": {"pool": 64}}
BUDGET, STEPS, SEEDS, TOP = 1_000_000_000, 10, (0, 1, 2), 10


def halves(train: Runs) -> list[tuple[World, NDArray[np.int64]]]:
    """(world, rows) of two disjoint random halves, fitted with the same settings."""
    order = generator(0, "data").permutation(len(train.tokens))
    out = []
    for rows in np.array_split(order, 2):
        fitted = fit_law(
            train.tokens[rows],
            train.profiles[rows],
            sources=train.sources,
            capabilities=train.capabilities,
            scores=False,
            choice=first_choice(len(train.sources), scores=False),
            folds=0,
        )
        tasks: dict[str, dict[str, object]] = {
            name: {"requirement": {name: 1.0}} for name in train.capabilities
        }
        tasks["average"] = {"requirement": dict.fromkeys(train.capabilities, 1.0)}
        out.append((fitted.world.replace(tasks=tasks), rows))
    return out


def utilities(world: World, task: str, names: list[str]) -> list[float]:
    """Mean final utility of each allocator over the seeds."""
    out = []
    for name in names:
        envs = [DistillEnv(world, task, BUDGET, steps=STEPS) for _ in SEEDS]
        rows, _ = rollout(envs, load_allocator(name, SETTINGS.get(name)), SEEDS)
        out.append(float(np.mean([r["utility"] for r in rows if r["kind"] == "final"])))
    return out


def agreement(worlds: list[World], tasks: list[str]) -> dict[str, Any]:
    """Kendall's tau between the worlds, task by task, with a bootstrap interval over tasks."""
    from scipy.stats import kendalltau

    names = [n for n in ALLOCATORS if n in BUILT_IN]
    taus, best = [], 0
    for task in tasks:
        a, b = (utilities(world, task, names) for world in worlds)
        taus.append(float(kendalltau(a, b).statistic))
        best += int(np.argmax(a) == np.argmax(b))
    tau = np.array(taus)
    draws = generator(0, "bootstrap").integers(0, len(tau), (2000, len(tau)))
    low, high = np.quantile(tau[draws].mean(axis=1), [0.025, 0.975])
    ends = [round(float(low), 4), round(float(high), 4)]
    return {
        "allocators": names,
        "tau": dict(zip(tasks, np.round(tau, 4).tolist(), strict=True)),
        "mean_tau": round(float(tau.mean()), 4),
        "interval": ends,
        "same_best": best,
    }


def picks(world: World, train: Runs, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """The measured runs of `rows` ranked by a world that has not seen them.

    hits     how many of the predicted best TOP are among the measured best TOP
    regret   measured loss of the predicted best minus that of the measured best
    random   the regret of a run picked at random
    """
    measured, predicted = -train.profiles[rows], -world.profile_after([train.tokens[rows]])
    columns = [*zip(train.capabilities, measured.T, predicted.T, strict=True)]
    columns.append(("mean of all", measured.mean(axis=1), predicted.mean(axis=1)))
    out = []
    for name, true, guess in columns:
        hits = len(set(np.argsort(true)[:TOP]) & set(np.argsort(guess)[:TOP]))
        regret, chance = true[np.argmin(guess)] - true.min(), true.mean() - true.min()
        out.append(
            {
                "target": name,
                "hits_of_10": hits,
                "regret": round(float(regret), 4),
                "random": round(float(chance), 4),
            }
        )
    return out
