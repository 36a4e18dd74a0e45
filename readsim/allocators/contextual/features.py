"""What a linear model sees of a context and an allocation."""

import numpy as np

from readsim.allocators.base import Setup
from readsim.allocators.losses import losses, of_sources
from readsim.arrays import Array


def error_shares(setup: Setup, profile: Array) -> Array:
    """Each source's share of the required loss, r_i loss_i over its sum: (n, V) -> (n, S).

    Shares have no unit: they mean the same for scores and for losses in nats. Zeros where nothing
    is lost.
    """
    mass = np.maximum(losses(setup, profile), 0.0) * setup.requirement
    by_source = np.array([of_sources(setup, row) for row in mass])
    total = by_source.sum(axis=1, keepdims=True)
    shares: Array = np.divide(by_source, total, out=np.zeros_like(by_source), where=total > 0.0)
    return shares


def linear_features(
    setup: Setup, profile: Array, budget_left: Array, allocation: Array, *, curvature: bool
) -> Array:
    """Rows [alpha ; alpha . prior ; alpha . errors ; rho ; |alpha|^2]: (n, S + 4), each in [0, 1].

    profile (n, V), budget_left (n,), allocation (n, S); a single row of the first two serves all
    allocations. Without `curvature` |alpha|^2 is left out: (n, S + 3).

    alpha            what a token of each source brings; it holds the constant, for its sum is 1
    alpha . prior    one coefficient for all sources: what is required pays more (or less), which says
                     something about a source before it was tried. A sum of the alphas, so it is the
                     ridge that divides the credit between it and them
    alpha . errors   the same of what is required and still wrong (`error_shares`): returns that move
                     with the profile
    rho              the budget left. It is the same for all candidates and decides nothing, but
                     returns fall in a run, and without it that is blamed on what was tried late
    |alpha|^2        one coefficient for the curvature within a step. A mean that is linear in alpha
                     plus a width, which is convex, has its maximum at a corner of the candidates'
                     hull: with `curvature` False no mixture inside it is ever chosen, neither
                     "stay" nor uniform included

    alpha times rho or the profile, source by source, would be S features more each: a run of 20
    decisions cannot fill them.
    """
    n = len(allocation)
    columns = [
        allocation,
        allocation @ setup.prior,
        (allocation * error_shares(setup, profile)).sum(axis=1),
        np.broadcast_to(budget_left, n),
    ]
    if curvature:
        columns.append(np.square(allocation).sum(axis=1))
    return np.column_stack(columns)
