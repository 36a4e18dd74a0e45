"""Fit all laws to runs and average them: `fit_average(...)` gives the world and the average around it.

made = fit_average(tokens, targets, sources=..., capabilities=..., scores=True)
made.law.world               the shared-curves law as a world
made.average.predict(t)      profiles (m, K) of the average
made.average.forecast(t)     with 95 % intervals
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.fitting.average import (
    Average,
    LawData,
    combine_held_out,
    fit_laws,
    from_law_scale,
    hold_out,
    stack,
    to_law_scale,
)
from readsim.fitting.cross_validation import FOLDS
from readsim.fitting.law import MEMBERS, Fitted, fit_law
from readsim.fitting.laws.features import Predictor
from readsim.fitting.laws.guided import Guided
from readsim.fitting.weights import cell_weights, trust_in_chosen
from readsim.streams import generator
from readsim.worlds.world import World

Tick = Callable[[], None]
EXTRA = 8


@dataclass(frozen=True, eq=False)
class Fit:
    """What `fit_average` made.

    law             the shared-curves law, whose world is saved
    average         of all laws
    chosen_weight   of rows that were chosen, beside those that were not; nan where none were
    trust           (K,) in the guide, 0 to 1; None without one
    """

    law: Fitted
    average: Average
    chosen_weight: float
    trust: Array | None


def fit_average(
    tokens: Array,
    targets: Array,
    *,
    sources: Sequence[str],
    capabilities: Sequence[str],
    scores: bool,
    lowest: float = 0.0,
    start: Array | None = None,
    groups: ArrayLike | None = None,
    items: Array | None = None,
    chosen: NDArray[np.bool_] | None = None,
    guide: Callable[[Array], Array] | None = None,
    trust: float | None = None,
    path: Array | None = None,
    members: int = MEMBERS,
    folds: int = FOLDS,
    seed: int = 0,
    name: str = "fitted",
    tick: Tick = lambda: None,
) -> Fit:
    """Fit log-ridge, lasso, Gaussian process, shared curves and, where order is known, pulls; average them.

    items     (n, K) or (K,) that each score was measured on: cells with fewer count less
    chosen    (n,) rows whose mixture was picked because of what earlier rows showed; they count as much as
              makes the other rows best predicted
    guide     profiles (m, K) after tokens (m, S) by a world fitted elsewhere, nan for capabilities that it
              does not have: a further law (`guided`), believed as far as the runs bear it out
    trust     that belief, 0 to 1, instead of learning it
    path      (n, T, S) the tokens of each run in the order of its decisions (`readsim.fitting.paths`)

    The others are `fit_law`'s. Raises ConfigError naming what is wrong.
    """
    tokens, targets = np.array(tokens, dtype=np.float64), np.array(targets, dtype=np.float64)
    if folds < 2:
        raise ConfigError(
            f"folds = {folds!r}: expected a number of at least 2, because the weights come from held-out rows"
        )
    if trust is not None and not 0.0 <= trust <= 1.0:
        raise ConfigError(
            f"trust = {trust!r}: expected a number from 0 to 1, or None, which learns it"
        )
    unit = float(tokens.sum(axis=1).max())
    x, wanted = tokens / unit, to_law_scale(targets, not scores)
    weight, factor = np.ones_like(wanted), np.nan
    if items is not None:
        weight = cell_weights(x, wanted, items, lowest)
    if chosen is not None and chosen.any():
        factor = trust_in_chosen(x, wanted, weight, chosen)
        weight = weight * np.where(chosen, factor, 1.0)[:, None]
    trusts = None if trust is None else (trust,)
    ordered = None if path is None else path / unit
    runs = LawData(x, wanted, weight, on_law_scale(guide, unit, not scores), trusts, ordered)
    law = fit_law(
        tokens,
        targets,
        sources=sources,
        capabilities=capabilities,
        scores=scores,
        lowest=lowest,
        start=start,
        groups=groups,
        weight=None if (weight == 1.0).all() else weight,
        members=members,
        folds=folds,
        seed=seed,
        name=name,
        tick=tick,
    )
    fold = law.fold
    held = hold_out(runs, fold, to_law_scale(law.held_out, not scores), tick)
    outside = combine_held_out(held, runs, fold)
    weights = stack(held.each, runs.wanted, runs.weight)
    laws = fit_laws(runs)
    average = Average(
        law.world,
        runs,
        held.names,
        weights,
        unit,
        fold,
        law.groups,
        from_law_scale(outside, not scores, lowest),
        held.sd,
        laws,
    )
    if not isinstance(laws.sure, Guided):
        return Fit(law, average, factor, None)
    believed = laws.sure.trust
    world = _shrunk(law, average, believed, members, seed)
    law, average = replace(law, world=world), replace(average, world=world)
    return Fit(law, average, factor, believed)


def _shrunk(law: Fitted, average: Average, trust: Array, members: int, seed: int) -> World:
    """The law's world fitted again to the runs and, as far as the guide is trusted, to what the average
    predicts for EXTRA mixtures a source: so that few runs do not leave the world's matrix to chance."""
    rng, s = generator(seed, "data", 4_000_000), len(law.world.sources)
    more = rng.dirichlet(np.ones(s), EXTRA * s) * average.unit
    told = average.predict(more)
    weight = np.vstack(
        [law.cell_weight, np.tile(trust * len(law.tokens) / len(more), (len(more), 1))]
    )
    fitted = fit_law(
        np.vstack([law.tokens, more]),
        np.vstack([law.targets, np.clip(told, law.world.scale.low, None)]),
        sources=law.world.sources,
        capabilities=law.world.capabilities,
        scores=law.world.is_score,
        lowest=law.world.scale.low if law.world.is_score else 0.0,
        start=None if law.data.start is None else law.world.start,
        weight=weight,
        choice=law.choice,
        members=members,
        folds=0,
        seed=seed,
        name=law.world.name,
    )
    return fitted.world


def on_law_scale(
    guide: Callable[[Array], Array] | None, unit: float, losses: bool
) -> Predictor | None:
    """The guide as a predictor of x."""
    if guide is None:
        return None
    return lambda x: to_law_scale(guide(x * unit), losses)
