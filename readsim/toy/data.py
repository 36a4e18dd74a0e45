"""What a toy capability is: inputs around its own centre, labelled by a fixed random teacher."""

from typing import NamedTuple
from zlib import crc32

import numpy as np

from readsim.arrays import Array
from readsim.streams import generator
from readsim.toy.config import ToyConfig
from readsim.toy.network import row_softmax

TEACHER = 4  # times the student's hidden units
SHARPNESS = 3.0


class Split(NamedTuple):
    """n examples: inputs (n, D), the teacher's distribution (n, C), its best class (n,)."""

    x: Array
    soft: Array
    label: Array


def splits(config: ToyConfig, name: str) -> dict[str, Split]:
    """Pool, probe, dev and test of one capability.

    The teacher's trunk is common to all capabilities, its head and the inputs' centre are this one's.
    """
    rng = generator(config.seed, "data", crc32(name.encode()))
    common = generator(config.seed, "world")
    width = TEACHER * config.hidden
    trunk = common.normal(size=(width, config.inputs)) / np.sqrt(config.inputs)
    head = rng.normal(size=(config.classes, width)) * SHARPNESS / np.sqrt(width)
    centre = 0.5 * rng.normal(size=config.inputs)
    out = {}
    for split in ("pool", "probe", "dev", "test"):
        n = config.pool if split == "pool" else config.items
        x = centre + rng.normal(size=(n, config.inputs))
        soft = row_softmax(np.tanh(x @ trunk.T) @ head.T)
        out[split] = Split(x, soft, soft.argmax(axis=1))
    return out
