"""Tokens spent, by kind. Only student-trained supervised tokens count against the budget."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from readsim.errors import BudgetError, ConfigError, unknown

BUDGETED = "student"

KINDS = (
    BUDGETED,  # supervised tokens the student is trained on, counted each time they are used
    "teacher_prompt",  # read to write replies
    "teacher_generated",  # rejected and duplicate generations included
    "teacher_scored",  # prompts and replies read for the teacher's distributions or hidden states of them
    "student_rollout",
    "probe",
    "judge",  # read and written by a model that grades replies
    "expansion",  # read and written by a model that makes new prompts
    "identifier",
    "search",  # trial runs that a search made and did not have to pay for
    "offline",  # an offline pool of transitions
)


class Ledger:
    """Append-only account of tokens (integers) by kind, with a hard cap on the kind "student".

    Shows `spent = sum of the "student" charges` and `remaining = budget - spent >= 0`. The paper
    (arXiv 2605.11290, section 2.1) budgets training tokens and says no more; the other kinds are
    counted beside the budget so that another currency can be computed from a log.

    Raises ConfigError if `budget` is not an integer >= 0.
    """

    __slots__ = ("_budget", "_entries", "_totals")

    def __init__(self, budget: int | np.integer[Any]) -> None:
        tokens = _integer(budget)
        if tokens is None or tokens < 0:
            raise ConfigError(f"budget is {budget!r}: it must be an integer number of tokens >= 0")
        self._budget = tokens
        self._entries: list[dict[str, int]] = []
        self._totals = dict.fromkeys(KINDS, 0)

    @property
    def budget(self) -> int:
        """Student tokens that may be spent in all."""
        return self._budget

    @property
    def entries(self) -> list[dict[str, int]]:
        """A copy of every accepted charge, oldest first: one dict of tokens by kind a charge."""
        return [dict(entry) for entry in self._entries]

    @property
    def totals(self) -> dict[str, int]:
        """A copy of the tokens charged so far, for every kind of `KINDS`."""
        return dict(self._totals)

    @property
    def spent(self) -> int:
        """Student tokens charged so far."""
        return self._totals[BUDGETED]

    @property
    def remaining(self) -> int:
        """Student tokens that can still be charged."""
        return self._budget - self._totals[BUDGETED]

    def charge(self, charges: Mapping[str, int | np.integer[Any]]) -> None:
        """Add tokens by kind as one entry: all of them, or none if any is refused.

        Raises UnknownNameError for a kind not in `KINDS`; BudgetError for an amount that is
        negative or not an integer, or that would take "student" past the budget.
        """
        if type(charges) is not dict and not isinstance(charges, Mapping):
            raise BudgetError(f"charges is {charges!r}: it must be a mapping of kind to tokens")
        totals = self._totals
        entry: dict[str, int] = {}
        for kind, amount in charges.items():
            if kind not in totals:
                raise unknown("token kind", kind, KINDS)
            # An exact int, the usual case, skips the slower check.
            tokens = amount if type(amount) is int else _integer(amount)
            if tokens is None or tokens < 0:
                raise BudgetError(f"charge of {amount!r} {kind!r} tokens: not an integer >= 0")
            entry[kind] = tokens
        left = self._budget - totals[BUDGETED]
        if entry.get(BUDGETED, 0) > left:
            raise BudgetError(
                f"charge of {entry[BUDGETED]} {BUDGETED!r} tokens is past the budget: "
                f"{left} of {self._budget} are left"
            )
        self._entries.append(entry)
        for kind, tokens in entry.items():
            totals[kind] += tokens

    def state(self) -> dict[str, Any]:
        """The ledger as plain JSON-able data: `{"budget": int, "entries": [{kind: int}]}`."""
        return {"budget": self._budget, "entries": self.entries}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The ledger that `state()` described; every entry is charged, so checked, again.

        Raises ConfigError if `state` has other keys, and what `charge` raises.
        """
        if set(state) != {"budget", "entries"}:
            found = sorted(map(str, state))
            raise ConfigError(f"ledger state has {found}: it must have 'budget' and 'entries'")
        ledger = cls(state["budget"])
        for entry in state["entries"]:
            ledger.charge(entry)
        return ledger

    def __repr__(self) -> str:
        beside = {kind: n for kind, n in self._totals.items() if n and kind != BUDGETED}
        return f"<Ledger {self.spent} of {self._budget} student tokens spent, beside: {beside}>"


def _integer(value: object) -> int | None:
    """`value` as a plain int if it is a Python or numpy integer and not a boolean, else None."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    return None
