"""Rows of a table to look at: doubled ones, missing cells, those far from what is predicted."""

from collections.abc import Iterator, Sequence

import numpy as np

from readsim.arrays import Array
from readsim.fitting.units import Scale

FAR = 6.0  # robust standard deviations of held-out errors
ROBUST = 1.4826  # from the median of absolute normal errors to their standard deviation
LEAST_ERROR = 1e-3  # of a score, or of a loss in nats: smaller errors are never far
SHOWN = 5


def notes_of(
    label: Sequence[str], named: bool, tokens: Array, profiles: Array, names: Sequence[str]
) -> Iterator[str]:
    """How rows of one name were read, which rows are equal, and how many cells (n, K) are missing."""
    if named:
        rows_of: dict[str, list[int]] = {}
        for n, text in enumerate(label):
            rows_of.setdefault(text, []).append(n)
        several = {text: rows for text, rows in rows_of.items() if len(rows) > 1}
        repeated = [t for t, rows in several.items() if len(np.unique(tokens[rows], axis=0)) == 1]
        stages = [t for t in several if t not in repeated]
        if repeated:
            yield (
                f"{_some(repeated)}: several rows under one name with the same tokens are read as repeated "
                "measurements, each counts as a row"
            )
        if stages:
            yield (
                f"{_some(stages)}: several rows under one name are read as one run measured after "
                "different tokens, and held out together"
            )
    _, first, which = np.unique(
        np.nan_to_num(np.hstack([tokens, profiles]), nan=-1e300),
        axis=0,
        return_index=True,
        return_inverse=True,
    )
    origin = first[which.reshape(-1)].tolist()
    equal = [
        f"{label[n]} and {label[origin[n]]}"
        for n in range(len(label))
        if origin[n] != n and tokens[n].any()
    ]
    if equal:
        yield (
            f"WARNING: {_some(equal)} have the same tokens and the same measurements: if that is one run "
            "written twice, delete one row; as it is, both count"
        )
    missing = np.isnan(profiles).sum(axis=0)
    if missing.any():
        each = ", ".join(f"{names[j]} {missing[j]}" for j in np.flatnonzero(missing).tolist())
        yield f"{int(missing.sum())} cells are missing and left out: {each}"


def far_rows(
    label: Sequence[str], held_out: Array, profiles: Array, names: Sequence[str], scale: Scale
) -> list[str]:
    """A sentence for each cell (n, K) that is FAR from its held-out prediction, the farthest first.

    The scale is the median absolute error of the capability, which a few such cells do not move.
    """
    error = np.abs(held_out - profiles)
    size = np.maximum(ROBUST * np.nanmedian(error, axis=0), LEAST_ERROR)
    away = np.nan_to_num(error / size)
    shown, predicted = scale.cells(profiles), scale.cells(held_out)
    places = [divmod(int(n), away.shape[1]) for n in np.argsort(-away, axis=None)]
    found = [(n, j) for n, j in places if away[n, j] > FAR]
    out = [
        f"{label[n]}: {names[j]} is {shown[n, j]:.4g}, but held out it is predicted as "
        f"{predicted[n, j]:.4g}, {away[n, j]:.0f} robust standard deviations away: check the row; it is "
        "left in"
        for n, j in found[:SHOWN]
    ]
    return out + ([f"{len(found) - SHOWN} more cells are as far"] if len(found) > SHOWN else [])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
