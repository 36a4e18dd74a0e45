"""Update rules: (state, gradient, rate) -> (state, change of theta). State is a tree of arrays.

sgd       -rate g
momentum  m <- mu m + g;  -rate m                           (Polyak's heavy ball, torch's form)
adam      m, v <- moving means of g, g^2, bias-corrected;  -rate m / (sqrt v + eps)  (Kingma & Ba 2015)
sign      -rate sign(g)                                     (Bernstein et al. 2018)
clip      -rate g min(1, c / |g|)                           (Pascanu et al. 2013)
"""

from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.toy.config import ToyConfig

State = dict[str, Any]


def fresh(size: int) -> State:
    """The state before the first update; rules use what they need of it."""
    return {"m": np.zeros(size), "v": np.zeros(size), "count": 0}


def update(config: ToyConfig, state: State, gradient: Array, rate: float) -> tuple[State, Array]:
    """One update; `state` is not changed."""
    rule = config.optimiser
    if rule == "sgd":
        return state, -rate * gradient
    if rule == "sign":
        return state, -rate * np.sign(gradient)
    if rule == "clip":
        norm = float(np.linalg.norm(gradient))
        return state, -rate * gradient * min(1.0, config.clip / norm if norm else 1.0)
    if rule == "momentum":
        m = config.momentum * state["m"] + gradient
        return {**state, "m": m}, -rate * m
    count = state["count"] + 1
    m = config.momentum * state["m"] + (1 - config.momentum) * gradient
    v = config.beta2 * state["v"] + (1 - config.beta2) * gradient**2
    mean, square = m / (1 - config.momentum**count), v / (1 - config.beta2**count)
    return {"m": m, "v": v, "count": count}, -rate * mean / (np.sqrt(square) + config.epsilon)
