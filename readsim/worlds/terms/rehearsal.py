"""Rehearsal: harm to a capability shrinks with the share of its own tokens in what is trained now.

    harm_ij -> harm_ij / (1 + s_j / rehearsal_share_j),   s_j = sum_i share_i help_ij / max_k help_kj

s_j is the share of what is trained now that practises j, as in forgetting: a token counts 1 from j's best
source, half from one that teaches it half as well. At s_j = rehearsal_share_j the harm is halved: a few
percent of old data protect (Scialom et al. 2022, arXiv 2205.12393; Ibrahim et al. 2024, arXiv 2403.08763).
On the pair nano uniform mixtures are 17 points better than the share-weighted sum of one-hot runs.

What counts is the mixture at the moment, so order matters: only `flow` worlds have it. Limit:
rehearsal_share -> infinity.
"""

from readsim.arrays import Array


def left_of_harm(practised: Array, rehearsal_share: Array) -> Array:
    """The factor on harm (..., K) where the share `practised` (..., K) of the tokens rehearses; in (0, 1]."""
    return 1.0 / (1.0 + practised / rehearsal_share)
