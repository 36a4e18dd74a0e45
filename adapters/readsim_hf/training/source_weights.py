"""What the losses of a source weigh beside its share: dispersion weights and gradient shares.

The formulas are those of the allocators `dn` and `gradient-share`, which move tokens where these move losses.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from readsim.allocators.multi_teacher.dn import dispersion_factors
from readsim.allocators.multi_teacher.gradient_share import gradient_factors
from readsim.arrays import Array
from readsim_hf.objectives.sparse import said_log_probs
from readsim_hf.sampling_config import Weighing
from readsim_hf.training.batch import Example
from readsim_hf.training.source_losses import by_source
from readsim_hf.training.student import SourceSignal

LIMIT = 4.0  # DN-MOPD's, of a factor and of one over it
# Optimiser steps between two looks at gradients, each about as dear as a step: for the record, and where
# weights follow them.
EVERY, FOLLOWED = 80, 10


def look_due(
    rule: Weighing, windows: int, sources: Collection[str], weights: Mapping[str, float]
) -> bool:
    """Whether the gradients of the next optimiser step are looked at, after so many: on a beat, and where
    weights follow them as soon as a source is there that has none."""
    if rule != "gradient-share":
        return windows % EVERY == 0
    return windows % FOLLOWED == 0 or not weights.keys() >= {*sources}


def source_weights(
    rule: Weighing,
    examples: Sequence[Example],
    signals: Mapping[str, SourceSignal],
    before: Mapping[str, float],
    shares: Mapping[str, float],
) -> dict[str, float]:
    """The weight of each source that has one; `signals` are of these examples where they were looked at,
    `shares` what the allocation gives each source."""
    if rule == "dn":
        return dispersion_weights(examples)
    return {**before, **gradient_weights(signals, shares)} if rule == "gradient-share" else {}


def dispersion_weights(examples: Sequence[Example]) -> dict[str, float]:
    """w_d = clip(sigma_all / sigma_d, 1/4, 4) of each source of a window: DN-MOPD (arXiv 2609.35347).

    sigma_d is the deviation of log p_T - log mu over the tokens of d, mu the student that wrote them;
    sigma_all that over all tokens. A source with fewer than two log-ratios has no deviation and is not in the
    answer, nor its token in sigma_all; a reply of which the record does not say them (it waits in a
    checkpoint of an older readsim) is left out.
    """
    ratios = {source: _log_ratios(own) for source, own in by_source(examples).items()}
    known = {source: r for source, r in ratios.items() if len(r) > 1}
    if not known:
        return {}
    sigma, mean, tokens = np.array([(r.std(), r.mean(), len(r)) for r in known.values()]).T
    return _known(known, dispersion_factors(sigma, mean, tokens, LIMIT))


def gradient_weights(
    signals: Mapping[str, SourceSignal], shares: Mapping[str, float]
) -> dict[str, float]:
    """w_d = clip(m share_d / |g_d|, 1/4, 4), m the sum of all |g_d| over that of all share_d: the norms of
    sources' gradients become as their shares of the allocation are, whatever it shares out (tokens, prompts
    or the weight of losses). Of Open-MOPD (arXiv 2608.19098), whose target the share of a domain's prompts
    is; its conflict mask and its consensus of gradients are left out.

    `signals` are of losses without these weights. A source without a share is not in the answer.
    """
    known = [source for source in signals if shares.get(source, 0.0) > 0]
    if not known:
        return {}
    wanted = np.array([shares[source] for source in known])
    norms = np.array([signals[source].gradient for source in known]) / wanted
    return _known(known, gradient_factors(norms, wanted, LIMIT))


def with_weights(
    signals: Mapping[str, SourceSignal], weights: Mapping[str, float]
) -> dict[str, SourceSignal]:
    """Signals of unweighted losses as those of weighted ones: |grad w L| = w |grad L|, the rest as it is."""
    return {
        source: signal._replace(gradient=signal.gradient * weights.get(source, 1.0))
        for source, signal in signals.items()
    }


def weighed(examples: Sequence[Example], weights: Mapping[str, float]) -> list[Example]:
    """The examples with each source's weight on their losses; 1 for a source that is not named."""
    if not weights:
        return list(examples)
    return [
        e._replace(
            record=replace(e.record, weight=e.record.weight * weights.get(e.record.source, 1.0))
        )
        for e in examples
    ]


def _known(names: Iterable[str], factors: Array) -> dict[str, float]:
    return {
        name: float(f) for name, f in zip(names, factors.tolist(), strict=True) if np.isfinite(f)
    }


def _log_ratios(examples: Sequence[Example]) -> Array:
    parts = []
    for record, tokens in examples:
        if record.soft is None or "old" not in record.constants:
            continue
        said = record.completion_ids[record.places]
        ratio = (said_log_probs(record.soft, said) - record.constants["old"])[:tokens]
        if not np.isnan(ratio).any():
            parts.append(ratio)
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
