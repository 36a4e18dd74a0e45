"""`check_allocator`: every built-in passes, and broken ones are caught by the property meant for them."""

import random
import re
from ast import literal_eval
from typing import Any

import numpy as np
import pytest

from readsim.allocators.base import Allocator, Context, Setup, Transition
from readsim.allocators.exponentiated.doremi import DoReMi
from readsim.allocators.registry import BUILT_IN, load_allocator
from readsim.allocators.static import TaskStatic
from readsim.arrays import Array
from readsim.errors import ConfigError, UnknownNameError
from readsim.testing import CheckError, check_allocator
from readsim.testing.allocator_checks import MONOTONE, PROPERTIES
from readsim.testing.playing import Case

DRAWS = "it draws its choice, its trials or its members' weights at random, by index"
UNEQUAL = dict.fromkeys(
    (
        *(
            "branch-merge",
            "exp3",
            "greedy",
            "log-linear",
            "mpc",
            "random",
            "read",
            "regmix",
            "thompson",
        ),
        *(f"read-no-{part}" for part in ("identification", "adaptation", "interaction", "history")),
    ),
    DRAWS,
)
UNEQUAL |= dict.fromkeys(("aioli", "aioli-ema"), "its sweep tries the sources in their order")
# few cases are drawn, and in some of them the order makes no difference
MAY_PASS = {name for name in UNEQUAL if name.startswith(("greedy", "mpc", "read", "regmix"))}
COSTLY = ("regmix", "mpc", "autoscale")
MARKS = {name: [pytest.mark.slow] for name in COSTLY}
MARKS["regmix"] = [pytest.mark.slow, pytest.mark.extra("lightgbm")]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=MARKS[n]) if n in MARKS else n for n in BUILT_IN],
)
def test_every_built_in_passes(name: str) -> None:
    small = name.startswith(("read", "greedy")) and name != "greedy-last"
    settings: dict[str, Any] = {"pool": 12} if small else {}
    expected = {"permutation equivariance": UNEQUAL[name]} if name in UNEQUAL else {}
    found = check_allocator(
        lambda: load_allocator(name, settings),
        examples=1 if name in COSTLY else 2,
        expected_failures=expected,
    )
    assert [o.name for o in found] == [p.name for p in PROPERTIES]
    for outcome in found:
        assert outcome.status in ("passed", "skipped", "expected")
        assert "was expected" not in outcome.message or name in MAY_PASS
        if outcome.status == "skipped":
            assert outcome.name in ("hidden capabilities", "causality")


@pytest.mark.parametrize("name", ["doremi+guard=0.05", "uniform+floor=0.1"])
def test_names_with_settings(name: str) -> None:
    check_allocator(name, examples=3)


def test_promises() -> None:
    found = check_allocator(TaskStatic, promises=[MONOTONE], examples=3)
    assert found[-1].status == "passed"
    with pytest.raises(UnknownNameError, match="promise"):
        check_allocator(TaskStatic, promises=["monotone"])


class ThirdParty(Allocator):
    """A user's own: follows what grew, from the requirement."""

    def init(self, setup: Setup) -> Array:
        return setup.prior

    def select(self, state: Any, context: Context) -> Any:
        return state

    def update(self, state: Any, transition: Transition) -> Any:
        return state * np.exp(20 * transition.context.requirement * transition.change.clip(-1, 1))


def test_a_third_party_s_passes_where_it_can() -> None:
    """It multiplies by source what is measured by capability: S != K breaks it, and is found."""
    found = {o.name: o for o in check_allocator(ThirdParty, examples=3, on_fail=None)}
    broken = [name for name, o in found.items() if o.status == "failed"]
    assert broken == ["degenerate setups"]
    assert "fewer sources than capabilities" in found["degenerate setups"].message


# ----------------------------------------------------------------- broken on purpose


class OffSimplex(TaskStatic):
    def select(self, state: Any, context: Context) -> Any:
        return np.asarray(context.setup.prior) - 0.5


class GlobalDraws(Allocator):
    def select(self, state: Any, context: Context) -> Any:
        random.random()
        return context.setup.prior


class Leaky(Allocator):
    """Remembers on the instance: runs touch each other."""

    def __init__(self) -> None:
        self.seen = 0

    def select(self, state: Any, context: Context) -> Any:
        self.seen += 1
        return context.setup.prior + 0.01 * self.seen * np.arange(len(context.setup.prior)) ** 2


class Mutates(Allocator):
    """Writes into the profile that it is shown."""

    def select(self, state: Any, context: Context) -> Any:
        context.profile[:] = 0.0
        return context.setup.prior


class Forgets(Allocator):
    """Keeps a number beside the state: a resumed run has lost it."""

    def __init__(self) -> None:
        self.last: dict[int, float] = {}

    def select(self, state: Any, context: Context) -> Any:
        seed = context.setup.seed
        if context.step == 0:
            self.last[seed] = 0.0
        share = context.setup.prior * (1 + self.last.get(seed, 0.0) * context.profile)
        self.last[seed] = 1.0
        return np.asarray(share)


class Peeks(Allocator):
    """Was handed the hidden capability's numbers on the side."""

    def init(self, setup: Setup) -> Any:
        import inspect

        frame = inspect.currentframe()
        while frame is not None:
            env = frame.f_locals.get("envs")
            if env:
                return {"tilt": float(env[0].backend.world.start[-1])}
            frame = frame.f_back
        return {"tilt": 0.0}

    def select(self, state: Any, context: Context) -> Any:
        return context.setup.prior + state["tilt"] * context.requirement


class Foresees(Peeks):
    """Was handed what the world becomes after its drift."""

    def init(self, setup: Setup) -> Any:
        import inspect

        frame = inspect.currentframe()
        while frame is not None:
            env = frame.f_locals.get("envs")
            if env and env[0].backend.world.drift:
                return {"tilt": float(env[0].backend.world.drift["help"][0][0])}
            frame = frame.f_back
        return {"tilt": 0.0}


class FavoursFirst(Allocator):
    def select(self, state: Any, context: Context) -> Any:
        return context.setup.prior + np.eye(len(context.setup.prior))[0]


class AgainstRequirement(Allocator):
    def select(self, state: Any, context: Context) -> Any:
        return 1.0 - 0.9 * context.setup.prior


BROKEN: list[tuple[type[Allocator], str, str]] = [
    (OffSimplex, "simplex", "negative share"),
    (GlobalDraws, "global generators", "context.rng"),
    (Leaky, "seed isolation", "in lockstep change each other"),
    (Mutates, "inputs untouched", "select changed its context"),
    (Forgets, "resume equality", "reloads its state"),
    (Peeks, "hidden capabilities", "no probe shows"),
    (Foresees, "causality", "what happens later"),
    (FavoursFirst, "permutation equivariance", "in the order"),
    (AgainstRequirement, MONOTONE, "its share falls"),
]


@pytest.mark.parametrize(("broken", "name", "said"), BROKEN)
def test_broken_ones_are_caught_by_the_property_meant_for_them(
    broken: type[Allocator], name: str, said: str
) -> None:
    found = check_allocator(broken, examples=4, on_fail=None, promises=[MONOTONE])
    failed = {o.name: o.message for o in found if o.status == "failed"}
    also = {"Leaky": {"determinism", "resume equality", "permutation equivariance"}}
    also["OffSimplex"] = {
        "permutation equivariance",
        "degenerate setups",
        "long runs",
        MONOTONE,
    }
    also["Forgets"] = {"degenerate setups"}
    also["Foresees"] = {"degenerate setups"}
    also["Peeks"] = {"permutation equivariance", "degenerate setups"}
    assert set(failed) - also.get(broken.__name__, set()) == {name}
    assert said in failed[name]
    assert failed[name].startswith(f"{name}: ")
    assert "case=Case(0, 2, 2)" in failed[name]  # the smallest there is


def test_all_failures_are_in_the_error() -> None:
    with pytest.raises(CheckError, match=r"(?s)simplex: .*degenerate setups: "):
        check_allocator(OffSimplex, examples=1)


def test_expected_failures_are_said_and_so_are_needless_ones() -> None:
    why = {"permutation equivariance": "the first skill is special"}
    found = check_allocator(FavoursFirst, examples=2, expected_failures=why)
    status = {o.name: (o.status, o.message) for o in found}
    assert status["permutation equivariance"] == ("expected", "the first skill is special")
    needless = check_allocator(TaskStatic, examples=1, expected_failures=why)
    assert any("was expected to fail" in o.message for o in needless)
    with pytest.raises(UnknownNameError, match="did you mean 'simplex'"):
        check_allocator(TaskStatic, examples=1, expected_failures={"simplx": "no"})


def test_what_is_no_allocator_is_refused() -> None:
    for wrong in (3, dict):
        with pytest.raises(ConfigError, match="an Allocator"):
            check_allocator(wrong)  # type: ignore[arg-type]
    assert check_allocator(DoReMi(), examples=1)
    assert Case(0, 2, 2).size == 2


class FixedShape(Allocator):
    """A policy of three sources."""

    def select(self, state: Any, context: Context) -> Any:
        return np.array([0.2, 0.3, 0.5]) + context.profile * 0


def test_a_policy_of_one_shape_is_checked_on_that_shape() -> None:
    excuse = {"permutation equivariance": "it knows the skills by their places"}
    found = check_allocator(FixedShape, examples=3, size=3, expected_failures=excuse)
    assert {o.status for o in found} <= {"passed", "expected", "skipped"}
    with pytest.raises(AssertionError, match="broadcast"):
        check_allocator(FixedShape, examples=3, expected_failures=excuse)


def test_what_breaks_late_is_found() -> None:
    class Late(Allocator):
        def select(self, state: Any, context: Context) -> Any:
            return np.full(len(context.setup.sources), 1.0 / (context.step != 15))

    with np.errstate(divide="ignore"):
        found = check_allocator(Late, examples=2, on_fail=None)
    assert [o.name for o in found if o.status == "failed"] == ["long runs"]


def test_one_cause_is_one_failure_with_the_line_that_raised() -> None:
    class Typo(Allocator):
        def select(self, state: Any, context: Context) -> Any:
            return context.profle  # type: ignore[attr-defined]

    with pytest.raises(AssertionError) as caught:
        check_allocator(Typo, examples=2)
    text = str(caught.value)
    assert text.count("no attribute 'profle'") == 1
    assert f'File "{__file__}", line' in text
    assert "return context.profle" in text
    assert text.count("so does: ") >= 6


class DrawsPerSource(Allocator):
    """Another share for each source, drawn at random."""

    def select(self, state: Any, context: Context) -> Array:
        shares: Array = context.rng.random(len(context.setup.sources)) + 0.1
        return shares


def test_a_sampler_is_told_how_to_say_so() -> None:
    found = check_allocator(DrawsPerSource, examples=2, on_fail=None)
    [failed] = [outcome for outcome in found if outcome.status == "failed"]
    argument = re.search(r"expected_failures=(\{.*?\})", failed.message)
    assert argument is not None
    check_allocator(DrawsPerSource, examples=2, expected_failures=literal_eval(argument[1]))
