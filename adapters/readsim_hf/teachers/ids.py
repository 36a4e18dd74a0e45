"""Token ids, and random numbers that depend on them alone."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.streams import generator

Ids = Sequence[int] | NDArray[np.int32]


def content_generator(*parts: object) -> np.random.Generator:
    """A numpy generator that depends on what is given (numbers, names, token ids), nothing else."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return generator(int.from_bytes(digest.digest()), "data")


def as_ids(ids: Any) -> NDArray[np.int32]:
    """Token ids as int32, a copy."""
    return np.array(ids, dtype=np.int32)
