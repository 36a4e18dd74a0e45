"""Train a policy on drawn worlds: imitation of each world's best static allocation, then its final utility.

The loss of a run, with U_0 and U_s the noise-free utilities of the uniform allocation and of `task-static`,
U* of the best static one that was found, and D = U* - U_0 + .01, is

    tame((U* - U) / D) + shortfall tame([U_s - U]_+ / D),     tame(x) = x below 1, else 1 + ln x

and, over the first `imitation` of the updates, a falling weight times the cross-entropy of its shares with
the best static ones: the label of DPT (arXiv 2306.14892). Gradients go through the world, the probes, what
they show, and the policy. An update is the mean gradient of `batches` batches, each a pure function of the
weights, the seed, and two numbers: a run that was stopped resumes with the same numbers, on any number of
processes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import cos, pi
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from readsim.allocators.trained.network import fresh_weights
from readsim.allocators.trained.policy_file import save_policy
from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.files.checked import Checked, number, whole
from readsim.files.json_text import digest_of
from readsim.stats.aggregate import interquartile_mean
from readsim.streams import generator
from readsim.tree_file import load_tree, save_tree
from readsim.version import __version__
from readsim.worlds.prior import Prior, load_prior
from readsim_rl.play import play_policy
from readsim_rl.problems import Problems, draw_problems

KEPT = 4  # batches that a place of the update chooses from
AGAIN = 12  # updates until the oldest of them is replaced
FAR = 2**32  # between the numbers of the batches of two places
HELD_OUT = 16  # batches, whose numbers no update uses
ROOM = 0.01  # of utility, added to what the best static allocation is better than uniform by
FIRST, SECOND, LEAST = 0.9, 0.99, 1e-8  # Adam (arXiv 1412.6980)
LENGTH = ("updates", "evaluate")  # what may be changed where training resumes
STEEPEST = 1.0  # norm of a batch's gradient

Weights = dict[str, Array]


@dataclass(frozen=True)
class TrainSettings(Checked):
    """How a policy is trained; `prior` is a name or a TOML file of ranges."""

    prior: str = "wide"
    seed: int = whole(0, "ours", low=0, high=2**31)
    updates: int = whole(1000, "ours: 50 minutes on two cores", low=1, high=10_000_000)
    batches: int = whole(4, "ours: even over two cores and over four", low=1, high=1024)
    rate: float = number(3e-3, "ours", above=0.0, high=1.0)
    imitation: float = number(0.1, "ours", low=0.0, high=1.0)
    shortfall: float = number(0.5, "ours", low=0.0, high=1e3)
    evaluate: int = whole(
        100, "ours: updates between two looks at held-out worlds", low=1, high=10**7
    )


@dataclass(frozen=True)
class HeldOutScores:
    """On held-out worlds after `update` updates: scores (0 uniform, 1 the best static allocation found), and
    points of utility over `task-static`."""

    update: int
    iqm: float
    static_iqm: float
    better: float
    mean_points: float
    worst_points: float


@lru_cache(maxsize=64)
def batch_of(prior: str, seed: int, batch: int) -> Problems:
    return draw_problems(load_prior(prior), seed, batch)


@contextmanager
def _alone() -> Iterator[None]:
    """One thread, as there are as many processes as cores; numbers too small for 32 bits are 0. Afterwards
    the process is as it was."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        with threadpool_limits(limits=1, user_api="blas"):  # sums in one order, in any process
            yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def batch_number(settings: TrainSettings, update: int, place: int) -> int:
    """Which batch an update plays at a place: one of `KEPT`, which are replaced in turn."""
    chosen = int(generator(settings.seed, "data", update, place).integers(KEPT))
    return place * FAR + update // AGAIN + chosen


@dataclass(frozen=True)
class BatchResult:
    """Loss of a batch, and its mean score, each run's kept between -2 and 2."""

    loss: float
    score: float


@_alone()
def gradient_of(
    settings: TrainSettings, weights: Weights, update: int, place: int
) -> tuple[Weights, BatchResult]:
    """Of one batch, cut to the norm 1."""
    problems = batch_of(settings.prior, settings.seed, batch_number(settings, update, place))
    leaves = {
        name: torch.tensor(value, dtype=torch.float32, requires_grad=True)
        for name, value in weights.items()
    }
    played = play_policy(problems, leaves, [settings.seed, update, place])
    uniform, static, best = (torch.as_tensor(row, dtype=torch.float32) for row in problems.scores)
    unit = best - uniform + ROOM
    lost, short = (best - played.utility) / unit, (static - played.utility).clip(0.0) / unit
    loss = (tame(lost) + settings.shortfall * tame(short)).mean()
    span = settings.imitation * settings.updates
    copied = 1.0 - update / span if update < span else 0.0
    if copied > 0.0:
        label = torch.as_tensor(problems.best, dtype=torch.float32)
        missed = -(label * torch.log(played.shares + 1e-6)).sum(-1).mean()
        loss = (1.0 - copied) * loss + copied * missed
    loss.backward()  # type: ignore[no-untyped-call]
    found = {name: np.nan_to_num(_slope(leaf)) for name, leaf in leaves.items()}
    size = float(np.sqrt(sum((value**2).sum() for value in found.values())))
    factor = min(1.0, STEEPEST / max(size, 1e-12))
    score = float((1.0 - lost.detach().clip(-1.0, 3.0)).mean())
    slope = {name: factor * value for name, value in found.items()}
    return slope, BatchResult(float(loss.detach()), score)


def _slope(leaf: torch.Tensor) -> Array:
    slope = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
    return slope.numpy().astype(np.float64)


def tame(x: torch.Tensor) -> torch.Tensor:
    """x below 1, else 1 + ln x: a run that failed counts, and does not drown the others."""
    return torch.where(x < 1.0, x, 1.0 + torch.log(x.clip(1.0)))


@_alone()
def scores_on(settings: TrainSettings, weights: Weights, place: int) -> Array:
    """(3, N) of a batch that no update uses: score, that of `task-static`, utility over `task-static`."""
    problems = batch_of(settings.prior, settings.seed, 2**50 + place)
    leaves = {name: torch.tensor(value, dtype=torch.float32) for name, value in weights.items()}
    with torch.no_grad():
        end = play_policy(problems, leaves, [settings.seed, 2**31 + place]).utility.numpy()
    uniform, static, best = problems.scores
    unit = best - uniform + ROOM
    return np.stack([(end - uniform) / unit, (static - uniform) / unit, end - static])


def adam_step(
    weights: Weights, slope: Weights, moments: tuple[Weights, Weights], count: int, rate: float
) -> tuple[Weights, tuple[Weights, Weights]]:
    """The weights and moments after update number `count`, from 1."""
    means = {n: FIRST * m + (1.0 - FIRST) * slope[n] for n, m in moments[0].items()}
    squares = {n: SECOND * v + (1.0 - SECOND) * slope[n] ** 2 for n, v in moments[1].items()}
    lift, root = 1.0 - FIRST**count, 1.0 - SECOND**count
    moved = {
        n: w - rate * (means[n] / lift) / (np.sqrt(squares[n] / root) + LEAST)
        for n, w in weights.items()
    }
    return moved, (means, squares)


def rate_at(settings: TrainSettings, update: int) -> float:
    """A short warm-up, then a cosine to a twentieth."""
    warm = min(1.0, (update + 1) / 20)
    return settings.rate * warm * (0.05 + 0.95 * 0.5 * (1.0 + cos(pi * update / settings.updates)))


Call = Callable[..., list[Any]]


@contextmanager
def workers(jobs: int) -> Iterator[Call]:
    """`call(function, places, *rest)`: function(*rest, place), a place always on the same process."""
    if jobs == 1:
        yield lambda function, places, *rest: [function(*rest, place) for place in places]
        return
    with ExitStack() as stack:
        pools = [
            stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
            for _ in range(jobs)
        ]

        def call(function: Callable[..., Any], places: Sequence[int], *rest: Any) -> list[Any]:
            waiting = [pools[place % jobs].submit(function, *rest, place) for place in places]
            return [one.result() for one in waiting]

        yield call


def train_policy(
    out: Path,
    settings: TrainSettings,
    *,
    jobs: int = 1,
    on_update: Callable[[int, float], None] | None = None,
    on_held_out: Callable[[HeldOutScores], None] | None = None,
) -> list[HeldOutScores]:
    """Train to `settings.updates` updates and write the policy to `out`; the held-out curve.

    At each look at held-out worlds the policy is written, and beside it `OUT.state`, from which the same call
    resumes; an interrupt writes the state alone. With other numbers of updates the rate of those to come and
    the share of imitation in their losses are those of the new schedule. Raises ConfigError for a state that
    was trained with other settings, and for a policy without its state, which is not written over.
    """
    batch_of.cache_clear()  # the prior's file may have changed since the last call
    state, prior = Path(f"{out}.state"), prior_digest(load_prior(settings.prior))
    weights = fresh_weights(generator(settings.seed, "allocator"))
    zeros = {name: np.zeros_like(value) for name, value in weights.items()}
    moments, done, curve = (zeros, zeros), 0, []
    if state.exists():
        saved = load_tree(state)
        _check_same(saved["settings"], settings, state)
        if saved.get("prior", prior) != prior:
            raise ConfigError(
                f"{state}: the prior {settings.prior!r} has changed since: give another file, or move "
                "this one away to begin again"
            )
        weights, moments, done = saved["weights"], tuple(saved["moments"]), int(saved["done"])
        curve = [HeldOutScores(**row) for row in saved["curve"]]
    elif out.exists():
        raise ConfigError(
            f"{out}: there is a policy, without {state} to continue it from: give another file, or move "
            "this one away to begin again"
        )

    def keep() -> None:
        weights, moments, done = now
        facts = {
            "settings": asdict(settings),
            "prior": prior,
            "done": done,
            "curve": [asdict(row) for row in curve],
        }
        save_tree(state, {**facts, "weights": weights, "moments": list(moments)})

    now = weights, moments, done  # one name, so that an interrupt finds what belongs together
    with workers(jobs) as call:
        try:
            while True:
                weights, moments, done = now
                is_due = done > 0 and (done % settings.evaluate == 0 or done >= settings.updates)
                if is_due and (not curve or curve[-1].update < done):
                    rows = call(scores_on, range(HELD_OUT), settings, weights)
                    curve.append(_summary(done, np.concatenate(rows, axis=1)))
                    save_policy(out, weights, training_card(settings, curve))
                    keep()
                    if on_held_out is not None:
                        on_held_out(curve[-1])
                if done >= settings.updates:
                    if not out.exists():  # it was moved away since it was written
                        save_policy(out, weights, training_card(settings, curve))
                    return curve
                results = call(gradient_of, range(settings.batches), settings, weights, done)
                slope = {
                    name: np.mean([found[name] for found, _ in results], axis=0) for name in weights
                }
                rate = rate_at(settings, done)
                now = (*adam_step(weights, slope, moments, done + 1, rate), done + 1)
                if on_update is not None:
                    on_update(done + 1, float(np.mean([one.score for _, one in results])))
        except KeyboardInterrupt:
            keep()
            raise


def _summary(update: int, rows: Array) -> HeldOutScores:
    score, static, points = rows[0], rows[1], 100.0 * rows[2]
    return HeldOutScores(
        update=update,
        iqm=float(interquartile_mean(score)),
        static_iqm=float(interquartile_mean(static)),
        better=float((points > 0.0).mean()),
        mean_points=float(points.mean()),
        worst_points=float(points.min()),
    )


def _check_same(saved: Mapping[str, Any], settings: TrainSettings, path: Path) -> None:
    for name, value in asdict(settings).items():
        if name not in LENGTH and saved.get(name) != value:
            raise ConfigError(
                f"{path}: was trained with {name} = {saved.get(name)!r}, not {value!r}: give another "
                "file, or move this one away to begin again"
            )


def prior_digest(prior: Prior) -> str:
    """Of all its ranges."""
    return digest_of(asdict(prior))[:16]


def training_card(settings: TrainSettings, curve: Sequence[HeldOutScores]) -> dict[str, Any]:
    """What a policy's file says of it."""
    prior = load_prior(settings.prior)
    return {
        "prior": {
            "name": prior.name,
            "description": prior.description,
            "budget": prior.budget,
            "digest": prior_digest(prior),
        },
        "settings": asdict(settings),
        "updates": curve[-1].update,
        "held_out": [asdict(row) for row in curve],
        "versions": {"readsim": __version__, "torch": torch.__version__, "numpy": np.__version__},
    }
