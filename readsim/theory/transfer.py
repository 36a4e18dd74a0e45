"""Proposition 4.3 (local transfer decomposition), Eq. (13): E[Dp_j] ~ sum_i alpha_i G[i, j].

Under Assumptions 4.1 and 4.2, with G[i, j] = eta grad p_j . v_i,

    |E[Dp_j] - sum_i alpha_i G[i, j]| <= ||grad p_j|| eps_mix + (L_j / 2) E||Delta theta||^2.

G is what M(h) / h tends to (Definition 2.2); M(B) is not B G for finite B. Off the diagonal G vanishes
only where v_i is orthogonal to grad p_j: with disjoint parameters it is exactly 0. One capability has a
diagonal only, a one-hot allocation is a row of G, a step of no tokens changes nothing. Known failure in
worlds: rehearsal, where a source's harm depends on what it is mixed with, however short the step is.
"""

from collections.abc import Callable, Sequence

import numpy as np

from readsim.arrays import Array
from readsim.backend import OffersParameters
from readsim.theory.adversary import hard_points, point_text
from readsim.theory.mixture import LIMIT, ORDER, Departures, departures
from readsim.theory.orders import NEGLIGIBLE, tail_order
from readsim.theory.result import Effect, PaperStatement, Result, needs
from readsim.worlds.world import World


def local_matrix(gradients: Array, directions: Array, rate: float) -> Array:
    """G (S, K) = eta v grad p^T of directions v (S, d) and readout gradients (K, d)."""
    out: Array = rate * directions @ gradients.T
    return out


def error_bound(slope: Array, mix: float, curvature: Array, square: float) -> Array:
    """||grad p_j|| eps_mix + L_j / 2 E||Delta theta||^2 of each capability: (K,)."""
    out: Array = slope * mix + 0.5 * curvature * square
    return out


def curvature(backend: OffersParameters, move: Array, points: int = 5) -> Array:
    """The largest |u^T Hess p_j u| on the way from theta to theta + move, u = move / |move|: (K,).

    By central second differences of the scores; this is the L_j that the proof uses.
    """
    length = float(np.linalg.norm(move))
    if not length:
        return np.zeros(len(backend.readout_gradients()))
    theta, h = backend.parameters(), 1e-3
    u = move / length
    along = []
    for t in np.linspace(0, 1, points):
        at = theta + t * move
        ends = backend.readouts(at + h * u) + backend.readouts(at - h * u)
        along.append(np.abs(ends - 2 * backend.readouts(at)) / h**2)
    out: Array = np.max(along, axis=0)
    return out


def bound_ratio(backend: OffersParameters, alpha: Array, rate: float, updates: int) -> float:
    """max_j |Dp_j - (alpha^T G)_j| over its bound, for `updates` expected updates; <= 1 if it holds.

    The curvature's own estimate leaves 10 % of slack.
    """
    gradients, directions = backend.readout_gradients(), backend.directions()
    eta = rate * updates
    move = backend.expected_update(alpha, rate, updates)
    here = backend.readouts(backend.parameters())
    change = backend.readouts(backend.parameters() + move) - here
    mix = float(np.linalg.norm(move - eta * alpha @ directions))
    slope = np.linalg.norm(gradients, axis=1)
    bound = error_bound(slope, mix, 1.1 * curvature(backend, move), float(move @ move))
    error = np.abs(change - alpha @ local_matrix(gradients, directions, eta))
    return float(np.max(error / np.maximum(bound, 1e-15)))


def _superposed(
    found: Departures,
    statement: str,
    subject: str,
    what: str,
    advice: str,
    names: Sequence[str] = (),
) -> Result:
    """The order of the worst capability as a result; its size is relative to the largest change."""
    return Result(
        statement=statement,
        subject=subject,
        measure=f"order of the largest departure of the score changes from the corners', in {what}",
        statistic=found.order,
        bound=ORDER,
        sense=">=",
        effect=Effect(
            found.relative,
            "of the change",
            f"alpha = {point_text(found.worst, names)}",
            NEGLIGIBLE,
            LIMIT,
        ),
        advice=advice,
        detail={"steps": found.steps, "residuals": found.residuals.max(axis=2)},
    )


def check_superposition(world: World, budget: float, *, draws: int = 16) -> Result:
    """Superposition of Dp in a world, from where half of the budget in equal parts leads: order 2 in tokens.

    Of each capability alone, at corners, edges, draws and where a search leads. Raises
    CapabilityMissingError for the demo's dynamics: there the number of steps counts, not tokens.
    """
    if world.dynamics == "artifact":
        needs(PaperStatement.LOCAL_TRANSFER, world, "a response to tokens, not to steps")
    sources = len(world.sources)
    before = np.full(sources, 0.5 * budget / sources)
    here = world.profile_after([before], budget)

    def gain_of(tokens: float) -> Callable[[Array], Array]:
        return lambda alpha: world.profile_after([before, alpha * tokens], budget) - here

    found = departures(gain_of, 0.1 * budget, sources, draws=draws, parts=np.abs)
    advice = "order 1 means that a mixture does not do the sum of what its parts do (rehearsal)"
    name = f"{PaperStatement.LOCAL_TRANSFER}: worlds"
    return _superposed(found, name, world.name, "the tokens", advice, world.sources)


def check(
    backend: OffersParameters,
    subject: str,
    *,
    rate: float = 0.05,
    updates: int = 4,
    draws: int = 24,
) -> list[Result]:
    """Superposition of Dp (order 2), M(h) / h -> G (order 1), and the error next to its bound.

    G is of plain gradient descent: for other rules M(h) / h need not tend to it. Its distance is that of
    the worst row, a source's effects: one entry alone may cross zero on the way. With no updates M is 0,
    M / h nothing.
    """
    needs(PaperStatement.LOCAL_TRANSFER, backend, "parameters (OffersParameters)", OffersParameters)
    sources, theta = len(backend.directions()), backend.parameters()
    here = backend.readouts(theta)

    def gain(alpha: Array, h: float) -> Array:
        return backend.readouts(theta + backend.expected_update(alpha, h, updates)) - here

    found = departures(
        lambda h: lambda alpha: gain(alpha, h), rate, sources, draws=draws, parts=np.abs
    )
    local = local_matrix(backend.readout_gradients(), backend.directions(), 1.0)
    rows = np.maximum(np.linalg.norm(local, axis=1), 1e-300)
    if updates:
        apart = np.array(
            [
                np.linalg.norm(
                    [
                        gain(e, h) / (h * updates) - g
                        for e, g in zip(np.eye(sources), local, strict=True)
                    ],
                    axis=1,
                )
                for h in found.steps
            ]
        )
        floor = np.full(len(found.steps), NEGLIGIBLE * float(rows.max()))
        slope = min(tail_order(found.steps, column, floor) for column in apart.T)
        far = Effect(float((apart[0] / rows).max()), "of a row of G", negligible=NEGLIGIBLE)
    else:
        apart, slope, far = np.zeros((len(found.steps), 1)), np.nan, None
    alphas = hard_points(sources, draws, 1)
    ratios = [bound_ratio(backend, a, rate, updates) for a in alphas]
    return [
        _superposed(
            found,
            PaperStatement.LOCAL_TRANSFER,
            subject,
            "the rate",
            "order 1: effects of sources do not add up even in the smallest step",
        ),
        Result(
            statement=f"{PaperStatement.LOCAL_TRANSFER}: M(h)/h",
            measure="order of M(h)/h - G in h, worst source",
            statistic=slope,
            bound=0.85,
            effect=far,
            advice="the one-hot effects do not tend to gradient alignment under this rule",
            detail={"steps": found.steps, "residuals": apart},
            subject=subject,
            sense=">=",
        ),
        Result(
            statement=f"{PaperStatement.LOCAL_TRANSFER}: bound",
            subject=subject,
            sense="<=",
            measure="error over its bound, largest of the capabilities and mixtures",
            statistic=max(ratios),
            bound=1.0,
            effect=Effect(max(ratios), "of the bound", point_text(alphas[int(np.argmax(ratios))])),
            advice="above 1 would be an error of this program",
        ),
    ]
