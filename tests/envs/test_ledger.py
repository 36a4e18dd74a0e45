"""The ledger: atomic, append-only, never past the budget."""

import copy
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from readsim.envs.ledger import KINDS, Ledger
from readsim.errors import BudgetError, ConfigError, ReadsimError, UnknownNameError

TOKENS = st.integers(min_value=0, max_value=400)
CHARGES = st.dictionaries(st.sampled_from(KINDS), TOKENS)
NOT_TOKENS: list[Any] = [-1, True, False, 1.0, "5", None, np.float64(3), np.bool_(True), [1]]


class LedgerMachine(RuleBasedStateMachine):
    """The model is the list of the charges that must have been accepted."""

    @initialize(budget=st.integers(min_value=0, max_value=1000))
    def start(self, budget: int) -> None:
        self.budget = budget
        self.ledger = Ledger(budget)
        self.model: list[dict[str, int]] = []

    def sum(self, kind: str) -> int:
        return sum(entry.get(kind, 0) for entry in self.model)

    @rule(charges=CHARGES)
    def charge(self, charges: dict[str, int]) -> None:
        if self.sum("student") + charges.get("student", 0) > self.budget:
            with pytest.raises(BudgetError):
                self.ledger.charge(charges)
        else:
            self.ledger.charge(charges)
            self.model.append(dict(charges))

    @rule(charges=CHARGES, bad=st.sampled_from(NOT_TOKENS), kind=st.sampled_from(KINDS))
    def charge_one_bad_amount(self, charges: dict[str, int], bad: Any, kind: str) -> None:
        # The bad amount comes last, after kinds that would have been accepted.
        charges = {k: n for k, n in charges.items() if k != kind} | {kind: bad}
        with pytest.raises(BudgetError):
            self.ledger.charge(charges)

    @rule(charges=CHARGES)
    def charge_an_unknown_kind(self, charges: dict[str, int]) -> None:
        with pytest.raises(UnknownNameError):
            self.ledger.charge({**charges, "students": 1})

    @rule()
    def spend_the_rest(self) -> None:
        rest = self.budget - self.sum("student")
        self.ledger.charge({"student": rest})
        self.model.append({"student": rest})
        with pytest.raises(BudgetError, match=f"0 of {self.budget} are left"):
            self.ledger.charge({"student": 1})

    @rule()
    def save_and_load(self) -> None:
        self.ledger = Ledger.from_state(json.loads(json.dumps(self.ledger.state())))

    @rule()
    def try_to_alter_what_it_shows(self) -> None:
        for shown in (self.ledger.totals, self.ledger.state(), *self.ledger.entries):
            shown.clear()
        self.ledger.entries.clear()

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert self.ledger.entries == self.model
        assert self.ledger.totals == {kind: self.sum(kind) for kind in KINDS}
        assert self.ledger.spent == self.sum("student")
        assert self.ledger.remaining == self.budget - self.sum("student") >= 0
        assert self.ledger.budget == self.budget


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=50, stateful_step_count=25)


@given(st.sampled_from(["int8", "uint8", "int32", "int64", "uint64"]), st.integers(0, 127))
def test_numpy_integers_become_plain_ones(dtype: str, tokens: int) -> None:
    number = np.dtype(dtype).type(tokens)
    ledger = Ledger(np.int64(1000))
    for _ in range(3):  # 3 * 127 overflows an int8
        ledger.charge({"student": number, "probe": number})
    assert ledger.totals["probe"] == ledger.spent == 3 * tokens
    assert all(type(n) is int for entry in ledger.entries for n in entry.values())
    json.dumps(ledger.state())


def test_amounts_beyond_64_bits_are_exact() -> None:
    ledger = Ledger(2**70)
    ledger.charge({"student": 2**70 - 1, "teacher_generated": 2**80})
    assert ledger.remaining == 1
    assert ledger.totals["teacher_generated"] == 2**80


def test_a_refusal_says_how_much_is_left() -> None:
    ledger = Ledger(100)
    ledger.charge({"student": 60})
    with pytest.raises(BudgetError, match=r"charge of 41 'student' tokens .* 40 of 100 are left"):
        ledger.charge({"student": 41, "probe": 5})
    assert ledger.totals["probe"] == 0


def test_only_student_tokens_are_budgeted() -> None:
    ledger = Ledger(0)
    ledger.charge({kind: 10**9 for kind in KINDS if kind != "student"})
    assert ledger.remaining == 0
    with pytest.raises(BudgetError):
        ledger.charge({"student": 1})


def test_an_unknown_kind_gets_the_nearest_one() -> None:
    with pytest.raises(UnknownNameError, match=r"teacher_promt.*did you mean 'teacher_prompt'"):
        Ledger(1).charge({"teacher_promt": 1})


@pytest.mark.parametrize("charges", [5, None, [("student", 1)], "student"])
def test_charges_that_are_no_mapping(charges: Any) -> None:
    with pytest.raises(BudgetError, match="mapping"):
        Ledger(10).charge(charges)


@pytest.mark.parametrize("budget", [-1, 1.0, True, None, "5", float("nan")])
def test_bad_budgets(budget: Any) -> None:
    with pytest.raises(ConfigError, match="budget"):
        Ledger(budget)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"budget": 5},
        {"budget": 5, "entries": [], "spent": 0},
        {"budget": -5, "entries": []},
        {"budget": 5, "entries": [{"student": 6}]},
        {"budget": 5, "entries": [{"student": -1}]},
        {"budget": 5, "entries": [{"pupil": 1}]},
        {"budget": 5, "entries": ["student"]},
    ],
)
def test_a_state_is_checked(state: dict[str, Any]) -> None:
    with pytest.raises(ReadsimError):
        Ledger.from_state(state)


def test_a_copy_is_independent() -> None:
    ledger = Ledger(10)
    ledger.charge({"student": 4})
    other = copy.deepcopy(ledger)
    other.charge({"student": 6})
    assert (ledger.remaining, other.remaining) == (6, 0)
    assert "4 of 10" in repr(ledger)
