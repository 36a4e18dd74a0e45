"""Lemma L10: shares of labels are not shares of tokens. With mean lengths L_i:

token share of i = alpha_i L_i / sum_j alpha_j L_j,     labels for token shares alpha ~ alpha_i / L_i.
"""

from readsim.arrays import Array


def token_shares(labels: Array, lengths: Array) -> Array:
    """Token shares (S,) of drawing labels at shares `labels` with mean lengths > 0."""
    out: Array = labels * lengths / (labels @ lengths)
    return out


def label_shares(tokens: Array, lengths: Array) -> Array:
    """Label shares (S,) that give token shares `tokens`."""
    weight = tokens / lengths
    out: Array = weight / weight.sum()
    return out
