"""Lemma L10: shares of labels are not shares of tokens. With mean lengths L_i:

token share of i = alpha_i L_i / sum_j alpha_j L_j,     labels for token shares alpha ~ alpha_i / L_i.
"""

import numpy as np

from readsim.arrays import Array
from readsim.theory.result import Result


def token_shares(labels: Array, lengths: Array) -> Array:
    """Token shares (S,) of drawing labels at shares `labels` with mean lengths > 0."""
    out: Array = labels * lengths / (labels @ lengths)
    return out


def label_shares(tokens: Array, lengths: Array) -> Array:
    """Label shares (S,) that give token shares `tokens`."""
    weight = tokens / lengths
    out: Array = weight / weight.sum()
    return out


def check(labels: Array, lengths: Array, subject: str, tolerance: float = 0.01) -> Result:
    """Half the L1 distance between label shares and the token shares they give (total variation)."""
    return Result(
        statement="L10",
        subject=subject,
        measure="share of the tokens that goes to another source than the labels say",
        statistic=0.5 * float(np.abs(token_shares(labels, lengths) - labels).sum()),
        bound=tolerance,
        sense="<=",
        advice="draw labels at `label_shares(alpha, lengths)`, or account in tokens",
    )
