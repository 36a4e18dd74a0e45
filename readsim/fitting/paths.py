"""In which order a run was trained: the tokens between its measurements, one after the other."""

from collections.abc import Hashable, Sequence

import numpy as np

from readsim.arrays import Array

SLACK = 0.01  # of a run's tokens: seeds that share a name differ by rounding


def paths_of(runs: Sequence[Hashable], tokens: Array) -> Array | None:
    """(n, T, S) what each row (n, S) of cumulative tokens was trained on between the rows of its run before
    it, padded with zeros at the end; None where no run's shares ever change.

    `runs` names the run of each row; seeds that share a name were trained alike. Rows under one name of
    which one has less of a source than one before it, by more than SLACK, are no single run: each of
    them counts as constant shares.
    """
    steps: list[list[Array]] = [[row] for row in tokens]
    of_run: dict[Hashable, list[int]] = {}
    for n, run in enumerate(runs):
        of_run.setdefault(run, []).append(n)
    for rows in of_run.values():
        order = sorted(rows, key=lambda n: float(tokens[n].sum()))
        between = np.diff(tokens[order], axis=0, prepend=np.zeros((1, tokens.shape[1])))
        if (between < -SLACK * tokens[order[-1]].sum()).any():
            continue
        for place, n in enumerate(order):
            steps[n] = [step for step in np.maximum(between[: place + 1], 0.0) if step.any()]
    out = padded(steps, tokens.shape[1])
    return out if changes(out).any() else None


def padded(steps: Sequence[Sequence[Array]], sources: int) -> Array:
    """(n, T, S) of n runs of up to T decisions (S,)."""
    out = np.zeros((len(steps), max((len(run) for run in steps), default=0) or 1, sources))
    for n, run in enumerate(steps):
        if len(run):
            out[n, : len(run)] = run
    return out


def changes(path: Array) -> Array:
    """Whether a decision of each path (n, T, S) departs from constant shares by more than SLACK, (n,)."""
    whole = path.sum(axis=1, keepdims=True)
    tokens = whole.sum(axis=2, keepdims=True)
    mean = whole / np.maximum(tokens, np.finfo(float).tiny)
    off = np.abs(path - path.sum(axis=2, keepdims=True) * mean).sum(axis=2)
    out: Array = (off > SLACK * tokens[..., 0]).any(axis=1)
    return out
