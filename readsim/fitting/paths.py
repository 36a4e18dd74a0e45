"""In which order a run was trained: the tokens between its measurements, one after the other."""

from collections.abc import Hashable, Sequence

import numpy as np

from readsim.arrays import Array

ALIKE = 1e-6  # by how much shares may differ that count as constant


def paths_of(runs: Sequence[Hashable], tokens: Array) -> Array | None:
    """(n, T, S) what each row (n, S) of cumulative tokens was trained on between the rows of its run before
    it, padded with zeros at the end; None where no run's shares ever change.

    `runs` names the run of each row. Rows under one name whose tokens fall from one to the next are no
    single run: each of them counts as constant shares.
    """
    steps: list[list[Array]] = [[row] for row in tokens]
    of_run: dict[Hashable, list[int]] = {}
    for n, run in enumerate(runs):
        of_run.setdefault(run, []).append(n)
    for rows in of_run.values():
        order = sorted(rows, key=lambda n: float(tokens[n].sum()))
        between = np.diff(tokens[order], axis=0, prepend=np.zeros((1, tokens.shape[1])))
        if (between < -ALIKE * np.maximum(tokens[order[-1]].sum(), 1.0)).any():
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
    """Whether the shares of each path (n, T, S) differ between its decisions, (n,)."""
    total = path.sum(axis=2, keepdims=True)
    whole = path.sum(axis=1, keepdims=True)
    mean = whole / np.maximum(whole.sum(axis=2, keepdims=True), np.finfo(float).tiny)
    out: Array = (
        np.abs(path - total * mean).sum(axis=2) > ALIKE * np.maximum(total[..., 0], 1e-300)
    ).any(axis=1)
    return out
