"""What an interval trained of each source: counts, losses, and gradients where they were looked at."""

from collections.abc import Mapping, Sequence

import numpy as np

from readsim.backend import SourceSignals
from readsim.runs.trained_shares import TrainedShare
from readsim_hf.training.student import SourceSignal


class ShareLedger:
    """Of one interval; `prompts` and `tokens` (S,) are brought up to date by whoever draws examples."""

    def __init__(self, sources: Sequence[str]) -> None:
        self.sources = tuple(sources)
        self.prompts, self.tokens = np.zeros(len(sources)), np.zeros(len(sources))
        self._losses = dict.fromkeys(self.sources, 0.0)
        self._looks = 0
        self._seen: dict[str, list[SourceSignal]] = {name: [] for name in self.sources}

    def add(self, losses: Mapping[str, float]) -> None:
        """The summed losses of an optimiser step."""
        for name, loss in losses.items():
            self._losses[name] += loss

    def look(self, signals: Mapping[str, SourceSignal]) -> None:
        """Gradients and divergences of one step; a source that is not in it added nothing to its gradient."""
        self._looks += 1
        for name, signal in signals.items():
            self._seen[name].append(signal)

    def shares(self) -> tuple[TrainedShare, ...]:
        """One record a source."""
        counts = self.prompts.astype(int).tolist(), self.tokens.astype(int).tolist()
        return tuple(map(self._share, self.sources, *counts))

    def _share(self, name: str, prompts: int, tokens: int) -> TrainedShare:
        seen = self._seen[name]
        kls = [signal.kl for signal in seen if signal.kl is not None]
        return TrainedShare(
            name,
            prompts,
            tokens,
            self._losses[name] / tokens if tokens else None,
            sum(signal.gradient for signal in seen) / self._looks if seen else None,
            float(np.mean(kls)) if kls else None,
        )


def source_signals(sources: Sequence[str], found: Mapping[str, SourceSignal]) -> SourceSignals:
    """What was found of each source, as arrays (S,): nan where nothing was, the gradient as if all tokens
    were of the source."""
    out = np.full((3, len(sources)), np.nan)
    for n, name in enumerate(sources):
        if name in found:
            one = found[name]
            values = one.gradient / one.part, one.kl, one.dispersion
            out[:, n] = [np.nan if value is None else value for value in values]
    return SourceSignals(*out)
