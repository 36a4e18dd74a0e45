"""A world as data that `program.js` predicts with: its equations, its noise, and numbers to check it by."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.report.world.trace import Constants, json_numbers, program
from readsim.worlds.paced import Paced
from readsim.worlds.task import Task
from readsim.worlds.world import STEPS, World

TOLERANCE = (
    1e-9  # of a score, or of its size where that passes 1: how far the page may be from readsim
)
CHECKS = 6
RUNS = 60  # drawn runs that the spread between runs is measured on
Z95 = 1.959964


def exported(
    world: World,
    tasks: Sequence[Task],
    budgets: tuple[float, float],
    error: Array | None = None,
) -> dict[str, Any]:
    """What `forecaster` in `program.js` reads; plain lists, numbers and text.

    `budgets` are the least and largest of the page, `error` (K,) the standard deviation of a prediction where
    something better is known than the noise of the test items. Raises UntracedError for equations that no
    program can say.
    """
    s, k = world.shape
    model, steps = world.model, 1 if world.cumulative else STEPS
    equations = model.equations if isinstance(model, Paced) else model
    pace = world.learning_rate.of_steps(steps)
    constants = Constants()
    state = equations.initial(world.rate())
    parts = {f"state{n}": part.shape[0] for n, part in enumerate(state)}
    process = {"process": equations.process_width} if equations.process_width else {}

    def advance(*given: Any) -> Any:
        inner, (tokens, *noise, counts) = given[: len(parts)], given[len(parts) :]
        drawn = noise[0] if noise else None
        if world.learning_rate.is_constant:
            return model.advance(inner, tokens, drawn)
        return equations.advance(inner, tokens, drawn, counts)  # type: ignore[call-arg]

    made: dict[str, Any] = {
        "initial": program(equations.initial, {"rate": s}, constants),
        "advance": program(advance, {**parts, "tokens": s, **process, "pace": 1}, constants),
        "profile": program(lambda *given: equations.profile(given), parts, constants),
        "deviation": program(world.probe("test").deviation, {"profile": k}, constants),
        "utilities": [program(task.utility, {"profile": k}, constants) for task in tasks],
    }
    return {
        **made,
        "constants": constants.arrays,
        "rate": json_numbers(world.rate()),
        "pace": json_numbers(pace),
        "steps": steps,
        "efficiency_sd": json_numbers(world.efficiency_sd),
        "process_width": equations.process_width,
        "runs": RUNS,
        "quantile": Z95,
        "least_sd": None if error is None else json_numbers(error),
        "checks": [_check(world, tasks, *point) for point in _points(s, budgets)],
        "tolerance": TOLERANCE,
    }


def _points(s: int, budgets: tuple[float, float]) -> list[tuple[Array, float]]:
    """Equal shares, single sources and drawn mixtures at budgets between the ends."""
    rng = np.random.default_rng(0)
    shares = [np.full(s, 1.0 / s), *np.eye(s)[[0, -1]]]
    shares += [rng.dirichlet(np.ones(s)) for _ in range(CHECKS - len(shares))]
    return list(zip(shares, np.geomspace(*budgets, CHECKS).tolist(), strict=True))


def _check(world: World, tasks: Sequence[Task], shares: Array, budget: float) -> dict[str, Any]:
    profile = world.static_profile(shares, budget)
    return {
        "shares": json_numbers(shares),
        "budget": budget,
        "scores": json_numbers(profile),
        "utilities": json_numbers(np.array([task.utility(profile) for task in tasks])),
    }
