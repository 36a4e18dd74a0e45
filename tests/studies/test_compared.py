"""What the studies of tables and curves compare: labels, points, places, rivals."""

from pathlib import Path

import numpy as np
import pytest

from readsim.errors import RunLogError
from readsim.runs.read_logs import read_logs
from readsim.worlds import load_world
from studies.common.compared import by_task, compared, labelled, margin, place, rivals, target_of
from studies.common.worlds import column_tasks, isolated, related, sated, straight
from tests.support.made_logs import final_row, write_comparison, write_log


def test_points_scores_and_worst_drops_by_hand(tmp_path: Path) -> None:
    for name, lift in (("uniform", 0.0), ("read", 0.1)):
        change = [0.2, -0.03, -0.01 - lift]
        rows = [
            final_row(seed, 0.5 + lift, [0.6 + lift, 0.2, 0.3], final_change=change)
            for seed in (0, 1)
        ]
        write_log(tmp_path, rows, allocator=name, task="math", budget=100, seeds=[0, 1])
    grid = compared(read_logs(tmp_path))
    assert grid.allocators == ["uniform", "read"]
    assert by_task(grid, "score").tolist() == [[[[60.0], [60.0]], [[70.0], [70.0]]]]
    np.testing.assert_allclose(grid.by_seed("worst_drop"), [[[3.0, 3.0], [11.0, 11.0]]])
    np.testing.assert_allclose(grid.by_seed("utility"), [[[50.0, 50.0], [60.0, 60.0]]])
    np.testing.assert_allclose(margin(grid.by_seed("utility")[0], grid.allocators), 10.0)


def test_one_rival_for_all_seeds() -> None:
    values = np.array([[1.0, 5.0, 0.0], [2.0, 2.0, 2.5], [3.0, 3.0, 3.0], [9.0, 9.0, 9.0]])
    names = ["one-hot", "uniform", "read", "oracle-static"]
    # uniform has the higher mean, though one-hot is better in one seed
    np.testing.assert_allclose(margin(values, names), [1.0, 1.0, 0.5])


def test_places_whatever_the_settings() -> None:
    names = ["one-hot, logit-kd", "one-hot, cot-kd", "read+guard=0.1, logit-kd", "read-no-history"]
    assert place(names, "read") == 2
    assert rivals(names) == [0, 1]
    with pytest.raises(RunLogError, match="one-hot"):
        place(names, "one-hot")
    with pytest.raises(RunLogError, match="uniform"):
        place(names, "uniform")
    with pytest.raises(RunLogError, match="oracle-static"):
        rivals(["read", "oracle-static"])


def test_methods_of_distillation_are_told_apart(tmp_path: Path) -> None:
    write_comparison(tmp_path, ["one-hot"], tasks=["math"], budgets=[100])
    log = read_logs(tmp_path)[0]
    logs = [log.with_header(manifest={"method": name}) for name in ("cot-kd", "logit-kd")]
    assert [one.header.allocator for one in labelled(logs)] == [
        "one-hot, cot-kd",
        "one-hot, logit-kd",
    ]
    assert labelled([log]) == [log]


def test_logs_of_two_methods_in_one_folder(tmp_path: Path) -> None:
    for n, method in enumerate(("cot-kd", "logit-kd")):
        folder = tmp_path / str(n)
        rows = [final_row(0, 0.5, [0.5, 0.5, 0.5])]
        about = {"allocator": "one-hot", "task": "math", "budget": 100, "seeds": [0]}
        path = write_log(folder, rows, **about, manifest={"method": method})
        (tmp_path / "runs").mkdir(exist_ok=True)
        path.rename(tmp_path / "runs" / f"{method}.jsonl")
    grid = compared(read_logs(tmp_path))
    assert grid.allocators == ["one-hot, cot-kd", "one-hot, logit-kd"]


def test_what_a_task_is_about(tmp_path: Path) -> None:
    rows = [final_row(0, 0.5, [0.5, 0.5, 0.5])]
    write_log(tmp_path, rows, allocator="read", task="exam", budget=100, seeds=[0])
    log = read_logs(tmp_path)[0]
    assert target_of(log) == "math"
    assert target_of(log.with_header(task="safety")) == "safety"


def test_no_logs_and_missing_runs(tmp_path: Path) -> None:
    with pytest.raises(RunLogError, match="no run logs"):
        compared([])
    write_comparison(tmp_path, ["uniform", "read"])
    (tmp_path / "runs" / "read.math.20000000.jsonl").unlink()
    with pytest.raises(RunLogError, match="read on math"):
        compared(read_logs(tmp_path))


def test_worlds_without_a_mechanism() -> None:
    llama = load_world("read8-llama")
    apart = isolated(llama, "apart")
    assert not apart.harm.any()
    assert np.count_nonzero(apart.help) == len(apart.sources)
    assert np.array_equal(related(llama, 0, "x").help, apart.help)
    assert related(llama, 4, "x").help[0, 3] == pytest.approx(4 * llama.help[0, 3])
    assert set(sated(llama, 2e5, "x").scale_tokens) == {2e5}
    tasks = column_tasks(llama, "columns")
    assert tasks.task("code").requirement.tolist() == [0, 0, 0, 0, 1, 0, 0, 0]


def test_straight_gains_bend_by_a_fifth() -> None:
    from readsim.worlds.gains import Exponential

    llama = load_world("read8-llama")
    world = straight(llama, 2e8, "straight")
    x = 2e8 / world.scale_tokens
    gain = np.diag(world.help) * Exponential().value(x)
    np.testing.assert_allclose(gain, 0.18 * (llama.ceiling - llama.start))
    slopes = Exponential().slope(x) / Exponential().slope(0.0 * x)
    np.testing.assert_allclose(slopes, 0.82, atol=0.01)
