"""The greedy oracle: the best next step, known exactly; it wins over estimates and loses to gates."""

import numpy as np
import pytest

from readsim.allocators.oracles import OracleGreedy
from readsim.allocators.registry import is_oracle, load_allocator
from readsim.envs.candidates import candidate_set
from readsim.envs.env import DistillEnv
from readsim.envs.episode import source_prior
from readsim.envs.reward import proxy_reward, spill_prices
from readsim.errors import CapabilityMissingError
from readsim.runs.loop import rollout
from readsim.testing.backend_checks import same
from readsim.toy import ToyBackend
from readsim.worlds import load_world
from tests.support.helpers import FakeBackend, allocations, decisions
from tests.support.made_setups import drive, setup


def test_every_choice_is_the_best_of_its_candidates_by_the_worlds_own_equations() -> None:
    """Each candidate is played in the bare world after what was played before."""
    world = load_world("forgetting").replace(efficiency_sd=[], process_sd=[])
    task = world.task("tutor")
    env = DistillEnv(world, task, 40_000_000, steps=6)
    played = allocations(rollout([env], load_allocator("oracle-greedy"), [0])[0])
    prices = spill_prices(task.requirement, env.episode.reward)
    prior = source_prior(task.requirement, world.capabilities, world.sources)
    previous, tokens = prior, 40_000_000 / 6
    for t, chosen in enumerate(played):
        rows = candidate_set(prior, previous)
        before = world.profile_after(list(played[:t] * tokens), 40e6) if t else world.start
        after = np.array(
            [world.profile_after([*(played[:t] * tokens), row * tokens], 40e6) for row in rows]
        )
        rewards = proxy_reward(after - before, task.requirement, prices, 0.0)
        assert rows[int(np.argmax(rewards))] == pytest.approx(chosen)
        previous = chosen


def test_it_knows_this_runs_luck_and_sees_no_noise() -> None:
    """Runs differ in how far tokens go; what probes show of it changes nothing."""
    world = load_world("read8-llama")
    assert world.efficiency_sd.any()
    quiet, noisy = (
        rollout(
            [DistillEnv(world.replace(items=np.full(8, items)), "math", 150_000_000) for _ in "ab"],
            load_allocator("oracle-greedy"),
            [1, 2],
        )[0]
        for items in (0.0, 16.0)
    )
    assert same(allocations(quiet), allocations(noisy))
    ends = [[row for row in decisions(quiet) if row["seed"] == seed] for seed in (1, 2)]
    assert not np.allclose(allocations(ends[0]), allocations(ends[1]))


@pytest.mark.parametrize(("name", "task"), [("conflict", "skill_1"), ("related-web", "arxiv")])
def test_the_rule_without_its_estimates_beats_the_static_split(name: str, task: str) -> None:
    found = {}
    for rule in ("oracle-greedy", "task-static"):
        rows, _ = rollout([DistillEnv(name, task, 150_000_000)], load_allocator(rule), [0])
        found[rule] = rows[-1]["utility"]
    assert found["oracle-greedy"] > found["task-static"] + 0.01


def test_looking_one_step_ahead_misses_a_gate() -> None:
    found = {}
    for rule in ("oracle-greedy", "oracle-planning"):
        rows, _ = rollout([DistillEnv("gateway", "math", 20_000_000)], load_allocator(rule), [0])
        found[rule] = rows[-1]["utility"]
    assert found["oracle-greedy"] < found["oracle-planning"] - 0.01


def test_it_is_an_oracle_of_every_backend_that_knows_its_next_step() -> None:
    assert is_oracle("oracle-greedy")
    toy = ToyBackend()
    env = DistillEnv(backend=toy, task={toy.capabilities[0]: 1.0}, budget=2_000, steps=3)
    assert len(allocations(rollout([env], load_allocator("oracle-greedy"), [0])[0])) == 3
    other = DistillEnv(backend=FakeBackend(), task={"a": 1.0}, budget=100, steps=4)
    with pytest.raises(CapabilityMissingError, match="OracleGreedy needs 'outlook'"):
        rollout([other], load_allocator("oracle-greedy"), [0])
    with pytest.raises(CapabilityMissingError, match="knows its next step"):
        drive(OracleGreedy(), setup(), [(0.3,) * 3])
