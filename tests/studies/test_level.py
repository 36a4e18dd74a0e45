"""The study of level's intervals: what is promised and what is true are of one plan."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readsim.allocators.level.allocator import Level
from readsim.allocators.level.effects import CROSS, OWN, UNMATCHED
from readsim.envs.env import DistillEnv
from readsim.runs.loop import rollout
from readsim.streams import generator
from readsim.worlds import load_world
from readsim.worlds.prior import draw_world
from studies.level import command, moments
from studies.level.coverage import Promise, coverage_table, promises


class Bold(Level):
    """Always one plan, with an odd promise; what is true of it does not depend on that."""

    def outlook(self, state, context):  # type: ignore[no-untyped-def]
        return np.eye(len(context.setup.sources))[1], 0.5, 0.1


def test_the_truth_is_the_rest_of_the_run_with_each_plan() -> None:
    """From the first decision on: what rollouts of both plans end at."""
    world = load_world("random:seed=3,capabilities=3").replace(process_sd=np.zeros(3))
    task = world.task("skill_0")
    [first, third] = promises(world, "skill_0", 20_000_000, Bold(), 7, (0, 3), steps=6)
    ends = [
        rollout([DistillEnv(world, task, 20_000_000, steps=6)], name, [7])[0][-1]["final_profile"]
        for name in ("one-hot+source=skill_1", "task-static")
    ]
    assert first.truth == pytest.approx((ends[0] - ends[1]) @ task.requirement)
    assert third.truth != pytest.approx(first.truth)
    assert (first.mean, first.deviation, third.step) == (0.5, 0.1, 3)


def test_coverage_by_hand() -> None:
    found = [
        Promise(0, 0, 0.01, 0.01, 0.02),  # held
        Promise(0, 5, 0.01, 0.01, -0.02),  # below
        Promise(1, 5, 0.01, 0.01, 0.05),  # above
        Promise(1, 0, 0.0, 0.0, 0.0),  # plays the anchor: promises nothing
    ]
    table = coverage_table(found)
    whole = table[["plans", "covered", "below", "above"]].to_numpy()[-1]
    assert whole == pytest.approx([3, 1 / 3, 1 / 3, 1 / 3])
    assert table.loc["0", "covered"] == 1.0
    assert table.loc["5", "truth"] == pytest.approx(1.5)


def test_the_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "DECISIONS", (0, 2))
    command.main(worlds=2, runs=1, out=tmp_path / "level.csv")
    assert pd.read_csv(tmp_path / "level.csv")["step"].iloc[-1] == "all"


def test_the_prior_of_level_is_that_of_drawn_worlds() -> None:
    """Own and other effects of an eighth of the worlds are about as often of each class as is shipped."""
    shares = moments.class_shares(
        pd.concat(
            moments.world_effects(
                draw_world("broad", seed), moments.BUDGET, generator(seed, "data")
            )
            for seed in range(moments.FIRST, moments.FIRST + 40)
        )
    )
    for kind, shipped in (("own", OWN), ("cross", CROSS)):
        assert shares.loc[kind].to_numpy() == pytest.approx(shipped, abs=0.12)
    for shipped in (OWN, CROSS, UNMATCHED):
        assert shipped.sum() == pytest.approx(1.0)


def test_an_effect_is_found_where_it_is() -> None:
    """A world of the model's own form: the sizes that it was made with."""
    world = load_world("random:seed=3,capabilities=2").replace(
        dynamics="potential",
        link="saturating",
        gain="exponential",
        scale_tokens=np.full(2, moments.BUDGET / 4.0),
        help=np.array([[0.2, 0.0], [0.1, 0.3]]),
        harm=np.zeros((2, 2)),
    )
    found = moments.world_effects(world, moments.BUDGET, generator(0, "data"))
    z = world.help.T * (1.0 - np.exp(-4.0))  # capability by source
    expected = z / (world.ceiling - world.start)[:, None]
    assert found["size"].to_numpy() == pytest.approx(expected.ravel(), abs=0.01)
    assert found["kind"].tolist() == ["own", "cross", "cross", "own"]
