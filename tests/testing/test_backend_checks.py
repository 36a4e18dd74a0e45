"""`check_backend`: what it lets pass, what it finds, and what it says about it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.backend import Final, Measurement
from readsim.runs.trained_shares import TrainedShare
from readsim.simulator import SimBackend
from readsim.testing import check_backend
from readsim.testing.backend_checks import PROPERTIES, describe_difference, same
from readsim.toy import ToyBackend, ToyConfig
from readsim.worlds import load_world


@pytest.mark.parametrize(
    "make",
    [
        ToyBackend,
        lambda: ToyBackend(ToyConfig(optimiser="adam", sampled=False, learning_rate=0.01)),
        lambda: SimBackend(load_world("gateway")),
        lambda: SimBackend(load_world("hidden-safety")),
    ],
)
def test_built_in_backends_pass(make: Callable[[], Any]) -> None:
    assert {o.status for o in check_backend(make)} == {"passed", "skipped"}


# ----------------------------------------------------------------- what is broken, and what is said


class Broken(ToyBackend):
    """A toy pair in two capabilities."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(ToyConfig(names=("a", "b"), **settings))


class BareArray(Broken):
    def reset(self, seed: int | None) -> Any:
        return super().reset(seed).profile


class WrongShape(Broken):
    def dev_eval(self) -> Measurement:
        return Measurement(super().dev_eval().profile[:, None], {})


class NotANumber(Broken):
    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        found = super().run_interval(step, weights, tokens)
        return found._replace(profile=found.profile + np.array([0.0, np.nan]))


class NegativeError(Broken):
    def final_eval(self) -> Final:
        found = super().final_eval()
        return found._replace(change_sd=found.change_sd - 1)


class NoUsage(Broken):
    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        return super().run_interval(step, weights, tokens)._replace(token_usage={})


class Miscounts(Broken):
    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        used = {"student": tokens - tokens % 2}
        return super().run_interval(step, weights, tokens)._replace(token_usage=used)


class OwnKind(Broken):
    def dev_eval(self) -> Measurement:
        return super().dev_eval()._replace(token_usage={"items": 3})


class TrainsToMeasure(Broken):
    def dev_eval(self) -> Measurement:
        return super().dev_eval()._replace(token_usage={"student": 3})


class KeepsThePast(Broken):
    """A new run starts from the student of the last one."""

    def _begin(self) -> None:
        if not hasattr(self, "theta"):
            super()._begin()


class Unseeded(Broken):
    """Counts the students of this process and trains each in another way."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        Unseeded.made += 1
        self.number = Unseeded.made

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        self.theta = self.theta * (1 + 0.01 * self.number)
        return super().run_interval(step, weights, tokens)


class HalfSaved(Broken):
    def __init__(self) -> None:
        super().__init__(optimiser="momentum", learning_rate=0.02)

    def restore(self, saved: dict[str, Any]) -> None:
        momentum = self.optimiser
        super().restore(saved)
        self.optimiser = momentum


class SharedSnapshot(Broken):
    """Hands out its own weights, and trains them in place."""

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "theta": self.theta}

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        before = self.theta
        found = super().run_interval(step, weights, tokens)
        before[:] = self.theta
        self.theta = before
        return found


class HalfBack(Broken):
    """Says that its student is an earlier one again, and forgets the last layer's numbers."""

    def put_back(self, saved: dict[str, Any]) -> None:
        self.theta[:1] = saved["theta"][:1]


class NoSnapshot(Broken):
    def snapshot(self) -> dict[str, Any]:
        raise NotImplementedError


class LeakyPool(Broken):
    """Its own way to collect transitions trains the student that the run is about."""

    def transitions(self, setting: Any, size: int, seed: int, *, persistent: bool = False) -> Any:
        from readsim.envs.offline_pool import play_pool

        return play_pool(self, setting, size, seed)


class ForgetsTokens(Broken):
    def trained_shares(self) -> list[TrainedShare]:
        return [TrainedShare(name, 1, 20) for name in self.sources]


class OwnOrder(Broken):
    def trained_shares(self) -> list[TrainedShare]:
        return [TrainedShare(name, 1, 25) for name in reversed(self.sources)]


SAID: Mapping[type[Broken], tuple[str, str]] = {
    BareArray: (
        "shapes",
        "reset(3) returned a ndarray: expected Measurement(profile, token_usage)",
    ),
    WrongShape: (
        "shapes",
        "profile has the shape (2, 1): expected (2,), one number for each of a, b",
    ),
    NotANumber: ("shapes", "run_interval(0): profile of 'b' is nan"),
    NegativeError: ("shapes", "final_eval(): change_sd of 'a' is -"),
    NoUsage: ("token usage", "token_usage is {}: expected 50 'student' tokens"),
    Miscounts: ("token usage", "token_usage is {'student': 6}: expected 7 'student' tokens"),
    OwnKind: ("token usage", "dev_eval(): unknown kind of tokens 'items': known are student, "),
    TrainsToMeasure: ("token usage", "dev_eval(): token_usage is {'student': 3}: "),
    ForgetsTokens: ("trained shares", "trained are 40 tokens, expected 50, those of the step"),
    OwnOrder: ("trained shares", "one object for each of a, b"),
    KeepsThePast: ("fresh students", "same fresh student: reset(3).profile.a is 0."),
    Unseeded: ("determinism", "same seed and calls differ: run_interval(0).profile.a is 0."),
    HalfSaved: (
        "snapshots",
        "after restore the run continues differently: run_interval(0).profile.a",
    ),
    SharedSnapshot: ("snapshots", "the snapshot changed while the run went on: theta["),
    HalfBack: ("rollback", "bring the student of the snapshot back: final_eval(): profile.a is 0."),
    NoSnapshot: ("offline pool", "NoSnapshot has no snapshot, so trial runs and an offline pool"),
    LeakyPool: (
        "offline pool",
        "after an offline pool the run continues differently: run_interval(0)",
    ),
}


@pytest.mark.parametrize("make", SAID, ids=lambda make: make.__name__)
def test_a_broken_backend_is_caught_and_told_what_is_wrong(make: type[Broken]) -> None:
    name, said = SAID[make]
    failed = {o.name: o.message for o in check_backend(make, on_fail=None) if o.status == "failed"}
    assert said in failed[name]


def test_nothing_is_wrong_with_what_they_derive_from() -> None:
    assert len(check_backend(Broken)) == len(PROPERTIES)


# ----------------------------------------------------------------- where two trees differ


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ({"x": {"y": [1, 2]}}, {"x": {"y": [1, 3]}}, "x.y[1] is 2 and then 3"),
        ({"x": 1}, {"x": 1, "z": 2}, "z is there the second time only"),
        ({"x": np.zeros(2)}, {"x": np.zeros(3)}, "x has the shape (2,) and then (3,)"),
        ({"x": (1, 2)}, {"x": (1,)}, "x has 2 entries and then 1"),
        ({"x": "on"}, {"x": "off"}, "x is 'on' and then 'off'"),
        (
            {"x": np.array([[np.nan, 1.0], [2.0, np.nan]])},
            {"x": np.array([[np.nan, 1.0], [2.0, 3.0]])},
            "x[1, 1] is nan and then 3.0",
        ),
    ],
)
def test_the_first_difference_is_named_with_both_values(a: Any, b: Any, said: str) -> None:
    assert describe_difference(a, b) == said
    assert not same(a, b)
    assert same(a, a)
