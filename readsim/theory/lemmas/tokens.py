"""Lemma on labels and tokens: shares of labels are not shares of tokens. With mean lengths L_i:

token share of i = alpha_i L_i / sum_j alpha_j L_j,     labels for token shares alpha ~ alpha_i / L_i.
"""

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.theory.result import PaperStatement, Result


def token_shares(labels: Array, lengths: Array) -> Array:
    """Token shares (S,) of drawing labels at shares `labels` with mean lengths > 0."""
    weight = labels * _positive(lengths)
    out: Array = weight / weight.sum()
    return out


def label_shares(tokens: Array, lengths: Array) -> Array:
    """Label shares (S,) that give token shares `tokens`."""
    weight = tokens / _positive(lengths)
    out: Array = weight / weight.sum()
    return out


def realised_shares(labels: Array, lengths: Array, draws: int, rng: np.random.Generator) -> Array:
    """Token shares (S,) of `draws` examples, lengths uniform from half to one and a half of the mean."""
    label = rng.choice(len(labels), size=draws, p=labels)
    length = _positive(lengths)[label] * rng.uniform(0.5, 1.5, draws)
    tokens = np.bincount(label, weights=length, minlength=len(labels)).astype(np.float64)
    out: Array = tokens / tokens.sum()
    return out


def share_sd(labels: Array, lengths: Array, draws: int) -> Array:
    """Standard deviation (S,) of `realised_shares`, to first order in 1/sqrt(draws).

    Var_i = sum_j alpha_j E[len_j^2] (1{i=j} - s_i)^2 / (draws (sum_j alpha_j L_j)^2), s the token shares.
    """
    square = labels * lengths**2 * (1.0 + 0.25 / 3.0)
    away = (np.eye(len(labels)) - token_shares(labels, lengths)[:, None]) ** 2
    out: Array = np.sqrt(away @ square / draws) / float(labels @ lengths)
    return out


def _positive(lengths: Array) -> Array:
    if not (np.isfinite(lengths).all() and (lengths > 0.0).all()):
        raise ConfigError(f"lengths = {lengths.tolist()}: mean tokens of an answer, above 0")
    return lengths


def check(labels: Array, lengths: Array, subject: str, tolerance: float = 0.01) -> Result:
    """Half the L1 distance between label shares and the token shares they give (total variation)."""
    return Result(
        statement=PaperStatement.LABELS_AND_TOKENS,
        subject=subject,
        measure="share of the tokens that goes to another source than the labels say",
        statistic=0.5 * float(np.abs(token_shares(labels, lengths) - labels).sum()),
        bound=tolerance,
        sense="<=",
        advice="draw labels at `label_shares(alpha, lengths)`, or account in tokens",
    )
