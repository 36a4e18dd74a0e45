"""Assumption 4.2 (local readout), Eq. (12): p(theta + Delta) ~ p(theta) + J_p(theta) Delta.

p_j must be differentiable near theta, each capability for itself: the Taylor remainder is o(h), of an order
above 1 (2 where the gradient is Lipschitz, 1.5 for |t|^1.5). It holds for expected accuracy under sampling
and for likelihood margins. Known failures: greedy accuracy and exact match are step functions (gradient 0
almost everywhere), scores clipped at 0 or 1 (a kink: order 1), "emergent" metrics.

Two searches: the remainder at theta itself along random directions, against the gradient that the backend
says; and bends beside it, by second differences that close in on where they are largest.
"""

from collections.abc import Callable

import numpy as np

from readsim.arrays import Array
from readsim.backend import OffersParameters
from readsim.theory.orders import NEGLIGIBLE, ROUNDING, ladder, tail_order
from readsim.theory.result import Effect, PaperStatement, Result, needs

DIFFERENTIABLE = 1.2  # an order above 1: what a kink has, 1, is refused with some room
CLOSE_IN = 9  # times that a bend is looked at four times closer
GRID = 16  # second differences on a whole ray

Readout = Callable[[Array], Array]  # parameters (d,) -> scores (K,)


def taylor_remainder(readout: Readout, theta: Array, jacobian: Array, move: Array) -> Array:
    """p(theta + move) - p(theta) - J move: (K,); jacobian (K, d), move (d,)."""
    out: Array = readout(theta + move) - readout(theta) - jacobian @ move
    return out


def bends(readout: Readout, theta: Array, way: Array, reach: float, j: int) -> tuple[Array, Array]:
    """Widths (H,) and the largest |second difference| of p_j at each, on theta + t `way`, |t| <= reach.

    Each time four times closer around where it was largest: order 2 where p_j is smooth, 1 at a kink,
    0 at a jump.
    """
    middle, half, widths, largest = 0.0, reach, [], []
    for n in range(CLOSE_IN):
        grid = GRID if n == 0 else 8
        t = np.linspace(middle - half, middle + half, grid + 1)
        p = np.array([readout(theta + s * way)[j] for s in t])
        second = np.abs(p[2:] - 2 * p[1:-1] + p[:-2])
        at = int(np.argmax(second))
        widths.append(2 * half / grid)
        largest.append(float(second[at]))
        middle, half = float(t[at + 1]), 2 * half / grid
    return np.array(widths), np.array(largest)


def check(
    backend: OffersParameters,
    subject: str,
    *,
    readout: Readout | None = None,
    reach: float = 0.5,
    draws: int = 8,
    seed: int = 0,
) -> Result:
    """The lowest order, over capabilities, of remainder and bends within `reach` of theta.

    `readout` replaces the backend's smooth one (greedy accuracy, say). Its size is the remainder at
    `reach`, relative to the first-order change there.
    """
    needs(PaperStatement.LOCAL_READOUT, backend, "parameters (OffersParameters)", OffersParameters)
    theta, jacobian = backend.parameters(), backend.readout_gradients()
    rng = np.random.default_rng(seed)
    ways = rng.normal(size=(draws, len(theta)))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    score = readout or backend.readouts
    steps = ladder(reach, 11)
    found = np.abs([[taylor_remainder(score, theta, jacobian, h * w) for w in ways] for h in steps])
    change = np.abs([score(theta + reach * w) - score(theta) for w in ways]).max(axis=0) / reach
    slope = np.maximum(np.abs(ways @ jacobian.T).max(axis=0), change)
    rounding = ROUNDING * max(1.0, float(np.abs(score(theta)).max())) / 10
    orders = {}
    for j in range(found.shape[2]):
        floor = NEGLIGIBLE * slope[j]
        orders[f"capability {j}"] = tail_order(
            steps, found[:, :, j].max(axis=1), floor * steps + rounding
        )
        for way in ways[: max(1, draws // 4)]:
            widths, largest = bends(score, theta, way, reach, j)
            beside = tail_order(widths, largest, floor * widths + rounding)
            orders[f"capability {j}, beside"] = min(
                beside, orders.get(f"capability {j}, beside", np.inf)
            )
    worst = min(orders, key=lambda name: orders[name])
    relative = found[0].max(axis=0) / np.maximum(slope * reach, 1e-300)
    return Result(
        statement=PaperStatement.LOCAL_READOUT,
        subject=subject,
        measure="order of the Taylor remainder of the scores, worst capability",
        statistic=orders[worst],
        bound=DIFFERENTIABLE,
        sense=">=",
        effect=Effect(
            float(relative.max()), "of the first-order change", worst, negligible=NEGLIGIBLE
        ),
        advice="use a smooth surrogate of the metric: expected accuracy, log-likelihood margin",
        detail={"steps": steps, "residuals": found.max(axis=2), "orders": orders},
    )
