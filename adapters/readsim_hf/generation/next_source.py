"""Which source gives the next example, so that tokens are shared out as the allocation says."""

from typing import Literal

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError

Unit = Literal["tokens", "prompts", "loss"]  # what an allocation shares out


def next_source(weights: Array, spent: Array, longest: float) -> int:
    """The source whose deficit would be the first to reach one example; the lowest index on ties.

    weights   (S,) >= 0, the allocation; need not be normalised; a source of weight 0 is never given
    spent     (S,) tokens of each source since the allocation began
    longest   no example has more tokens (the length limit of a completion)

    With w the normalised weights and T = sum spent, the deficit of a source is w_i T - spent_i.
    Among the sources that are not ahead of their share (deficit >= 0; one always exists) the choice
    is the smallest (spent_i + longest) / w_i: the total at which its deficit would be `longest`. So

        | w_i T - spent_i | <= longest    for every source, at every T, whatever the lengths are.

    Ahead: only a source with deficit >= 0 is served. Behind, by contradiction: let j be the first to
    fall short, at its due total D, and let t be the total at which a source due after D was last
    served (else 0). After that example only sources due by D are served, which at t were at or ahead
    of their share, and none is served past its share of D. So their work is at most the sum of
    w_i (D - t), less the `longest` that j lacks, and it came after one example of at most `longest`:
    the total is no more than D, so j was not short.

    Serving the largest deficit first has no such bound: some fall 1.8 examples behind.

    Raises ConfigError.
    """
    w = np.asarray(weights, dtype=np.float64)
    used = np.asarray(spent, dtype=np.float64)
    if w.ndim != 1 or w.shape != used.shape:
        raise ConfigError(
            f"weights {w.shape} and spent {used.shape}: expected one of each a source"
        )
    total = w.sum()
    if not (np.isfinite(w).all() and (w >= 0).all() and 0 < total < np.inf):
        raise ConfigError(f"weights {w.tolist()}: expected numbers >= 0, not all 0")
    if not (np.isfinite(used).all() and (used >= 0).all() and 0 < longest < np.inf):
        raise ConfigError(
            f"spent {used.tolist()}, longest {longest}: expected >= 0 and > 0, finite"
        )
    w = w / total
    can = np.flatnonzero(w > 0)
    deficit = w[can] * used[can].sum() - used[can]
    can = can[deficit >= min(0.0, deficit.max())]
    with np.errstate(over="ignore"):  # due never, for a weight next to nothing
        due = (used[can] + longest) / w[can]
    return int(can[due.argmin()])
