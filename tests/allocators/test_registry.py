"""Allocators by name, by path and by entry point; what cannot be built is said."""

from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from readsim.allocators.base import Allocator, Context, State
from readsim.allocators.registry import allocator_names, describe, load_allocator
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, UnknownNameError
from readsim.runs.loop import rollout
from tests.support.helpers import WORLD


class Favourite(Allocator):
    """Everything on the capability that is required most."""

    def select(self, state: State, context: Context) -> Any:
        return context.requirement == context.requirement.max()


class Silent(Allocator):
    """Defines nothing."""


class NotOne:
    """Not an allocator."""


def test_a_users_class_works_by_path() -> None:
    rows, _ = rollout(
        [DistillEnv(WORLD)], load_allocator("tests.allocators.test_registry:Favourite"), [0]
    )
    assert np.array_equal(rows[1]["allocation"], np.eye(4)[0])
    assert describe("tests.allocators.test_registry:Favourite").startswith("Everything")


@pytest.mark.parametrize(
    ("name", "settings", "error", "fragment"),
    [
        ("raed", {}, UnknownNameError, "did you mean 'read'"),
        ("nowhere.at.all:Thing", {}, UnknownNameError, "cannot import 'nowhere.at.all'"),
        (
            "tests.allocators.test_registry:Favorite",
            {},
            UnknownNameError,
            "did you mean 'Favourite'",
        ),
        ("tests.allocators.test_registry:NotOne", {}, ConfigError, "not a readsim.Allocator"),
        ("tests.allocators.test_registry:Silent", {}, ConfigError, "defines no select"),
        ("uniform", {"speed": 3}, ConfigError, "speed"),
        ("read", {"kapa": 3}, UnknownNameError, "did you mean 'kappa'"),
        ("read", {"kappa": -1.0}, ConfigError, "kappa = -1.0"),
        ("read", {"kappa_decay": 2.0}, ConfigError, "kappa_decay = 2.0"),
        ("read", {"pool": 1.5}, ConfigError, "pool = 1.5"),
        ("read", {"variant": "no-adaption"}, UnknownNameError, "did you mean 'no-adaptation'"),
        ("grid", {"top": 0}, ConfigError, "top = 0"),
        ("grid", {"trial_share": 1.0}, ConfigError, "trial_share = 1.0"),
    ],
)
def test_what_cannot_be_built_is_said(
    name: str, settings: dict[str, Any], error: type[Exception], fragment: str
) -> None:
    with pytest.raises(error, match=fragment):
        load_allocator(name, settings)


def test_a_one_hot_source_must_exist() -> None:
    with pytest.raises(UnknownNameError, match="unknown source 'skill_7'"):
        rollout([DistillEnv(WORLD)], load_allocator("one-hot", {"source": "skill_7"}), [0])


def test_entry_points_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint(
        "favourite", "tests.allocators.test_registry:Favourite", "readsim.allocators"
    )
    monkeypatch.setattr(
        "readsim.allocators.registry.entry_points",
        lambda group: [entry] if "readsim" in group else [],
    )
    assert "favourite" in allocator_names()
    assert isinstance(load_allocator("favourite"), Allocator)
