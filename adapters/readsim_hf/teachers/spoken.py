"""The distributions that replies are drawn from, kept while they are generated."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from readsim_hf.objectives.sparse import soft_from_logits
from readsim_hf.teachers.record import Soft
from readsim_hf.teachers.scoring import SoftSettings


class Spoken:
    """What a scoring pass over the finished replies would find again (full or top-k).

    Draws (`sampled`) depend on the finished text, so that of those nothing is kept. Distributions
    are cut down at each step: no more is held than the records will hold.
    """

    def __init__(self, settings: SoftSettings) -> None:
        self.settings = settings
        self._rows: list[NDArray[np.intp]] = []
        self._steps: list[Soft] = []

    def add(self, rows: NDArray[np.intp], logits: Tensor) -> None:
        """One more position of each of `rows` (n,), whose logits are (n, V)."""
        if self.settings.kind != "sampled":
            kind, entries = self.settings.kind, self.settings.entries
            self._rows.append(rows)
            self._steps.append(soft_from_logits(logits, kind, entries))

    def softs(self, spans: Sequence[tuple[int, int]]) -> list[Soft | None]:
        """The positions of each row's span, rows numbered from 0; None where nothing was kept."""
        if not self._rows:
            return [None] * len(spans)
        order = np.concatenate(self._rows).argsort(kind="stable")
        ids, logp = (
            np.concatenate([getattr(step, name) for step in self._steps])[order]
            for name in ("ids", "logp")
        )
        counts = np.bincount(np.concatenate(self._rows), minlength=len(spans))
        starts = np.cumsum(counts) - counts
        return [
            Soft(self.settings.kind, ids[at + a : at + b].copy(), logp[at + a : at + b].copy())
            for at, (a, b) in zip(starts, spans, strict=True)
        ]
