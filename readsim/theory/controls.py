"""Controls: for each statement a subject in which it holds by construction, and one in which it is false.

`readsim theory` shows them first. A bench that passes a false one, or fails a true one, is broken: then no
other line of its table means anything.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.theory import calibration, gains, marginals, mixture, readout, regret, transfer
from readsim.theory.lemmas import one_hot_bound, spillover, static_dominance
from readsim.theory.result import FALSE, TRUE, PaperStatement, Result
from readsim.theory.runs import MeasuredRun, check_gains
from readsim.theory.witness import Decision
from readsim.worlds import World, load_world

BUDGET = 1e7


def ideal_world() -> World:
    """The preset `ideal`, in which Assumption 4.4 holds for every task and budget."""
    return load_world("ideal").replace(name=TRUE)


def slow_world() -> World:
    """Behind a logistic link gains start slowly: corners look good to small moves and are not."""
    return ideal_world().replace(
        name=FALSE,
        dynamics="potential",
        link="logistic",
        gain=("exponential",) * 3,
        start=np.full(3, 0.005),
        scale_tokens=np.full(3, BUDGET),
        help=np.diag([0.03, 0.04, 0.03]),
    )


def stateful_world() -> World:
    """What comes first counts: b only grows once a is learnt, some tokens harm, and a helps b."""
    return ideal_world().replace(
        name=FALSE,
        dynamics="flow",
        link="saturating",
        gain=("exponential",) * 3,
        scale_tokens=np.full(3, BUDGET / 3),
        help=np.array([[0.5, 0.4, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.3]]),
        harm=np.array([[0.0, 0.0, 0.4], [0.0, 0.0, 0.0], [0.2, 0.0, 0.0]]),
        gates=({"capability": "b", "needs": "a", "threshold": 0.5, "width": 0.05, "low": 0.0},),
        rehearsal_share=np.full(3, 0.2),
    )


class _Formula:
    """A student by formulas: what one update does to three parameters, and what two scores read off them."""

    def __init__(
        self, update: Callable[[Array, float], Array], scores: Callable[[Array], Array]
    ) -> None:
        self._update, self._scores = update, scores

    def parameters(self) -> Array:
        return np.zeros(3)

    def directions(self) -> Array:
        return np.eye(3)

    def readouts(self, parameters: Array) -> Array:
        return self._scores(parameters)

    def readout_gradients(self) -> Array:
        return np.eye(2, 3)

    def expected_update(self, weights: Array, rate: float, updates: int = 1) -> Array:
        return self._update(weights, rate * updates)


def _decisions(wrong: bool) -> list[Decision]:
    """30 runs of five steps; in each of the false ones the played candidate is overrated once."""
    q = np.array([0.3, 0.1, 0.2])
    return [
        Decision(
            seed,
            step,
            q,
            np.full(3, 0.05),
            np.array([0.0, 0.1, 0.35]) if wrong and step == 2 else q,
            0,
            1.0,
        )
        for seed in range(30)
        for step in range(5)
    ]


def _runs(wrong: bool) -> list[MeasuredRun]:
    """40 runs of three measurements each, of concave parts that rise and add up; the false ones have a slow
    start, a source that harms, and two that help each other."""
    rng = np.random.default_rng(0)
    out = []
    for shares in rng.dirichlet(np.ones(3), 40):
        b = np.linspace(1 / 3, 1, 3)[:, None] * shares
        y = 0.3 * np.sqrt(b).sum(axis=1)
        if wrong:
            y = 0.6 * b[:, 0] ** 2 * (3 - 2 * b[:, 0]) + 0.6 * b[:, 0] * b[:, 1] - 0.3 * b[:, 2]
        y = y + 0.002 * rng.normal(size=3)
        out.append(MeasuredRun("control", BUDGET * b, y, [], np.ones(1)))
    return out


def check_controls(
    only: Collection[str] | None = None, *, worlds: bool = True, runs: bool = False
) -> Iterator[Result]:
    """Each statement, or those in `only`, on its true control, subject "control, true", and a false one.

    `worlds`, `runs`: those of the checks of worlds and backends, and of the tests of runs.
    """
    makers = [*(_controls() if worlds else []), *(_run_controls() if runs else [])]
    for statement, make in makers:
        if only is None or statement in only:
            found = make()
            yield from found if isinstance(found, list) else [found]


def _controls() -> Iterator[tuple[PaperStatement, Callable[[], Result | list[Result]]]]:
    smooth = _Formula(
        lambda a, h: h * a + 0.1 * h**2 * a[0] * a[1],
        lambda p: np.array([np.tanh(p[0]) + p[2] ** 2, np.expm1(p[1])]),
    )
    # clipped where one source has more than .95 of it; one score has a small kink
    rough = _Formula(
        lambda a, h: h * a * (0.5 if a.max() > 0.95 else 1.0),
        lambda p: np.array([p[0], p[1] + 1e-3 * abs(p[2])]),
    )
    ideal, slow, state = ideal_world(), slow_world(), stateful_world()
    said = PaperStatement
    for name, student in ((TRUE, smooth), (FALSE, rough)):
        yield said.LINEAR_UPDATES, partial(mixture.check, student, name)
        yield said.LOCAL_READOUT, partial(readout.check, student, name)
        yield said.LOCAL_TRANSFER, partial(_first, transfer.check, student, name)
    every = {"a": 0.4, "b": 0.3, "c": 0.3}
    for world, other in ((ideal, ideal), (state, slow)):
        yield said.CONCAVE_GAINS, partial(gains.check_world_gains, world, world.task(every), BUDGET)
        yield said.LOCAL_TRANSFER, partial(transfer.check_superposition, world, BUDGET)
        at, task = None if other is ideal else np.array([0.0, 0.5, 0.5]), other.task(every)
        yield said.MARGINAL_GAINS, partial(marginals.check, other, task, BUDGET, at)
        yield said.MARGINAL_GAINS, partial(marginals.check_moreover, other, task, BUDGET)
        alone = world.task({"b": 1.0})
        yield said.STATIC_DOMINANCE, partial(static_dominance.check, world, alone, BUDGET)
        yield said.ONE_HOT_BOUND, partial(one_hot_bound.check, world, BUDGET)
    # every source harms everything, and more the longer it is fed
    harmful = slow_world().replace(link="saturating", harm=np.full((3, 3), 0.1))
    for world in (ideal, harmful):
        task = world.task({"a": 0.5, "c": 0.5})
        yield said.SPILLOVER, partial(spillover.check, world, task, 9 * BUDGET)
    for name, wrong in ((TRUE, False), (FALSE, True)):
        yield said.CALIBRATED, partial(calibration.check, _decisions(wrong), name)
        yield said.STEP_REGRET, partial(_first, regret.check, _decisions(wrong), name)


def _run_controls() -> Iterator[tuple[PaperStatement, Callable[[], Result | list[Result]]]]:
    for name, wrong in ((TRUE, False), (FALSE, True)):
        yield PaperStatement.CONCAVE_GAINS, partial(check_gains, _runs(wrong), name)


def _first(check: Callable[..., list[Result]], *given: Any) -> Result:
    return check(*given)[0]
