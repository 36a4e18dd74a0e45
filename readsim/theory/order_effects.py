"""Lemma on order effects: doing i for h then k for h, minus the reverse, is h^2 [v_i, v_k] + O(h^3).

[v_i, v_k] = Dv_k v_i - Dv_i v_k; common terms cancel. Assumption 4.4 needs these brackets to be invisible
to p. In order-free worlds the gap is 0; where state matters (`flow`, real training) it has order 2, or
lower where an update rule has memory or kinks (sign, clip).
"""

from collections.abc import Callable

import numpy as np

from readsim.arrays import Array
from readsim.backend import OffersExpectedTraining
from readsim.theory.mixture import HALVINGS
from readsim.theory.orders import observed_order
from readsim.theory.result import PaperStatement, Result, needs, points
from readsim.worlds.world import World

Profile = Callable[[list[Array]], Array]  # intervals of tokens (S,) -> profile (K,)


def profile_order_gap(profile: Profile, first: Array, second: Array) -> float:
    """max_j |p_j(first, then second) - p_j(second, then first)|."""
    return float(np.abs(profile([first, second]) - profile([second, first])).max())


def of_training(backend: OffersExpectedTraining, updates: int = 2) -> Profile:
    """Profiles by expected updates from the present student, `updates` per interval; the student goes
    back afterwards.

    An interval of no tokens changes nothing. Raises CapabilityMissingError for another backend.
    """
    needs(
        PaperStatement.ORDER_EFFECTS,
        backend,
        "expected training (OffersExpectedTraining)",
        OffersExpectedTraining,
    )

    def profile(schedule: list[Array]) -> Array:
        saved = backend.snapshot()
        for tokens in schedule:
            total = float(tokens.sum())
            if not total:
                continue
            backend.expected_train(tokens / total, total, updates)
        found = backend.readouts(backend.parameters())
        backend.restore(saved)
        return found

    return profile


def check(profile: Profile, sources: int, tokens: float, subject: str) -> list[Result]:
    """The largest gap over pairs of sources at `tokens` each, and its order as both are halved.

    With one source or no tokens there is no order: the gap is 0.
    """
    steps = tokens * 0.5 ** np.arange(HALVINGS)
    e = np.eye(sources)
    pairs = [(i, k) for i in range(sources) for k in range(i + 1, sources)]
    found = np.array(
        [[profile_order_gap(profile, h * e[i], h * e[k]) for i, k in pairs] for h in steps]
    )
    largest = float(found[0].max()) if pairs else 0.0
    results = [
        Result(
            statement=f"{PaperStatement.ORDER_EFFECTS}: order-free",
            subject=subject,
            measure="largest gap of scores between two orders",
            statistic=largest,
            bound=1e-12,
            sense="<=",
            effect=points(largest),
            advice="the order of training matters: Assumption 4.4 fails, adaptivity can pay",
            detail={"steps": steps, "residuals": found},
        )
    ]
    if largest > 1e-12:
        order = observed_order(steps, found)
        results.append(
            Result(
                statement=PaperStatement.ORDER_EFFECTS,
                subject=subject,
                measure="order of the gap between two orders in their size",
                statistic=order.value,
                interval=(order.low, order.high),
                bound=1.7,
                sense=">=",
                advice="an order below 2 comes from thresholds, clipping or memory between the two steps",
                detail={"steps": steps, "residuals": found},
            )
        )
    return results


def world_profile(world: World, budget: float | None = None) -> Profile:
    """The noise-free profile of a schedule, under the world's learning rate over `budget` tokens."""
    return lambda schedule: world.profile_after(schedule, budget)
