"""In which order a run was trained: the tokens between its measurements, one after the other."""

from collections.abc import Hashable, Iterator, Sequence

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
    none = {runs[n] for n, _, _ in fallen(runs, tokens)}
    for run, order in _in_order(runs, tokens).items():
        if run in none:
            continue
        between = np.diff(tokens[order], axis=0, prepend=np.zeros((1, tokens.shape[1])))
        for place, n in enumerate(order):
            steps[n] = [step for step in np.maximum(between[: place + 1], 0.0) if step.any()]
    out = padded(steps, tokens.shape[1])
    return out if changes(out).any() else None


def _in_order(runs: Sequence[Hashable], tokens: Array) -> dict[Hashable, list[int]]:
    """The rows of each run, from the one with fewest tokens on."""
    of_run: dict[Hashable, list[int]] = {}
    for n in np.argsort(tokens.sum(axis=1), kind="stable").tolist():
        of_run.setdefault(runs[n], []).append(n)
    return of_run


def fallen(runs: Sequence[Hashable], tokens: Array) -> Iterator[tuple[int, int, int]]:
    """(row, the row before it, source) where one has less of a source than the one with next fewer tokens of
    its run, by more than SLACK: once for each run of which that is so. Tokens are (n, S)."""
    for order in _in_order(runs, tokens).values():
        fall = np.argwhere(np.diff(tokens[order], axis=0) < -SLACK * tokens[order[-1]].sum())
        if len(fall):
            at, j = fall[0].tolist()
            yield order[at + 1], order[at], j


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
