"""Transfer matrices of one-hot runs (Definition 2.2), and what the paper reads off them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from readsim.allocators.registry import base_name
from readsim.arrays import Array, Mask
from readsim.errors import RunLogError
from readsim.runs.read_logs import Log
from readsim.runs.rows import FinalRow
from readsim.stats import benjamini_hochberg, t_test
from readsim.stats.metrics import NOISE_DROP

FALSE_DISCOVERIES = 0.1  # expected share, Benjamini-Hochberg


class Transfer(NamedTuple):
    """Measured changes (B budgets, S targets, K capabilities, N seeds) in points, and their noise.

    `sd` (B, S, K, N) is the standard error of each; target i is capability i.
    """

    budgets: list[int]
    names: list[str]
    seeds: list[int]
    change: Array
    sd: Array


def transfer_of(logs: Sequence[Log]) -> Transfer:
    """From one-hot runs on the task of each capability; runs of other allocators are passed over.

    Raises RunLogError without a one-hot run, for one that is none, for two of one target, budget and
    seed (of several methods of distillation), and for a target or seed that is missing at some budget.
    """
    found_names = sorted({log.header.allocator for log in logs})
    logs = [log for log in logs if base_name(log.header.allocator) == "one-hot"]
    if not logs:
        raise RunLogError(f"no run of one-hot; the allocators are {', '.join(found_names)}")
    names = [logs[0].header.capabilities[j] for j in logs[0].visible]
    budgets = sorted({log.header.budget for log in logs})
    seeds = sorted(logs[0].header.seeds)
    found: dict[tuple[int, str, int], tuple[FinalRow, list[int]]] = {}
    for log in logs:
        for row in log.finals:
            key = (log.header.budget, _target(log), row.seed)
            if key in found:
                raise RunLogError(
                    f"{log.path}: a second one-hot run of (budget, target, seed) {key}"
                )
            found[key] = row, log.visible
    targets = [name for name in names if any(key[1] == name for key in found)]
    wanted = [(b, t, s) for b in budgets for t in targets for s in seeds]
    if missing := [key for key in wanted if key not in found]:
        raise RunLogError(f"no one-hot run of (budget, target, seed) {missing[0]}")
    shape = (len(budgets), len(targets), len(seeds), len(names))
    change, sd = (
        np.array([getattr(found[key][0], field)[found[key][1]] for key in wanted]).reshape(shape)
        for field in ("final_change", "final_change_sd")
    )
    order = [*targets, *(name for name in names if name not in targets)]
    columns = [names.index(name) for name in order]
    factor = logs[0].header.scale.factor
    change, sd = (np.swapaxes(factor * a[..., columns], 2, 3) for a in (change, sd))
    return Transfer(budgets, order, seeds, change, sd)


def _target(log: Log) -> str:
    shares = log.steps[0].allocation
    if not np.isclose(shares.max(), 1.0):
        raise RunLogError(f"{log.path}: not a one-hot run, its first shares are {shares.tolist()}")
    return log.header.sources[int(shares.argmax())]


def others(transfer: Transfer) -> Mask:
    """(S, K): everything but a target's effect on itself."""
    targets, names = transfer.change.shape[1:3]
    return ~np.eye(targets, names, dtype=np.bool_)


def off_diagonal_mass(change: Array, other: Mask) -> Array:
    """Mean |M_ij| over i != j of change (..., S, K, N): (..., N), Observation 1."""
    out: Array = np.abs(change[..., other, :]).mean(axis=-2)
    return out


def diagonal(change: Array) -> Array:
    """Mean M_ii: (..., N)."""
    out: Array = np.diagonal(change, axis1=-3, axis2=-2).mean(axis=-1)
    return out


def negative_mass(change: Array, other: Mask) -> Array:
    """Mean drop [-M_ij]_+ over i != j: (..., N)."""
    out: Array = np.maximum(-change[..., other, :], 0.0).mean(axis=-2)
    return out


def noise_floor(sd: Array, other: Mask) -> Array:
    """What `negative_mass` would be if nothing had changed but the measurement: (..., N)."""
    out: Array = NOISE_DROP * sd[..., other, :].mean(axis=-2)
    return out


def noise_mass(sd: Array, other: Mask) -> Array:
    """What `off_diagonal_mass` would be if nothing had changed: E|Z| = 2 E[max(Z, 0)], (..., N)."""
    return 2.0 * noise_floor(sd, other)


def diffuseness(change: Array) -> Array:
    """Normalised entropy of |M_i.| over the capabilities, mean over targets: (..., N); 1 is even."""
    share = np.abs(change) / np.maximum(np.abs(change).sum(axis=-2, keepdims=True), 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(share > 0, -share * np.log(share), 0.0)
    out: Array = terms.sum(axis=-2).mean(axis=-2) / np.log(change.shape[-2])
    return out


def significant(change: Array) -> Mask:
    """Entries (S, K) of change (S, K, N) whose mean over seeds is not zero: t test, Benjamini-Hochberg."""
    p = np.apply_along_axis(t_test, -1, change)
    finite = np.isfinite(p)
    out = np.zeros(p.shape, dtype=np.bool_)
    out[finite] = benjamini_hochberg(p[finite]) <= FALSE_DISCOVERIES
    return out
