"""What the data cannot tell, in words: shown by `readsim fit` and kept in the world's provenance."""

from collections.abc import Iterator

import numpy as np

from readsim.amounts import show_tokens
from readsim.fitting.law import Fitted
from readsim.fitting.sure import Sure

LITTLE, TOGETHER, WEAK, LOOSE = 0.05, 0.98, 0.5, 0.25
SHOWN = 4


def warnings_of(fitted: Fitted, sure: Sure) -> list[str]:
    """One sentence for each thing that the runs leave open."""
    return [*_rows(fitted), *_sources(fitted), *_bounds(fitted, sure), *_capabilities(fitted)]


def _rows(fitted: Fitted) -> Iterator[str]:
    n, s = fitted.tokens.shape
    groups = len(np.unique(fitted.groups))
    if groups < 2 * s:
        yield (
            f"{n} rows of {groups} different runs for {s} sources: few; at least {2 * s} runs tell "
            "the effects of sources apart"
        )
    if groups < 2:
        yield "all rows are of one run: nothing was held out, and no interval is worth anything"
    if fitted.choice.harm:
        yield "the fit has harm, which accelerates: do not go far beyond the tokens of the runs"


def _sources(fitted: Fitted) -> Iterator[str]:
    total = fitted.tokens.sum(axis=1)
    shares = fitted.tokens[total > 0] / total[total > 0, None]
    names = fitted.world.sources
    still = [names[i] for i in np.flatnonzero(shares.std(axis=0) < 1e-9)]
    if still:
        yield f"the share of {_some(still)} never varies: its effect is the law's guess"
    small = [names[i] for i in np.flatnonzero(shares.max(axis=0) < LITTLE)]
    if small:
        yield f"{_some(small)} never got {100 * LITTLE:.0f} % of the tokens: above that is a guess"
    moving = np.flatnonzero(shares.std(axis=0) >= 1e-9)
    if len(moving) > 2:
        close = np.triu(np.abs(np.corrcoef(shares[:, moving].T)), 1) > TOGETHER
        pairs = [f"{names[moving[i]]} and {names[moving[j]]}" for i, j in np.argwhere(close)]
        if pairs:
            yield f"the shares of {_some(pairs)} move together: their effects cannot be told apart"


def _bounds(fitted: Fitted, sure: Sure) -> Iterator[str]:
    total = fitted.tokens.sum(axis=1)
    if fitted.data.start is None and total.min() > 0.1 * total.max():
        yield (
            f"no run is shorter than {show_tokens(float(total.min()))} tokens: the start is extrapolated"
        )
    span = np.abs(sure.ceiling.value - sure.start.value)
    for word, interval in (("start", sure.start), ("ceiling", sure.ceiling)):
        wide = np.flatnonzero(interval.high - interval.value > LOOSE * span)
        if len(wide):
            names = [fitted.world.capabilities[j] for j in wide]
            yield f"the {word} of {_some(names)} is uncertain by more than a quarter of the way up"


def _capabilities(fitted: Fitted) -> Iterator[str]:
    from readsim.fitting.quality import quality

    weak = [q.capability for q in quality(fitted) if not q.r2 >= WEAK]
    if weak:
        yield f"held-out runs of {_some(weak)} are predicted badly or not at all (R2 below {WEAK:g})"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
