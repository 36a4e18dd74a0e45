"""Assumption 4.1 (mixture-structured update): E[Delta theta | alpha] ~ eta sum_i alpha_i v_i(theta).

With an error eps_mix for every alpha of the simplex. One SGD step: exact (v_i = -grad L_i). n SGD steps
at rate eta: eps_mix = O(eta^2), the gradients drift along the path. Measured as the departure

    D(alpha) - sum_i alpha_i D(e_i)

from the update's own corners, which is 0 for all alpha exactly where D is affine; no other choice of v_i
has an error below half of its largest. Carried momentum (an affine map: m_0 depends on the past, not on
alpha) passes too. The largest departure over corners, edges, draws and a search has order 2 in eta for SGD.

Known failures, order 1 (the error is as large as the update): sign updates and cold Adam, because
sign(sum) is not the sum of signs; clipping, because the length is not linear. Warm Adam is between.
Also alpha over labels of unequal lengths, and pools reused within a step.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.backend import OffersParameters
from readsim.theory.adversary import find_worst, hard_points, point_text
from readsim.theory.orders import NEGLIGIBLE, ROUNDING, ladder, tail_order
from readsim.theory.result import Effect, PaperStatement, Result, needs

Update = Callable[[Array], Array]  # allocation (S,) -> E[Delta theta] (d,), or any other vector
HALVINGS = 5
ORDER = 1.7  # what counts as second order
LIMIT = (
    0.5  # of the update: a departure above it leaves no mixture of directions, whatever its order
)


def departure(update: Update, alpha: Array, corners: Array) -> Array:
    """D(alpha) - sum_i alpha_i D(e_i), corners (S, d): 0 for affine maps."""
    out: Array = update(alpha) - alpha @ corners
    return out


def length(vector: Array) -> Array:
    """Its Euclidean norm, (1,)."""
    return np.array([float(np.linalg.norm(vector))])


class Departures(NamedTuple):
    """The largest departures on a ladder of H steps.

    steps (H,), residuals (H, P, k) at P allocations, `order` of the worst of k parts, `relative`: the
    largest at the first step, over the size of the update there, `worst` (S,): where.
    """

    steps: Array
    residuals: Array
    order: float
    relative: float
    worst: Array


def departures(
    update_at: Callable[[float], Update],
    rate: float,
    sources: int,
    *,
    draws: int = 24,
    parts: Callable[[Array], Array] = length,
) -> Departures:
    """Departures from the corners at `rate` and quarters of it; `update_at(eta)` is D at rate eta.

    `parts` turns a vector (d,) into the sizes (k,) that are judged one by one: its norm, or the absolute
    value of each capability. What is relative is relative to sum_i alpha_i max_k parts(D(e_i)).
    """
    steps, found, scales = ladder(rate), [], []
    alphas = hard_points(sources, draws)

    def sizes(h: float, at: Array) -> tuple[Array, Array]:
        update = update_at(h)
        corners = np.array([update(e) for e in np.eye(sources)])
        apart = np.array([parts(departure(update, a, corners)) for a in at])
        return apart, at @ np.array([parts(c).max() for c in corners])

    def violation(at: Array) -> Array:
        apart, scale = sizes(rate, at)
        largest = apart.max(axis=1)
        out: Array = np.where(largest > 0, largest / np.maximum(scale, 1e-300), 0.0)
        return out

    worst, relative = find_worst(violation, alphas)
    alphas = np.concatenate([alphas, worst[None]])
    for h in steps:
        apart, scale = sizes(h, alphas)
        found.append(apart)
        scales.append(float(scale.max()))
    residuals, scale = np.array(found), np.array(scales)
    floor = NEGLIGIBLE * scale + ROUNDING * max(scale[0], 1.0) / 100
    largest = residuals.max(axis=1)
    order = min(tail_order(steps, series, floor) for series in largest.T)
    return Departures(steps, residuals, order, relative, worst)


def check(
    backend: OffersParameters,
    subject: str,
    *,
    rate: float = 0.05,
    updates: int = 4,
    draws: int = 24,
) -> Result:
    """The order of the largest departure of E[Delta theta] in the rate, at the present student.

    Its size is relative to the update at `rate`: up to 1e-5 of it there is none, above half of it the
    update is no mixture of directions though the departure vanish at order 2.

    Raises CapabilityMissingError for a backend that does not show its parameters.
    """
    needs(PaperStatement.LINEAR_UPDATES, backend, "parameters (OffersParameters)", OffersParameters)

    def update_at(h: float) -> Update:
        return lambda alpha: backend.expected_update(alpha, h, updates)

    found = departures(update_at, rate, len(backend.directions()), draws=draws)
    return Result(
        statement=PaperStatement.LINEAR_UPDATES,
        subject=subject,
        measure="order of the largest departure of the update from its corners, in its rate",
        statistic=found.order,
        bound=ORDER,
        sense=">=",
        effect=Effect(
            found.relative, "of the update", f"alpha = {point_text(found.worst)}", NEGLIGIBLE, LIMIT
        ),
        advice="order 1 means that the update is not a mixture of directions, so transfer does not add up",
        detail={"steps": found.steps, "residuals": found.residuals[:, :, 0]},
    )
