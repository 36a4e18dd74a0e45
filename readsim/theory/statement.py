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
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import CapabilityMissingError, ConfigError, ReadsimError
from readsim.theory.adversary import find_worst, hard_points, point_text
from readsim.theory.result import FALSE, TRUE, Effect, Result, Verdict, points
from readsim.token_counts import AnyBudget, parse_tokens
from readsim.worlds.catalogue import AnyWorld, load_world
from readsim.worlds.task import AnyTask, Task
from readsim.worlds.world import World

SCORE = "score units"


class Subject(NamedTuple):
    """A world, a task in it, and a budget: what a statement is about. Tokens are (S,), scores (K,)."""

    world: World
    task: Task
    budget: float

    @classmethod
    def of(
        cls, world: AnyWorld, task: AnyTask | None = None, budget: AnyBudget = "20M"
    ) -> "Subject":
        """By name, as `DistillEnv` takes them; the world's first task, and at most its horizon.

        Raises ConfigError for `toy`, which is no world.
        """
        if world == "toy":
            raise ConfigError(
                "toy: the toy network is a subject of `readsim theory --worlds toy` only; give a world here"
            )
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
                them, and climbs from the worst. A number, and no NaN
    unit        of the violation; "score units" are shown as points too
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
    unit: str = SCORE
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

    Raises CapabilityMissingError where the statement's conditions are not met, ConfigError where its
    functions raise or return what they must not.
    """
    if why := _conditions(statement, subject):
        raise CapabilityMissingError(f"{statement.name} needs {why}")
    size = statement.parts * len(subject.world.sources)

    def broken(points: Array) -> Array:
        vectors = points[:, :size].reshape(len(points), statement.parts, -1) * subject.budget
        return np.array([_violation(statement, subject, *v) for v in vectors])

    if statement.parts:
        starts = hard_points(size + 1, draws, seed)  # the last entry stays unspent
        spent = np.pad(hard_points(size, draws, seed), ((0, 0), (0, 1)))
        at, worst = find_worst(broken, np.concatenate([starts, spent]), seed=seed)
        vectors = at[:size].reshape(statement.parts, -1)
        where = " ".join(point_text(v, subject.world.sources) for v in vectors) + " of the budget"
    else:
        worst, where = _violation(statement, subject), subject.world.name
    return Result(
        statement=statement.name,
        subject=subject.world.name,
        task=subject.task.name,
        measure=f"largest violation of {statement.formula}, {statement.unit}",
        statistic=worst,
        bound=statement.tolerance,
        sense="<=",
        effect=points(worst, where)
        if statement.unit == SCORE
        else Effect(max(worst, 0.0), statement.unit, where),
        advice=statement.advice,
    )


def _called(what: str, where: str, call: Callable[[], Any]) -> Any:
    """What a user's function returns; what it raises becomes one sentence, and keeps its cause."""
    try:
        return call()
    except ReadsimError:
        raise
    except Exception as error:
        raise ConfigError(f"{what} raised {type(error).__name__} {where}: {error}") from error


def _violation(statement: Statement, subject: Subject, *vectors: Array) -> float:
    what, where = f"{statement.name}: its violation", f"in world {subject.world.name!r}"
    found = _called(what, where, lambda: statement.violation(subject, *vectors))
    number = _called(what, where, lambda: np.asarray(found))
    if number.shape or number.dtype.kind not in "fiu" or np.isnan(number):
        raise ConfigError(
            f"{what} returned {_shown(found)} {where}: expected one number, how far the formula is broken"
        )
    return float(number)


def _conditions(statement: Statement, subject: Subject) -> str:
    what, where = f"{statement.name}: its conditions", f"in world {subject.world.name!r}"
    found = _called(what, where, lambda: statement.conditions(subject))
    if not isinstance(found, str):
        raise ConfigError(
            f"{what} returned {_shown(found)} {where}: expected a text, why it cannot be asked there, or "
            '"" where it can'
        )
    return found


def _shown(found: object) -> str:
    """A value in few characters: an array by its shape."""
    shape = np.shape(found) if isinstance(found, np.ndarray | list | tuple) else ()
    return f"an array of shape {shape}" if shape else repr(found)[:40]


def check_own_controls(statement: Statement) -> list[Result]:
    """The statement on its two controls, labelled by their roles.

    Raises ConfigError where one says the wrong thing: no bench then.
    """
    found = []
    for role, make, wanted in (
        (TRUE, statement.true, Verdict.HOLDS),
        (FALSE, statement.false, Verdict.FAILS),
    ):
        subject = _called(f"{statement.name}: its {role}", "when it was made", make)
        if not isinstance(subject, Subject):
            raise ConfigError(
                f"{statement.name}: its {role}, is {_shown(subject)}: expected a Subject, see Subject.of"
            )
        result = replace(check_statement(statement, subject), subject=role)
        if result.verdict is not wanted:
            raise ConfigError(
                f"{statement.name}: its {role} {result.verdict} in world {subject.world.name!r}, and must be "
                f"one where it {wanted} ({result.statistic:.3g} against {result.bound:.3g})"
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
