"""Top-k distributions in few bytes: ids by Elias and Fano, 8 bits a log-probability, the tail's mass.

Ids. The k ids of a position, ascending, with l = max(0, floor(log2(V / k))): the low l bits of each, one
after the other, then one bit string in which bit (id >> l) + i is set for the i-th id. That is
k l + k + ceil(V / 2^l) bits, 2 more an id at most than the k-subsets of V ids need (Elias 1974, Fano 1971).

Log-probabilities. With the largest one m and the smallest one m - R of a position, an entry at distance
d = m - logp has the code round(255 sqrt(d / R)): finer where the probability is. Read back, d' is off by at
most 2 sqrt(d) h + h^2 with h = sqrt(R) / 510, which is R / 255 + h^2 at the smallest entry and 0 at the
largest. All entries then move together until they add up to one minus the tail's mass, which is kept as
float32; that moves them by at most as much again. So

    | logp' - logp | <= 2 (R / 255 + R / 510^2) = `log_probability_bound`

and, with that bound e and q the student, for each position (tail and head keep their masses)

    | CE(p', q) - CE(p, q) | <= (e^e - 1) * sum over the k entries of p (-log q)
    KL(p || p')             <= 1/2 e^e * sum over the k entries of p (logp' - logp)^2,

which is far smaller, as errors are small where p is large. Both are tested; floating point adds 1e-6.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim_hf.teachers.record import Soft

CODES = 255
_FLOOR = (
    2.0**-24
)  # a smaller mass is rounding error of float32 log-probabilities (`objectives.sparse`)

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


class Quantised(NamedTuple):
    """L positions: ids (L, `id_bytes`), codes (L, k), and (L, 2) the range R and the log of the tail's mass
    (-inf for none)."""

    ids: Bytes
    codes: Bytes
    scale: NDArray[np.float32]


def low_bits(vocabulary: int, k: int) -> int:
    """Bits of an id that are written as they are."""
    return max(0, (vocabulary // k).bit_length() - 1)


def id_bytes(vocabulary: int, k: int) -> int:
    """Bytes of a position's ids."""
    low = low_bits(vocabulary, k)
    return (k * low + k + (vocabulary >> low) + 1 + 7) // 8


def position_bytes(vocabulary: int, k: int) -> int:
    """Bytes of a position, before any compression: 178 for k = 64 of 151,936 ids."""
    return id_bytes(vocabulary, k) + k + 8


def log_probability_bound(spread: Floats) -> Floats:
    """How far an entry can be off, from R (L,) of the positions."""
    return np.asarray(2.0 * (spread / CODES + spread / (2.0 * CODES) ** 2))


def quantise(soft: Soft, vocabulary: int) -> Quantised:
    """Of a top-k record with ids below `vocabulary`."""
    order = np.argsort(soft.ids, axis=1)
    ids = np.take_along_axis(soft.ids, order, axis=1)
    logp = np.take_along_axis(soft.logp, order, axis=1).astype(np.float64)
    distance = logp.max(axis=1, keepdims=True, initial=-np.inf) - logp
    spread = distance.max(axis=1, initial=0.0).astype(np.float32)
    unit = np.where(spread > 0, spread, 1.0).astype(np.float64)[:, None]
    codes = np.rint(CODES * np.sqrt(np.minimum(distance / unit, 1.0)))
    tail = 1.0 - np.exp(logp).sum(axis=1)
    with np.errstate(divide="ignore"):
        mass = np.log(np.where(tail > _FLOOR, tail, 0.0))
    return Quantised(
        _pack(ids.astype(np.int64), vocabulary),
        codes.astype(np.uint8),
        np.stack([spread, mass], axis=1).astype(np.float32),
    )


def restored(made: Quantised, vocabulary: int) -> Soft:
    """The record again, the likeliest entry first."""
    k = made.codes.shape[1]
    ids = _unpack(made.ids, vocabulary, k)
    spread, mass = made.scale.astype(np.float64).T
    logp = -spread[:, None] * (made.codes / CODES) ** 2
    head = np.log1p(-np.minimum(np.exp(mass), 1.0 - _FLOOR))
    logp += (head - np.log(np.exp(logp).sum(axis=1)))[:, None]
    order = np.argsort(-logp, axis=1, kind="stable")
    return Soft(
        "topk",
        np.take_along_axis(ids, order, axis=1).astype(np.int32),
        np.take_along_axis(logp, order, axis=1).astype(np.float32),
    )


def _pack(ids: NDArray[np.int64], vocabulary: int) -> Bytes:
    """(L, k) ascending ids as (L, `id_bytes`)."""
    rows, k = ids.shape
    low = low_bits(vocabulary, k)
    bits = np.zeros((rows, 8 * id_bytes(vocabulary, k)), np.uint8)
    bits[:, : k * low] = ((ids[..., None] >> np.arange(low)) & 1).reshape(rows, k * low)
    np.put_along_axis(bits, k * low + (ids >> low) + np.arange(k), np.uint8(1), axis=1)
    return np.packbits(bits, axis=1)


def _unpack(packed: Bytes, vocabulary: int, k: int) -> NDArray[np.int64]:
    """The inverse of `_pack`. ValueError for bytes that it never makes."""
    rows, low = len(packed), low_bits(vocabulary, k)
    bits = np.unpackbits(packed, axis=1)
    lows = bits[:, : k * low].reshape(rows, k, low).astype(np.int64) << np.arange(low)
    high = np.nonzero(bits[:, k * low :])[1].reshape(rows, k) - np.arange(k)
    return np.asarray((high << low) + lows.sum(axis=2), dtype=np.int64)
