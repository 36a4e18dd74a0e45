"""Assumption 4.2 (local readout), Eq. (12): p(theta + Delta) ~ p(theta) + J_p(theta) Delta.

p_j must be C^1 with a Lipschitz gradient near theta; then the Taylor remainder is O(h^2). It holds for
expected accuracy under sampling and for likelihood margins. Known failures: greedy accuracy and exact
match are step functions (gradient 0 almost everywhere), scores clipped at 0 or 1, "emergent" metrics.
"""

from collections.abc import Callable

import numpy as np

from readsim.arrays import Array
from readsim.backend import OffersParameters
from readsim.theory.mixture import HALVINGS, ORDER
from readsim.theory.orders import observed_order
from readsim.theory.result import Result, Statement, needs


def taylor_remainder(
    readout: Callable[[Array], Array], theta: Array, jacobian: Array, move: Array
) -> Array:
    """p(theta + move) - p(theta) - J move: (K,); jacobian (K, d), move (d,)."""
    out: Array = readout(theta + move) - readout(theta) - jacobian @ move
    return out


def check(
    backend: OffersParameters,
    subject: str,
    *,
    readout: Callable[[Array], Array] | None = None,
    reach: float = 0.5,
    draws: int = 8,
    seed: int = 0,
) -> Result:
    """The order of the remainder along random directions of length `reach`, halved; all capabilities.

    `readout` replaces the backend's smooth one (greedy accuracy, say). A score that moved and whose
    gradient is 0 has an order of 0 or so.
    """
    needs(Statement.LOCAL_READOUT, backend, "parameters (OffersParameters)", OffersParameters)
    theta, jacobian = backend.parameters(), backend.readout_gradients()
    rng = np.random.default_rng(seed)
    ways = rng.normal(size=(draws, len(theta)))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    steps = reach * 0.5 ** np.arange(HALVINGS)
    score = readout or backend.readouts
    found = np.array(
        [
            [float(np.linalg.norm(taylor_remainder(score, theta, jacobian, h * w))) for w in ways]
            for h in steps
        ]
    )
    order = observed_order(steps, found)
    return Result(
        statement=Statement.LOCAL_READOUT,
        subject=subject,
        measure="order of the Taylor remainder of the scores",
        statistic=order.value,
        interval=(order.low, order.high),
        bound=ORDER,
        sense=">=",
        advice="use a smooth surrogate of the metric: expected accuracy, log-likelihood margin",
        detail={"steps": steps, "residuals": found},
    )
