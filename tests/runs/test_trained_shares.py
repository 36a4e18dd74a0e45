"""What trained of each source in a run's log: written and read back, in tables and reports, and refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.backend import Measurement
from readsim.envs.env import DistillEnv
from readsim.errors import RunLogError
from readsim.plots.style import sober
from readsim.plots.trained_shares import draw_trained_shares
from readsim.report.trained import trained_section
from readsim.runs.log_file import RunLog
from readsim.runs.loop import rollout
from readsim.runs.read_logs import Log, read_log
from readsim.runs.rows import RunHeader, StepRow, read_row
from readsim.runs.trained_shares import TrainedShare
from readsim.simulator import SimBackend
from readsim.summary.steps import steps_of
from readsim.worlds import load_world

WORLD = "random:seed=3,capabilities=2"


class Counting(SimBackend):
    """Its first source has replies of ten tokens, the second of one."""

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        self._fed = round(float(weights[0]) * tokens)
        self._others = tokens - self._fed
        return super().run_interval(step, weights, tokens)

    def trained_shares(self) -> tuple[TrainedShare, ...]:
        a, b = self.sources
        first = TrainedShare(a, -(-self._fed // 10), self._fed, np.float64(2.0), 3.0)
        return first, TrainedShare(b, self._others, self._others, 0.5)


def run(path: Path, backend: type[SimBackend]) -> Log:
    world = load_world(WORLD)
    env = DistillEnv(backend=backend(world), task="skill_1", budget=1000, steps=4)
    names = {"capabilities": world.capabilities, "sources": world.sources}
    about = {"task": "skill_1", "budget": 1000, "steps": 4, "allocator": "random", "world": WORLD}
    with RunLog.create(path, config={**names, **about}, seeds=[3]) as log:
        rollout([env], load_allocator("random"), [3], log=log)
    return read_log(path)


def test_a_log_says_what_trained_and_without_it_is_the_same(tmp_path: Path) -> None:
    counted, plain = run(tmp_path / "a.jsonl", Counting), run(tmp_path / "b.jsonl", SimBackend)
    assert all(row.trained is None for row in plain.steps)
    for row, other in zip(counted.steps, plain.steps, strict=True):
        assert row.trained is not None
        assert [share.source for share in row.trained] == list(counted.header.sources)
        assert sum(share.tokens for share in row.trained) == row.tokens == other.tokens
        assert row.trained[0][3:] == (2.0, 3.0, None)
        np.testing.assert_array_equal(row.profile, other.profile)
    assert trained_section([plain]) is None
    section = trained_section([plain, counted])
    assert section is not None


def test_tables_of_decisions_have_a_column_a_source_and_count(tmp_path: Path) -> None:
    counted, plain = run(tmp_path / "a.jsonl", Counting), run(tmp_path / "b.jsonl", SimBackend)
    assert not any(str(name).startswith(("tokens:", "loss:")) for name in steps_of([plain]))
    frame, first = steps_of([counted]), counted.header.sources[0]
    both = frame.filter(like="tokens:").sum(axis=1)
    assert both.tolist() == frame["tokens"].tolist()
    assert frame[f"prompts:{first}"].tolist() == [-(-n // 10) for n in frame[f"tokens:{first}"]]
    assert frame[f"loss:{first}"].tolist() == [2.0] * 4
    assert frame[f"kl:{first}"].isna().all()


class Miscounting(Counting):
    def trained_shares(self) -> tuple[TrainedShare, ...]:
        first, second = super().trained_shares()
        return first._replace(tokens=first.tokens + 1), second


def test_a_miscount_ends_the_run_before_its_log_is_spoilt(tmp_path: Path) -> None:
    with pytest.raises(
        RunLogError, match=r"trained_shares\(\): trained are 251 tokens, expected 250"
    ):
        run(tmp_path / "a.jsonl", Miscounting)
    assert not read_log(tmp_path / "a.jsonl").steps


GOOD: list[dict[str, Any]] = [
    {"source": "x", "prompts": 1, "tokens": 4, "loss": 0.5, "gradient": None, "kl": None},
    {"source": "y", "prompts": 2, "tokens": 6},
]


def step_row(trained: Any) -> Any:
    row = {"kind": "step", "seed": 0, "step": 1, "tokens": 10, "spent": 10, "reward": 0.0}
    row |= {"allocation": [0.5, 0.5], "profile": [0.5], "trained": trained}
    header = RunHeader(sources=("x", "y"), capabilities=("a",))
    return read_row(row, header, "a.jsonl")


def test_what_was_not_measured_is_none() -> None:
    row = step_row(GOOD)
    assert isinstance(row, StepRow)
    assert row.trained == (TrainedShare("x", 1, 4, 0.5), TrainedShare("y", 2, 6))


@pytest.mark.parametrize(
    ("trained", "said"),
    [
        ({}, "one object for each of x, y"),
        ([], "one object for each of x, y"),
        (GOOD[:1], "one object for each of x, y"),
        (GOOD[::-1], "one object for each of x, y"),
        ([GOOD[0], 3], "one object for each of x, y"),
        ([GOOD[0], GOOD[1] | {"tokens": 7}], "trained are 11 tokens, expected 10"),
        ([GOOD[0], GOOD[1] | {"prompts": -1}], "prompts is -1"),
        ([GOOD[0], GOOD[1] | {"prompts": 1.5}], "prompts is 1.5"),
        ([GOOD[0] | {"loss": "much"}, GOOD[1]], "loss is much"),
        ([GOOD[0] | {"gradient": -1.0}, GOOD[1]], "gradient is -1"),
        ([GOOD[0] | {"gradiant": 1.0}, GOOD[1]], "unknown field 'gradiant'.*gradient"),
    ],
)
def test_a_damaged_account_is_refused_by_name(trained: Any, said: str) -> None:
    with pytest.raises(RunLogError, match=said):
        step_row(trained)


@pytest.mark.parametrize("many", [1, 2, 3, 5])
def test_the_key_of_the_figure_lies_beside_its_panels(many: int) -> None:
    names = [f"source_{n}" for n in range(many)]
    share = np.full(many, 1.0 / many)
    steps = [
        StepRow(
            0,
            n,
            10,
            10 * n,
            share,
            share,
            trained=tuple(TrainedShare(name, 1, 10, 0.5, 1.0) for name in names),
        )
        for n in (1, 2, 3)
    ]
    with sober():
        figure = draw_trained_shares(names, steps, "Real training: made")
        figure.canvas.draw()
        key = figure.legends[0].get_window_extent()
        drawn = [box for panel in figure.axes if (box := panel.get_tightbbox()) is not None]
        assert len(drawn) == many
        assert not any(key.overlaps(box) for box in drawn)
        assert key.x1 <= figure.bbox.x1
