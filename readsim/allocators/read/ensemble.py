"""The reward ensemble of ReAD, Eq. (10): M small networks, their mean mu and deviation sigma.

What makes it cheap compared with "200 Adam steps per member after every decision":

1. The hidden layers are trained once, on the offline pool; the output layer is solved exactly, by
   ridge regression on all of a member's rows. A decision is a rank-one update and a solve.
2. A member sees about 63 % of the rows. The others, its out-of-bag rows (Breiman 1996), choose the
   ridge penalty and say when more training stops helping, so noise in the rewards is not fitted.

Runs are not stacked (measured: not faster, see `mlp`): no run's numbers depend on another's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from readsim.allocators.read.bootstrap import bootstrap_counts, grouped_counts
from readsim.allocators.read.features import Readout, fit_readout, solve_output
from readsim.allocators.read.mlp import Floats, features, initial, train_members
from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.files.checked import Checked, number, numbers, switch, whole
from readsim.streams import generator

_CONSTANT = 1e-9  # a column whose deviation is this small compared with its size carries nothing
_FARTHEST = 5.0  # an input that hardly varied in two rows would put the next row far outside


@dataclass(frozen=True)
class EnsembleConfig(Checked):
    """Members and training; the defaults give M = 5 and two hidden layers of 64.

    Training has up to `stages` stages of `steps` Adam steps with batches of `batch` rows of the
    member's bootstrap. The first has rate `learning_rate` and decay `weight_decay`, each next one
    half of both; the first that does not lower the out-of-bag error is undone. Three of half length
    end it, the last at half the last rate kept. `ridge` are the penalties tried, as multiples of
    the mean squared feature; between equals the first is taken. sigma is at least `sigma_floor` reward
    standard deviations. Without `standardise` inputs are taken as they are: a known mistake.

    Raises ConfigError, which names the field, for a value outside its range.
    """

    members: int = whole(5, "code", low=2, high=1000)
    hidden: int = whole(64, "code", low=1, high=1024)
    stages: int = whole(4, "ours", low=1, high=100)
    steps: int = whole(150, "ours", low=1, high=10_000)
    batch: int = whole(64, "ours", low=1, high=100_000)
    learning_rate: float = number(0.01, "ours", above=0.0)
    weight_decay: float = number(3.0, "ours", low=0.0)
    ridge: tuple[float, ...] = numbers((10.0, 1.0, 0.1, 0.01, 0.001), "ours", above=0.0)
    sigma_floor: float = number(0.05, "ours", low=0.0)
    standardise: bool = switch(True, "ours")


class EnsembleState(TypedDict):
    """One run's ensemble: a plain dict of numbers and arrays, so that it can be saved.

    M members, d inputs, H features; k rows are kept, see `fit_ensemble`.
    """

    seed: int
    rows: int  # rows seen, pool and history
    x_mean: Array  # (d,)
    x_scale: Array  # (d,) one over the deviation; 0 for a constant input
    farthest: float  # inputs are kept within so many of these
    y_mean: float
    y_scale: float  # reward units
    floor: float  # reward units
    hidden: Floats  # (M, P) flat weights, see mlp.unflatten; their output layer is not used
    gram: Array  # (M, H+1, H+1) weighted sum of z z', z = (features, 1)
    moment: Array  # (M, H+1) weighted sum of z y
    penalty: Array  # (H+1,) ridge
    output: Array  # (M, H+1) solves (gram + diag(penalty)) output = moment
    kept_x: Array  # (k, d)
    kept_y: Array  # (k,)


def fit_ensemble(
    config: EnsembleConfig,
    x: ArrayLike,
    y: ArrayLike,
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> EnsembleState:
    """The ensemble after rows x (n, d), rewards y (n,); n = 0 gives the prior.

    Rows with one number in `groups` (n,) are measurements of the same thing: the bootstrap takes all
    or none of them, so that what is out of the bag was not seen in another copy, and together they
    weigh as much in the output layers as one row, such as each that `add_row` brings.

    With fewer than `batch` rows the hidden layers stay as they were drawn: the exact output layer
    is all that can be learnt. Then rows without groups are kept, and everything is fitted anew
    whenever their number reaches a power of two.

    Raises ConfigError if the shapes do not fit together or a value is not finite.
    """
    rows, rewards = _checked(x), _checked(y, ndim=1)
    if len(rows) != len(rewards):
        raise ConfigError(f"y has {len(rewards)} rewards for {len(rows)} rows of x")
    with threadpool_limits(limits=1, user_api="blas"):  # two threads stall on small matrices
        state = _fit(config, rows, rewards, seed, groups)
    kept = slice(None if len(rows) < config.batch and groups is None else 0)
    # Copies: the state must not change with the caller's arrays, nor keep a pool in memory.
    return {**state, "kept_x": rows[kept].copy(), "kept_y": rewards[kept].copy()}


def add_row(config: EnsembleConfig, state: EnsembleState, x: ArrayLike, y: float) -> EnsembleState:
    """The ensemble after one more row x (d,) with reward y; `state` is not changed."""
    rows = _checked(np.asarray(x)[None], width=len(state["x_mean"]))
    rewards = _checked([y], ndim=1)
    seen = state["rows"]
    kept_x, kept_y = state["kept_x"], state["kept_y"]
    if seen == len(kept_y):
        kept_x, kept_y = np.concatenate([kept_x, rows]), np.concatenate([kept_y, rewards])
        if (seen + 1).bit_count() == 1:
            return _fit(config, kept_x, kept_y, state["seed"])
    z = _features(state, rows)[:, 0]
    count = bootstrap_counts(state["seed"], seen, 1, len(z))
    target = (float(rewards[0]) - state["y_mean"]) / state["y_scale"]
    gram = state["gram"] + (count * z)[:, :, None] * z[:, None, :]
    moment = state["moment"] + count * z * target
    return {
        **state,
        "rows": seen + 1,
        "gram": gram,
        "moment": moment,
        "output": solve_output(gram, moment, state["penalty"]),
        "kept_x": kept_x,
        "kept_y": kept_y,
    }


def predict_reward(state: EnsembleState, x: ArrayLike) -> tuple[Array, Array]:
    """mu and sigma (A,) of candidates x (A, d), Eq. (10), in reward units.

    mu is the mean of the members, sigma their standard deviation (M - 1 in the denominator), at
    least the floor. Before the first row mu is 0 and sigma is 1.
    """
    rows = _checked(x, width=len(state["x_mean"]))
    if not state["rows"]:
        return np.zeros(len(rows)), np.ones(len(rows))
    guess = np.matmul(_features(state, rows), state["output"][..., None])[..., 0]
    mu: Array = guess.mean(axis=0) * state["y_scale"] + state["y_mean"]
    sigma: Array = np.maximum(guess.std(axis=0, ddof=1) * state["y_scale"], state["floor"])
    return mu, sigma


def _fit(
    config: EnsembleConfig,
    x: Array,
    y: Array,
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> EnsembleState:
    y_mean, y_sd = _mean_and_deviation(y)
    x_mean, x_scale, farthest = _standards(config, x)
    y_scale = float(y_sd) or 1.0
    inputs = _inputs(x, x_mean, x_scale, farthest)
    weight = np.ones(len(y))
    if groups is None:
        counts = bootstrap_counts(seed, 0, len(y), config.members)
    else:
        counts = grouped_counts(seed, groups, config.members)
        weight = 1.0 / np.bincount(groups)[groups]
    hidden, readout = fit_network(
        config, inputs, (y - y_mean) / y_scale, counts, weight, generator(seed, "bootstrap", 1)
    )
    return {
        "seed": seed,
        "rows": len(y),
        "x_mean": x_mean,
        "x_scale": x_scale,
        "farthest": farthest,
        "y_mean": float(y_mean),
        "y_scale": y_scale,
        "floor": config.sigma_floor * y_scale,
        "hidden": hidden,
        "gram": readout.gram,
        "moment": readout.moment,
        "penalty": readout.penalty,
        "output": readout.output,
        "kept_x": x,
        "kept_y": y,
    }


def fit_network(
    config: EnsembleConfig,
    x: Floats,
    y: Array,
    counts: Array,
    weight: Array,
    rng: np.random.Generator,
) -> tuple[Floats, Readout]:
    """Hidden layers (M, P) and output layers from standardised rows x (n, d+1), y (n,).

    Row i is in member m's bootstrap counts[m, i] times; weight (n,) is what it then weighs in the
    output layer.

    Stages continue while the out-of-bag error falls, then three shorter ones end the training. They
    keep to the bootstrap, because all rows would halve sigma; only if the error never stopped
    falling, so that there is little noise to disagree about, do they use all rows.
    """
    n, width = len(y), config.hidden
    target = y.astype(np.float32)
    everything = np.arange(n)
    bags = [np.repeat(everything, c.astype(np.intp)) if c.any() else everything for c in counts]
    hidden = initial(config.members, x.shape[1], width, rng)
    if n < config.batch:
        return hidden, fit_readout(config.ridge, features(hidden, x, width), y, counts * weight)

    def stage(number: int, steps: int, bags: Sequence[NDArray[np.intp]]) -> Floats:
        shape = (steps, config.batch)
        return train_members(
            hidden,
            x,
            target,
            np.stack([rows[rng.integers(0, len(rows), shape)] for rows in bags], axis=1),
            hidden=width,
            learning_rate=config.learning_rate * 0.5**number,
            weight_decay=config.weight_decay * 0.5**number,
        )

    hidden = stage(0, config.steps, bags)
    readout = fit_readout(config.ridge, features(hidden, x, width), y, counts * weight)
    done = 1
    while done < config.stages:
        longer = stage(done, config.steps, bags)
        further = fit_readout(config.ridge, features(longer, x, width), y, counts * weight)
        if further.error >= readout.error:
            break
        hidden, readout, done = longer, further, done + 1
    if done == config.stages:
        bags = [everything] * config.members
    for n in range(done - 2, done + 1):
        hidden = stage(max(n, 0), -(-config.steps // 2), bags)
    return hidden, fit_readout((readout.ridge,), features(hidden, x, width), y, counts * weight)


def _standards(config: EnsembleConfig, x: Array) -> tuple[Array, Array, float]:
    """Mean (d,), one over the deviation (d,), and how many deviations are kept."""
    if not config.standardise:
        return np.zeros(x.shape[1]), np.ones(x.shape[1]), float(np.finfo(np.float32).max)
    mean, sd = _mean_and_deviation(x)
    return mean, np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 0), _FARTHEST


def _inputs(x: Array, mean: Array, scale: Array, farthest: float) -> Floats:
    """Standardised inputs, kept within `farthest` deviations, and a constant 1: (n, d+1)."""
    out = np.ones((len(x), x.shape[1] + 1), np.float32)
    np.clip((x - mean) * scale, -farthest, farthest, out=out[:, :-1], casting="same_kind")
    return out


def _features(state: EnsembleState, x: Array) -> Array:
    """(features, 1) of rows x (A, d), in double precision: (M, A, H+1)."""
    inputs = _inputs(x, state["x_mean"], state["x_scale"], state["farthest"])
    return features(state["hidden"], inputs, len(state["penalty"]) - 1).astype(np.float64)


def _mean_and_deviation(a: Array) -> tuple[Array, Array]:
    """Over the rows; the deviation of a column that is constant but for rounding is 0."""
    if not len(a):
        return np.zeros(a.shape[1:]), np.zeros(a.shape[1:])
    mean, deviation = a.mean(axis=0), a.std(axis=0)
    return mean, np.where(deviation > _CONSTANT * np.abs(a).max(axis=0), deviation, 0.0)


def _checked(values: ArrayLike, ndim: int = 2, width: int | None = None) -> Array:
    out = np.asarray(values, dtype=np.float64)
    if out.ndim != ndim or width not in (None, out.shape[-1]):
        accepted = "(n,)" if ndim == 1 else f"(n, {'inputs' if width is None else width})"
        raise ConfigError(f"shape {out.shape} of {'rewards' if ndim == 1 else 'rows'}: {accepted}")
    if not np.isfinite(out).all():
        bad = float(out[~np.isfinite(out)][0])
        raise ConfigError(f"{bad} among {'rewards' if ndim == 1 else 'rows'}: finite numbers only")
    return out
