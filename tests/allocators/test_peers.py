"""What every peer does in every kind of world, through the one loop."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.configured import Configured
from readsim.allocators.registry import BUILT_IN, Family, family_of, load_allocator
from readsim.envs.env import DistillEnv
from readsim.errors import CapabilityMissingError
from readsim.runs.loop import rollout
from readsim.runs.setups import setup_for
from readsim.worlds import World, load_world
from tests.support.helpers import FakeBackend, allocations, with_extras
from tests.support.interrupted import check_interrupted
from tests.support.made_setups import setup

OURS = {
    name for name in BUILT_IN if family_of(name) in (Family.BASELINE, Family.READ, Family.SCHEDULE)
}
PEERS = [
    name for name in BUILT_IN if name not in OURS and name not in ("oracle-static", "oracle-greedy")
]


def negated() -> World:
    """Losses in nats, three sources, one of which is no capability's own."""
    world = load_world("random:seed=1,capabilities=3")
    return world.replace(
        sources=("skill_0", "skill_1", "other"),
        link="exponential",
        start=np.array([-3.0, -2.5, -2.0]),
        floor=np.full(3, -np.inf),
        ceiling=np.array([-1.0, -1.5, -1.9]),
        items=np.full(3, 200.0),
    )


WORLDS: dict[str, Any] = {
    "preset": lambda: load_world("read8-llama"),
    "hidden": lambda: load_world("hidden-safety"),
    "more capabilities": lambda: load_world("random:sources=3,capabilities=5"),
    "more sources": lambda: load_world("random:sources=6,capabilities=2"),
    "losses": negated,
    "one of each": lambda: load_world("random:capabilities=1"),
}


def test_every_family_is_here() -> None:
    assert len(PEERS) == 32


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name", with_extras(PEERS))
def test_a_run_in_every_kind_of_world(name: str, world: str) -> None:
    loaded: World = WORLDS[world]()
    for steps in (1, 9):
        env = DistillEnv(loaded, loaded.task_names[0], 2_000_000, steps=steps)
        rows, _ = rollout([env], load_allocator(name), [2])
        chosen = allocations(rows)
        assert len(chosen) == steps
        assert np.isfinite(chosen).all()
        assert np.allclose(chosen.sum(axis=1), 1.0)
        assert rows[-1]["totals"]["student"] == 2_000_000
        assert np.isfinite(rows[-1]["utility"])


@pytest.mark.parametrize("name", with_extras(PEERS))
def test_an_interrupted_run_ends_with_the_same_rows(name: str, tmp_path: Path) -> None:
    check_interrupted(
        tmp_path,
        lambda: DistillEnv("random:seed=5,capabilities=3", budget=3_000_000, steps=9),
        lambda: load_allocator(name),
        seed=4,
        stops=(1, 5),
    )


@pytest.mark.parametrize("name", with_extras(PEERS))
def test_settings_have_a_value_and_a_provenance(name: str) -> None:
    allocator = load_allocator(name)
    assert isinstance(allocator, Configured)
    for _, _, provenance in allocator.settings():
        first = provenance.split(":")[0].split(",")[0].split(";")[0]
        assert first in ("paper", "code", "inferred", "ours", "set by this variant or the user")


def test_a_changed_setting_is_marked() -> None:
    rows = load_allocator("doremi", {"eta": 0.5}).settings()
    assert rows == [
        ("eta", "0.5", "set by this variant or the user"),
        ("c", "0.0001", "code: reweight_eps"),
    ]


@pytest.mark.parametrize(
    ("name", "need"),
    [("doremi", "teacher"), ("ddk", "teacher"), ("doge", "alignment"), ("boltzmann", "alignment")],
)
def test_what_a_backend_lacks_is_said(name: str, need: str) -> None:
    env = DistillEnv(backend=FakeBackend(), task={"a": 1.0}, budget=100, steps=4)
    env.reset(seed=0)
    with pytest.raises(CapabilityMissingError, match=f"needs '{need}'"):
        setup_for(env, load_allocator(name), 0)


@pytest.mark.parametrize("name", ["doge", "skill-it", "regmix", "log-linear", "autoscale"])
def test_a_setup_without_what_is_needed_is_refused(name: str) -> None:
    with pytest.raises(CapabilityMissingError, match="needs a backend"):
        load_allocator(name).init(setup())
