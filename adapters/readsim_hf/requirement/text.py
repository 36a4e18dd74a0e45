"""Text to numbers without a vocabulary: words hashed into buckets, and how alike two texts are."""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array

BUCKETS = 4096  # of which bucket 0 is padding
LENGTH = 128  # words of a card that are read
_WORD = re.compile(r"[^\W\d_]+|\d|[^\w\s]")  # words, single digits, single signs


def words(text: str) -> list[str]:
    """Lower-case words, digits and signs."""
    return _WORD.findall(text.lower())


@lru_cache(maxsize=65536)
def bucket(word: str) -> int:
    """Bucket of a word in 1 to BUCKETS - 1: the same on every machine."""
    digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
    return 1 + int.from_bytes(digest, "big") % (BUCKETS - 1)


def token_ids(texts: Sequence[str]) -> NDArray[np.int64]:
    """Buckets of the first LENGTH words of each text, 0 after the last: (n, longest)."""
    rows = [[bucket(w) for w in words(text)[:LENGTH]] or [1] for text in texts]
    out = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for at, row in enumerate(rows):
        out[at, : len(row)] = row
    return out


def likeness(texts: Sequence[str], others: Sequence[str]) -> Array:
    """Cosine of the sets of words: (len(texts), len(others)) in [0, 1]."""
    sets, their = ([set(words(t)) for t in some] for some in (texts, others))
    return np.array(
        [[len(a & b) / max(np.sqrt(len(a) * len(b)), 1.0) for b in their] for a in sets]
    )
