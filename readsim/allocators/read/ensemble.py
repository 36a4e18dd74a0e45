"""The reward ensemble of ReAD, Eq. (10): M small networks, their mean mu and deviation sigma.

What makes it cheap compared with "200 Adam steps per member after every decision":

1. The hidden layers are trained once, on the offline pool; the output layer is solved exactly, by
   ridge regression on all of a member's rows. A decision is a rank-one update and a solve. Where the
   pool shows nothing of what a run will meet, all layers are fitted anew at every row instead.
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

    A row of the run itself weighs as much as `own_weight` rows of the pool. With `refit` all layers are
    fitted anew, to pool and run, after every row.

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
    own_weight: float = number(1.0, "ours", above=0.0, high=1e6)
    refit: bool = switch(False, "ours (False); code (True, which has no pool)")


class EnsembleState(TypedDict):
    """One run's ensemble: a plain dict of numbers and arrays, so that it can be saved.

    M members, d inputs, H features, O outputs, of which the first is the reward; k rows are kept, see
    `fit_ensemble`.
    """

    seed: int
    rows: int  # rows seen, pool and history
    x_mean: Array  # (d,)
    x_scale: Array  # (d,) one over the deviation; 0 for a constant input
    farthest: float  # inputs are kept within so many of these
    y_mean: Array  # (O,)
    y_scale: Array  # (O,) units of the output
    floor: float  # reward units
    hidden: Floats  # (M, P) flat weights, see mlp.unflatten; their output layer is not used
    gram: Array  # (M, H+1, H+1) weighted sum of z z', z = (features, 1)
    moment: Array  # (M, H+1, O) weighted sum of z y
    penalty: Array  # (H+1,) ridge
    output: Array  # (M, H+1, O) solves (gram + diag(penalty)) output = moment
    kept_x: Array  # (k, d)
    kept_y: Array  # (k, O)
    kept_weight: Array  # (k,)
    kept_group: NDArray[np.int64]  # (k,) or empty: each row by itself
    anew: bool  # all layers are fitted anew at every row


def fit_ensemble(
    config: EnsembleConfig,
    x: ArrayLike,
    y: ArrayLike,
    seed: int,
    groups: NDArray[np.int64] | None = None,
    weight: Array | None = None,
    *,
    anew: bool = False,
) -> EnsembleState:
    """The ensemble after rows x (n, d), rewards y (n,); n = 0 gives the prior.

    With y (n, O) the first column is the reward, for which the hidden layers are trained; each other
    column has output layers of its own on the same features.

    Rows with one number in `groups` (n,) are measurements of the same thing: the bootstrap takes all
    or none of them, so that what is out of the bag was not seen in another copy, and together they
    weigh as much in the output layers as one row, such as each that `add_row` brings; `weight` (n,)
    says another weight of each row.

    With fewer than `batch` rows the hidden layers stay as they were drawn: the exact output layer
    is all that can be learnt. Then rows without groups are kept, and everything is fitted anew
    whenever their number reaches a power of two. With `anew`, or the setting `refit`, all rows are kept
    and that happens at each: a column that is constant in the pool counts as soon as it moves.

    Raises ConfigError if the shapes do not fit together or a value is not finite.
    """
    rows, rewards = _checked(x), _checked_rewards(y)
    if len(rows) != len(rewards):
        raise ConfigError(f"y has {len(rewards)} rewards for {len(rows)} rows of x")
    anew = anew or config.refit
    if weight is None:
        weight = np.ones(len(rows)) if groups is None else 1.0 / np.bincount(groups)[groups]
    if groups is None:
        groups = np.arange(len(rows) if anew else 0)
    with threadpool_limits(limits=1, user_api="blas"):  # two threads stall on small matrices
        state = _fit(config, rows, rewards, seed, groups, weight)
    kept = slice(None if anew or (len(rows) < config.batch and not len(groups)) else 0)
    # Copies: the state must not change with the caller's arrays, nor keep a pool in memory.
    return {
        **state,
        "kept_x": rows[kept].copy(),
        "kept_y": rewards[kept].copy(),
        "kept_weight": weight[kept].copy(),
        "kept_group": groups[kept].copy(),
        "anew": anew,
    }


def add_row(
    config: EnsembleConfig, state: EnsembleState, x: ArrayLike, y: ArrayLike
) -> EnsembleState:
    """The ensemble after one more row x (d,) with reward y, or outputs y (O,); `state` is not changed."""
    rows = _checked(np.asarray(x)[None], width=len(state["x_mean"]))
    rewards = _checked_rewards(np.atleast_1d(np.asarray(y, dtype=np.float64))[None])
    if state["anew"]:
        return _with_own(config, state, rows, rewards)
    seen = state["rows"]
    kept_x, kept_y, weight = state["kept_x"], state["kept_y"], state["kept_weight"]
    if seen == len(state["kept_y"]):
        kept_x, kept_y = np.concatenate([kept_x, rows]), np.concatenate([kept_y, rewards])
        weight = np.append(weight, config.own_weight)
        if (seen + 1).bit_count() == 1:
            return _fit(config, kept_x, kept_y, state["seed"], state["kept_group"], weight)
    z = _features(state, rows)[:, 0]
    count = config.own_weight * bootstrap_counts(state["seed"], seen, 1, len(z))
    target = (rewards[0] - state["y_mean"]) / state["y_scale"]
    gram = state["gram"] + (count * z)[:, :, None] * z[:, None, :]
    moment = state["moment"] + (count * z)[:, :, None] * target
    return {
        **state,
        "rows": seen + 1,
        "gram": gram,
        "moment": moment,
        "output": solve_output(gram, moment, state["penalty"]),
        "kept_x": kept_x,
        "kept_y": kept_y,
        "kept_weight": weight,
    }


def _with_own(config: EnsembleConfig, state: EnsembleState, x: Array, y: Array) -> EnsembleState:
    """Everything fitted anew with one own row x (1, d), y (1, O) more.

    It is repeated until it is drawn for a batch as often as its weight says.
    """
    weights, groups = state["kept_weight"], state["kept_group"]
    total = float(weights.sum())
    copies = max(1, round(config.own_weight * len(weights) / total)) if total else 1
    own = np.full(copies, config.own_weight / copies)
    kept_x = np.concatenate([state["kept_x"], np.repeat(x, copies, axis=0)])
    kept_y = np.concatenate([state["kept_y"], np.repeat(y, copies, axis=0)])
    weight = np.concatenate([weights, own])
    group = np.concatenate([groups, np.full(copies, groups.max(initial=-1) + 1)])
    with threadpool_limits(limits=1, user_api="blas"):
        fitted = _fit(config, kept_x, kept_y, state["seed"], group, weight)
    return {**fitted, "rows": state["rows"] + 1, "anew": True}


def predict_reward(state: EnsembleState, x: ArrayLike) -> tuple[Array, Array]:
    """mu and sigma (A,) of candidates x (A, d), Eq. (10), in reward units.

    mu is the mean of the members, sigma their standard deviation (M - 1 in the denominator), at
    least the floor. Before the first row mu is 0 and sigma is 1.
    """
    if not state["rows"]:
        n = len(_checked(x, width=len(state["x_mean"])))
        return np.zeros(n), np.ones(n)
    guess, mean, scale = _guesses(state, x)[..., 0], state["y_mean"][0], state["y_scale"][0]
    mu: Array = guess.mean(axis=0) * scale + mean
    sigma: Array = np.maximum(guess.std(axis=0, ddof=1) * scale, state["floor"])
    return mu, sigma


def predict_members(state: EnsembleState, x: ArrayLike) -> Array:
    """What each member says of rows x (A, d), in units of the outputs: (M, A, O)."""
    return _guesses(state, x) * state["y_scale"] + state["y_mean"]


def _guesses(state: EnsembleState, x: ArrayLike) -> Array:
    """Standardised outputs (M, A, O)."""
    rows = _checked(x, width=len(state["x_mean"]))
    guess: Array = np.matmul(_features(state, rows), state["output"])
    return guess


def _fit(
    config: EnsembleConfig,
    x: Array,
    y: Array,
    seed: int,
    groups: NDArray[np.int64],
    weight: Array,
) -> EnsembleState:
    y_mean, y_sd = _mean_and_deviation(y)
    x_mean, x_scale, farthest = _standards(config, x)
    y_scale = np.where(y_sd > 0, y_sd, 1.0)
    inputs = _inputs(x, x_mean, x_scale, farthest)
    if len(groups):
        counts = grouped_counts(seed, groups, config.members)
    else:
        counts = bootstrap_counts(seed, 0, len(y), config.members)
    hidden, readout = fit_network(
        config, inputs, (y - y_mean) / y_scale, counts, weight, generator(seed, "bootstrap", 1)
    )
    return {
        "seed": seed,
        "rows": len(y),
        "x_mean": x_mean,
        "x_scale": x_scale,
        "farthest": farthest,
        "y_mean": y_mean,
        "y_scale": y_scale,
        "floor": config.sigma_floor * float(y_scale[0]),
        "hidden": hidden,
        "gram": readout.gram,
        "moment": readout.moment,
        "penalty": readout.penalty,
        "output": readout.output,
        "kept_x": x,
        "kept_y": y,
        "kept_weight": weight,
        "kept_group": groups,
        "anew": False,
    }


def fit_network(
    config: EnsembleConfig,
    x: Floats,
    y: Array,
    counts: Array,
    weight: Array,
    rng: np.random.Generator,
) -> tuple[Floats, Readout]:
    """Hidden layers (M, P) and output layers from standardised rows x (n, d+1), y (n, O).

    Row i is in member m's bootstrap counts[m, i] times; weight (n,) is what it then weighs in the
    output layer.

    Stages continue while the out-of-bag error falls, then three shorter ones end the training. They
    keep to the bootstrap, because all rows would halve sigma; only if the error never stopped
    falling, so that there is little noise to disagree about, do they use all rows.
    """
    n, width = len(y), config.hidden
    target = y[:, 0].astype(np.float32)
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


def _checked(values: ArrayLike, width: int | None = None) -> Array:
    out = np.asarray(values, dtype=np.float64)
    if out.ndim != 2 or width not in (None, out.shape[-1]):
        accepted = f"(n, {'inputs' if width is None else width})"
        raise ConfigError(f"shape {out.shape} of rows: {accepted}")
    return _finite(out, "rows")


def _checked_rewards(values: ArrayLike) -> Array:
    """Rewards (n,), or outputs (n, O) whose first column they are: (n, O)."""
    out = np.asarray(values, dtype=np.float64)
    if out.ndim not in (1, 2) or out.shape[1:] == (0,):
        raise ConfigError(f"shape {out.shape} of rewards: (n,), or (n, outputs)")
    return _finite(out[:, None] if out.ndim == 1 else out, "rewards")


def _finite(values: Array, what: str) -> Array:
    if not np.isfinite(values).all():
        bad = float(values[~np.isfinite(values)][0])
        raise ConfigError(f"{bad} among {what}: finite numbers only")
    return values
