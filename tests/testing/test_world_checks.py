"""`check_world` and `check_backend`: presets, drawn worlds and backends pass; broken ones are caught."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.testing import (
    CheckError,
    check_world,
    gain_curves,
    profiles,
    requirements,
    run_logs,
    terms,
    worlds,
)
from readsim.testing.playing import Case, small_world
from readsim.theory import shape_tests
from readsim.worlds import World, preset_names
from readsim.worlds.gains import Gain
from readsim.worlds.paced import Paced
from readsim.worlds.terms.learning_rate import LearningRate

few = settings(max_examples=15)


@pytest.mark.parametrize("name", preset_names())
def test_presets_pass(name: str) -> None:
    assert {o.status for o in check_world(name, examples=3)} <= {"passed", "skipped"}


@settings(max_examples=5, suppress_health_check=[HealthCheck.nested_given])
@given(worlds())
def test_drawn_worlds_pass(world: World) -> None:
    check_world(world, examples=2)


@pytest.mark.slow
@settings(max_examples=5, suppress_health_check=[HealthCheck.nested_given])
@given(worlds(), st.data())
def test_drawn_worlds_with_terms_pass(world: World, data: st.DataObject) -> None:
    check_world(data.draw(terms(world)), examples=2)


class Broken:
    """A model with one thing wrong; everything else is the real one's."""

    def __init__(self, real: Any) -> None:
        self.real, self.process_width = real, real.process_width

    def initial(self, rate: Array) -> Any:
        return self.real.initial(rate)

    def advance(self, state: Any, tokens: Array, process: Array | None = None) -> Any:
        return self.real.advance(state, tokens, process)

    def profile(self, state: Any) -> Array:
        out: Array = self.real.profile(state)
        return out


class Shifted(Broken):
    def profile(self, state: Any) -> Array:
        shifted: Array = super().profile(state) + 0.001
        return shifted


class Drifting(Broken):
    """Time passes without tokens too."""

    def advance(self, state: Any, tokens: Array, process: Array | None = None) -> Any:
        return super().advance(state, tokens + 1000.0, process)


class Unbounded(Broken):
    def profile(self, state: Any) -> Array:
        x = state[0].sum(axis=-1, keepdims=True)
        out: Array = super().profile(state) + 2.0 * np.minimum(x, 1.0) ** 2
        return out


class Restless(Broken):
    rng = np.random.default_rng(0)

    def advance(self, state: Any, tokens: Array, process: Array | None = None) -> Any:
        return super().advance(state, tokens * self.rng.uniform(0.9, 1.1), process)


class LaterIsBetter(Broken):
    """Claims to be order-free, and is not."""

    def advance(self, state: Any, tokens: Array, process: Array | None = None) -> Any:
        more = 1.0 + 0.2 * (state[0].sum(axis=-1, keepdims=True) > 0)
        return super().advance(state, tokens * more, process)


class FirstIsSpecial(Broken):
    def advance(self, state: Any, tokens: Array, process: Array | None = None) -> Any:
        half = np.ones(tokens.shape[-1])
        half[0] = 0.5
        return super().advance(state, tokens * half, process)


class Bracing(Broken):
    """What is to cost scores raises them."""

    def profile(self, state: Any) -> Array:
        more = 0.0 if self.real.overtraining is None else 1e-3 * state[0].sum(-1, keepdims=True)
        out: Array = super().profile(state) + more
        return out


class Everywhere(Broken):
    """A format shifts what it is not said to shift."""

    def profile(self, state: Any) -> Array:
        formats = self.real.terms.formats
        moved = state[-1] * formats.shift.any() if formats is not None else 0.0
        out: Array = super().profile(state) - 0.01 * moved
        return out


def unhurried(real: Any) -> Any:
    """Every token counts in full, whatever the schedule says."""
    return Paced(real.equations, LearningRate()) if isinstance(real, Paced) else real


def with_model(model: Callable[[Any], Any], **changes: Any) -> World:
    @dataclass(frozen=True, kw_only=True, eq=False)
    class Odd(World):
        @property
        def model(self) -> Any:
            return model(World._model(self, self.link_function))

    base = small_world(Case(3, 3, 2)).replace(**changes)
    return Odd(**{name: getattr(base, name) for name in base.__dataclass_fields__})


FORMAT = {"name": "f", "sources": {"skill 0": 1.0}, "scores": {"skill 0": 0.1}, "tokens": 1e5}
BROKEN: list[tuple[Callable[[Any], Any], dict[str, Any], str, str]] = [
    (Shifted, {}, "starts at start", "`start`"),
    (Drifting, {}, "zero tokens", "with empty intervals"),
    (Unbounded, {}, "bounds", "above the ceiling"),
    (Restless, {}, "determinism", "two runs"),
    (LaterIsBetter, {}, "order free", "its reverse"),
    (FirstIsSpecial, {}, "permutation equivariance", "in another order"),
    (Bracing, {"overtraining_tokens": np.full(3, 1e9)}, "terms", "overtraining helps"),
    (Everywhere, {"dynamics": "flow", "formats": (FORMAT,)}, "formats", "lifts"),
    (unhurried, {"schedule": "cosine"}, "learning rate", "tokens times their rate"),
]


@pytest.mark.parametrize(("model", "changes", "name", "said"), BROKEN)
def test_broken_worlds_are_caught(
    model: Callable[[Any], Any], changes: dict[str, Any], name: str, said: str
) -> None:
    world = with_model(model, **changes)
    found = check_world(world, examples=6, on_fail=None)
    failed = {o.name: o.message for o in found if o.status == "failed"}
    assert name in failed
    assert said in failed[name]
    with pytest.raises(CheckError, match=name):
        check_world(world, examples=6)


def test_the_wrapper_itself_breaks_nothing() -> None:
    found = check_world(with_model(Broken), examples=3, expected_failures=None, on_fail=None)
    assert [o.name for o in found if o.status == "failed"] == []


# ----------------------------------------------------------------- strategies


@few
@given(gain_curves(), st.floats(0, 20), st.floats(0, 20))
def test_gain_curves_are_concave(curve: Gain, x: float, y: float) -> None:
    a, b, m = (float(curve.value(np.array([v]))[0]) for v in (x, y, (x + y) / 2))
    assert m >= (a + b) / 2 - 1e-12
    assert float(curve.value(np.zeros(1))[0]) == 0


@few
@given(worlds(), st.data())
def test_profiles_and_requirements_are_in_range(world: World, data: st.DataObject) -> None:
    profile = data.draw(profiles(world))
    assert (profile <= world.ceiling + 1e-12).all()
    assert (profile >= world.floor - 1e-12).all()
    assert data.draw(requirements(3)).sum() == pytest.approx(1.0)


@few
@given(run_logs())
def test_run_logs_are_what_theory_reads(log: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    config, rows = log
    assert [r["kind"] for r in rows] == ["start", "step", "step", "step", "final"]
    tokens = np.cumsum(
        [np.array(r["allocation"]) * r["tokens"] for r in rows if r["kind"] == "step"], axis=0
    )
    assert shape_tests.hinges(tokens).shape[0] == 3
    assert len(config["requirement"]) == len(rows[0]["profile"])
