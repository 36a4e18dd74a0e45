"""Leaks: training prompts that equal or overlap with held-out items."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Reason = Literal["hash", "13-gram"]
Hashes = NDArray[np.uint64]

GRAM = 13  # words
COMMON = 10  # a 13-gram of more held-out texts than this is boilerplate of a benchmark

# Scripts written without spaces: Thai to Tibetan, Myanmar, Khmer, kana, ideographs. Each letter of
# them is a word of its own, so 13-grams there are of characters.
_UNSPACED = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
# Marks that Python's \w leaves out although they stand inside words.
_MARKS = "\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[\w{_MARKS}])+")

# Odd, so that it has an inverse modulo 2**64: a word weighs in with all 64 bits at each place.
_BASE = 0x9E3779B97F4A7C15
_POWERS = [pow(_BASE, place, 2**64) for place in range(GRAM)]


def fold_text(text: str) -> str:
    """Case, width and composition of characters, and runs of white space, made equal."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def leak_words(text: str) -> list[str]:
    """Words of a folded text; in scripts without word breaks, its characters."""
    return _WORD.findall(text)


def _digest(text: str) -> int:
    """64 bits, the same in every process."""
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest())


_word_digest = lru_cache(maxsize=1 << 16)(_digest)


def _grams(folded: str) -> Hashes:
    """Hashes of the distinct 13-grams of a folded text, ascending; none for a shorter text."""
    found = leak_words(folded)
    if len(found) < GRAM:
        return np.empty(0, dtype=np.uint64)
    each = np.fromiter(map(_word_digest, found), dtype=np.uint64, count=len(found))
    n = len(each) - GRAM + 1
    total = np.zeros(n, dtype=np.uint64)  # arithmetic modulo 2**64
    for place, power in enumerate(_POWERS):
        total += each[place : place + n] * np.uint64(power)
    return np.unique(total)


def _by_hash(texts: Iterable[str]) -> dict[int, Hashes]:
    """The 13-grams of each distinct text, by the hash of the text."""
    folded = {_digest(text): text for text in map(fold_text, texts)}
    return {digest: _grams(text) for digest, text in folded.items()}


def _counted(grams: Iterable[Hashes]) -> tuple[Hashes, NDArray[np.int64]]:
    """All hashes, ascending, and how many of the arrays hold each."""
    return np.unique(np.concatenate([np.empty(0, np.uint64), *grams]), return_counts=True)


def _holds(sorted_: Hashes, asked: Hashes) -> bool:
    """Whether any of `asked` is in the ascending `sorted_`."""
    if not len(sorted_) or not len(asked):
        return False
    at = np.minimum(sorted_.searchsorted(asked), len(sorted_) - 1)
    return bool((sorted_[at] == asked).any())


def _ascending(digests: Iterable[int]) -> Hashes:
    return np.array(sorted(digests), dtype=np.uint64)


def _overlap(text: str, hashes: Hashes, grams: Hashes) -> Reason | None:
    """Whether the text is among `hashes`, else whether one of its 13-grams is among `grams`."""
    folded = fold_text(text)
    if _holds(hashes, _ascending([_digest(folded)])):
        return "hash"
    return "13-gram" if len(grams) and _holds(grams, _grams(folded)) else None


class LeakFilter:
    """Held-out texts as hashes: 8 bytes a text and at most 8 a word.

    A text leaks if it equals a held-out text after folding (`hash`), or shares 13 words in a row
    with one (`13-gram`; for texts of at least 13 words). A 13-gram that stands in more than `common`
    distinct held-out texts is boilerplate, such as the instruction of a benchmark or the scaffold of
    a template, and does not count.
    """

    def __init__(
        self,
        texts: Iterable[str],
        common: int = COMMON,
        *,
        generated: Iterable[str] = (),
        background: Iterable[str] = (),
    ) -> None:
        """`generated`: held-out texts from the same templates as the training prompts.

        Of these a 13-gram does not count either if two prompts of `background`, a sample of what the
        templates make, hold it: it is the scaffold's. In `texts`, which are somebody else's, it does.
        """
        known, made = _by_hash(texts), _by_hash(generated)
        (grams, counts), (others, often) = _counted(known.values()), _counted(made.values())
        scaffold, seen = _counted(_by_hash(background).values())
        own = np.setdiff1d(others[often <= common], scaffold[seen > 1], assume_unique=True)
        self._texts = _ascending(known | made)
        self._grams = np.union1d(grams[counts <= common], own)

    def __len__(self) -> int:
        """Distinct held-out texts."""
        return len(self._texts)

    def leaked(self, text: str) -> Reason | None:
        """Why a text must not be trained on, or None."""
        return _overlap(text, self._texts, self._grams)
