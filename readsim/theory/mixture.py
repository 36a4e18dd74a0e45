"""Assumption 4.1 (mixture-structured update): E[Delta theta | alpha] ~ eta sum_i alpha_i v_i(theta).

With an error eps_mix for every alpha of the simplex. One SGD step: exact (v_i = -grad L_i). n SGD steps
at rate eta: eps_mix = O(eta^2), the gradients drift along the path. Measured as superposition,

    || D(s a + (1 - s) b) - s D(a) - (1 - s) D(b) ||,

which is 0 for every affine map: carried momentum (an affine map: m_0 depends on the past, not on
alpha) passes too. Its order in eta is 2 for SGD.

Known failures, order 1 (the error is as large as the update): sign updates and cold Adam, because
sign(sum) is not the sum of signs; clipping, because the length is not linear. Warm Adam is between.
Also alpha over labels of unequal lengths, and pools reused within a step.
"""

from collections.abc import Callable

import numpy as np

from readsim.arrays import Array
from readsim.backend import OffersParameters
from readsim.theory.orders import ObservedOrder, observed_order
from readsim.theory.result import Result, Statement, needs

Update = Callable[[Array], Array]  # allocation (S,) -> E[Delta theta] (d,), or any other vector
HALVINGS = 5
ORDER = 1.7  # what counts as second order


def superposition_residual(update: Update, a: Array, b: Array, s: float) -> Array:
    """D(s a + (1 - s) b) - s D(a) - (1 - s) D(b): 0 for affine maps."""
    out: Array = update(s * a + (1 - s) * b) - s * update(a) - (1 - s) * update(b)
    return out


def random_mixtures(sources: int, draws: int, seed: int = 0) -> list[tuple[Array, Array, float]]:
    """(a, b, s): a and b from the simplex, s in [.3, .7]; for one source all are equal."""
    rng = np.random.default_rng(seed)
    ones = np.ones(sources)
    return [
        (rng.dirichlet(ones), rng.dirichlet(ones), float(rng.uniform(0.3, 0.7)))
        for _ in range(draws)
    ]


def residual_order(
    update_at: Callable[[float], Update],
    rate: float,
    sources: int,
    *,
    draws: int = 8,
    norm: Callable[[Array], float] = lambda r: float(np.linalg.norm(r)),
) -> tuple[Array, Array, ObservedOrder]:
    """Rates (H,), superposition residuals (H, n), observed order; `update_at(eta)` is D at rate eta."""
    mixtures = random_mixtures(sources, draws)
    rates: Array = rate * 0.5 ** np.arange(HALVINGS, dtype=np.float64)
    found: Array = np.array(
        [
            [norm(superposition_residual(update_at(h), a, b, s)) for a, b, s in mixtures]
            for h in rates
        ]
    )
    size = float(np.linalg.norm(update_at(rate)(mixtures[0][0])))
    return rates, found, observed_order(rates, found, scale=max(size, 1.0))


def check(
    backend: OffersParameters,
    subject: str,
    *,
    rate: float = 0.05,
    updates: int = 4,
    draws: int = 32,
) -> Result:
    """The order of the superposition residual of E[Delta theta] in the rate, at the present student.

    Raises CapabilityMissingError for a backend that does not show its parameters.
    """
    needs(Statement.LINEAR_UPDATES, backend, "parameters (OffersParameters)", OffersParameters)

    def update_at(h: float) -> Update:
        return lambda alpha: backend.expected_update(alpha, h, updates)

    rates, found, order = residual_order(update_at, rate, len(backend.directions()), draws=draws)
    return Result(
        statement=Statement.LINEAR_UPDATES,
        subject=subject,
        measure="order of the superposition residual of the update in its rate",
        statistic=order.value,
        interval=(order.low, order.high),
        bound=ORDER,
        sense=">=",
        advice="order 1: the update is not a mixture of directions; transfer does not add up",
        detail={"steps": rates, "residuals": found},
    )
