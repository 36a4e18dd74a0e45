"""What a reply is worth beside reference answers: one pure function a metric, each in [0, 1]."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from readsim.errors import ConfigError, ReadsimError
from readsim_hf.prompts.patterns import dot_all

# Of files of items; `judge` asks a model, `choice` and `loglikelihood` read the student's probabilities.
METRICS = ("exact", "contains", "choice", "numeric", "regex", "loglikelihood", "judge")
_NUMBER = re.compile(
    r"(?:(?<![\w)])[-+])?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3}(?!\d))?"
    r"(?:\s?/\s?\d+)?|(?:(?<![\w)])[-+])?(?<!\d)\.\d+"
)


def exact(reply: str, answers: Sequence[str], ignore_case: bool = False) -> float:
    """1 where the reply is one of the answers, spaces around both aside."""
    fold = str.casefold if ignore_case else str
    return float(fold(reply.strip()) in [fold(a.strip()) for a in answers])


def contains(reply: str, answers: Sequence[str], ignore_case: bool = False) -> float:
    """1 where one of the answers stands in the reply."""
    fold = str.casefold if ignore_case else str
    return float(any(fold(a.strip()) in fold(reply) for a in answers))


def last_number(text: str) -> Fraction | None:
    """The last number in a text, exactly: `1,234.50`, `-3`, `1e-3`, `3/4`; None without one."""
    for match in reversed(list(_NUMBER.finditer(text.replace("\u2212", "-")))):
        above, _, below = match[0].replace(",", "").partition("/")
        try:
            return Fraction(above.strip()) / Fraction(below.strip() or 1)
        except (ValueError, ZeroDivisionError):
            continue
    return None


def numeric(reply: str, answers: Sequence[str]) -> float:
    """1 where the reply's last number equals that of an answer: 72, 72.0 and 72.00 are one number."""
    said = last_number(reply)
    return float(said is not None and said in [last_number(a) for a in answers])


def fits_pattern(reply: str, answers: Sequence[str], ignore_case: bool = False) -> float:
    """1 where one of the answers, regular expressions, is found in the reply; `.` matches newlines.

    Raises ConfigError where that takes too long (`prompts.patterns`).
    """
    return float(any(dot_all(a, ignore_case=ignore_case).found(reply) for a in answers))


def taken(likelihoods: Iterable[float], texts: Sequence[str]) -> int:
    """The choice that a model takes: the largest log-likelihood a character, the first of equal ones."""
    each = [likelihood / max(len(t), 1) for likelihood, t in zip(likelihoods, texts, strict=True)]
    return each.index(max(each))


def mean_probability(likelihood: float, tokens: int) -> float:
    """exp(log-likelihood / tokens): the geometric mean of the probabilities of an answer's tokens.

    In [0, 1], as every other score, and it rises with the mean log-probability a token, whose inverse
    exponential (perplexity) it is. 0 tokens: 0.
    """
    return math.exp(min(likelihood / tokens, 0.0)) if tokens else 0.0


def own_score(
    name: str, function: Callable[..., Any], reply: str, item: Mapping[str, Any], id_: str
) -> float:
    """What a user's metric makes of a reply. ConfigError, naming it, where it fails or gives no score."""
    try:
        found = function(reply, dict(item))
    except ReadsimError:
        raise
    except Exception as error:
        raise ConfigError(
            f"metric {name!r}: it raised {type(error).__name__}: {' '.join(str(error).split())[:200]} "
            f"(item {id_})"
        ) from error
    try:
        score = float(found)
    except (TypeError, ValueError):
        score = math.nan
    if not 0.0 <= score <= 1.0:
        raise ConfigError(
            f"metric {name!r}: it returned {found!r:.60} for item {id_}; accepted: a number from 0 to 1"
        )
    return score
