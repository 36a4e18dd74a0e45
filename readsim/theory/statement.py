"""A theorist's own assumption beside the paper's: a formula, conditions, an adversary and two controls.

    from readsim.theory import Statement, Subject, check_statement

    Statement(
        name="Submodular utility",
        formula="U(b + c + d) - U(b + c) - U(b + d) + U(b) <= 0",
        parts=3,
        violation=lambda s, b, c, d: (
            s.utility(b + c + d) - s.utility(b + c) - s.utility(b + d) + s.utility(b)
        ),
        true=..., false=...,
    )

docs/guides/theory.md has five that can be pasted.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.theory.adversary import find_worst, hard_points, point_text
from readsim.theory.result import Effect, Result, Verdict
from readsim.token_counts import AnyBudget, parse_tokens
from readsim.worlds.catalogue import AnyWorld, load_world
from readsim.worlds.task import AnyTask, Task
from readsim.worlds.world import World


class Subject(NamedTuple):
    """A world, a task in it, and a budget: what a statement is about. Tokens are (S,), scores (K,)."""

    world: World
    task: Task
    budget: float

    @classmethod
    def of(
        cls, world: AnyWorld, task: AnyTask | None = None, budget: AnyBudget = "20M"
    ) -> "Subject":
        """By name, as `DistillEnv` takes them; the world's first task, and at most its horizon."""
        loaded = load_world(world)
        tokens = float(parse_tokens(budget) if isinstance(budget, str) else budget)
        chosen = loaded.task(loaded.task_names[0] if task is None else task)
        return cls(loaded, chosen, min(tokens, loaded.horizon))

    def profile(self, *schedule: Array) -> Array:
        """The noise-free profile after intervals of tokens."""
        return self.world.profile_after(schedule, self.budget)

    def utility(self, *schedule: Array) -> float:
        """The noise-free utility after intervals of tokens."""
        return float(self.task.utility(self.profile(*schedule)))


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement "for all": it holds where `violation` is at most `tolerance` everywhere.

    name        what tables show
    formula     the statement in words or signs
    parts       how many token vectors the formula is about; 0: of the world alone
    violation   (subject, *vectors of tokens (S,)) -> how far it is broken there, 0 or below where it is not.
                The adversary gives vectors >= 0 that sum to at most the budget, corners and edges among
                them, and climbs from the worst
    unit        of the violation
    tolerance   up to which a violation is rounding
    conditions  subject -> why it cannot be asked there; "" where it can
    advice      what follows where it fails
    true, false make the controls: a subject in which it holds by construction, one in which it is false

    Raises ConfigError for fields that make no statement.
    """

    name: str
    formula: str
    violation: Callable[..., float]
    true: Callable[[], Subject]
    false: Callable[[], Subject]
    parts: int = 1
    unit: str = "score units"
    tolerance: float = 1e-9
    conditions: Callable[[Subject], str] = lambda subject: ""
    advice: str = ""

    def __post_init__(self) -> None:
        if not self.name or self.parts < 0 or not self.tolerance >= 0:
            raise ConfigError(
                f"statement {self.name!r}: needs a name, parts >= 0 ({self.parts}) and tolerance >= 0"
            )


def check_statement(
    statement: Statement, subject: Subject, *, draws: int = 24, seed: int = 0
) -> Result:
    """The largest violation found, and where, in shares of the budget.

    Raises CapabilityMissingError where the statement's conditions are not met.
    """
    if why := statement.conditions(subject):
        raise CapabilityMissingError(f"{statement.name} needs {why}")
    size = statement.parts * len(subject.world.sources)

    def broken(points: Array) -> Array:
        vectors = points[:, :size].reshape(len(points), statement.parts, -1) * subject.budget
        return np.array([float(statement.violation(subject, *v)) for v in vectors])

    if statement.parts:
        starts = hard_points(size + 1, draws, seed)  # the last entry stays unspent
        spent = np.pad(hard_points(size, draws, seed), ((0, 0), (0, 1)))
        at, worst = find_worst(broken, np.concatenate([starts, spent]), seed=seed)
        vectors = at[:size].reshape(statement.parts, -1)
        where = " ".join(point_text(v) for v in vectors) + " of the budget"
    else:
        worst, where = float(statement.violation(subject)), subject.world.name
    return Result(
        statement=statement.name,
        subject=subject.world.name,
        task=subject.task.name,
        measure=f"largest violation of {statement.formula}, {statement.unit}",
        statistic=worst,
        bound=statement.tolerance,
        sense="<=",
        effect=Effect(max(worst, 0.0), statement.unit, where),
        advice=statement.advice,
    )


def check_own_controls(statement: Statement) -> list[Result]:
    """The statement on its two controls. Raises ConfigError where one says the wrong thing: no bench then."""
    found = []
    for control, wanted in ((statement.true, Verdict.HOLDS), (statement.false, Verdict.FAILS)):
        result = check_statement(statement, control())
        if result.verdict is not wanted:
            raise ConfigError(
                f"{statement.name}: its control {result.subject!r} {result.verdict}, and must be one where "
                f"it {wanted} ({result.statistic:.3g} against {result.bound:.3g})"
            )
        found.append(result)
    return found


def load_statement(target: str) -> Statement:
    """The statement at `module:NAME`. Raises ConfigError where there is none."""
    module, _, name = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"statement {target!r}: expected module:NAME ({error})") from error
    if not isinstance(found, Statement):
        raise ConfigError(f"statement {target!r}: a {type(found).__name__}, not a Statement")
    return found
