"""The suite: its plan, runs that fail or stop, scores by hand, and the command."""

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.stats import sem, t

from readsim.allocators.registry import BUILT_IN, Entry, Family
from readsim.arrays import Array
from readsim.cli.suite import report
from readsim.errors import ConfigError, RunLogError, UnknownNameError
from readsim.plots import draw_all
from readsim.stats import interquartile_mean, optimality_gap, probability_of_improvement
from readsim.suite import plan as plan_module
from readsim.suite import scores as scores_module
from readsim.suite.figure import draw_suite
from readsim.suite.plan import (
    BUDGET,
    KNOBS,
    LATER,
    Comparison,
    default_allocators,
    draw_family,
    make_plan,
)
from readsim.suite.run import run_suite
from readsim.suite.scores import Scores, read_scores, scores_of
from readsim.suite.table import (
    COLUMNS,
    improvement_table,
    suite_notes,
    suite_table,
    top_lines,
    unscored_worlds,
    world_columns,
    world_table,
)
from readsim.worlds import load_world, preset_names
from readsim.worlds.random import random_world_from_text
from tests.cli.test_app import call
from tests.support.made_allocators import Frugal, Interrupting

MADE = "tests.support.made_allocators:"
WORLDS = ("from-scratch", "random:seed=5,capabilities=4")


def small(*allocators: str, worlds: tuple[str, ...] = WORLDS) -> list[Comparison]:
    return make_plan(["random", *allocators], worlds=worlds, seeds=(0, 1), steps=2)


# -- the plan ----------------------------------------------------------------------------------


def test_the_family_covers_every_knob() -> None:
    worlds = draw_family(20, seed=3)
    assert worlds == draw_family(20, seed=3)
    assert worlds != draw_family(20, seed=4)
    made = [random_world_from_text(text) for text in worlds]
    assert len({world.name for world in made}) == 20
    assert {world.dynamics for world in made} == {"separable", "potential", "flow"}
    tables = [dict(part.split("=") for part in text[7:].split(",")) for text in worlds]
    for name, (low, high, is_log) in KNOBS.items():
        values = np.array([float(table[name]) for table in tables])
        share = (
            np.log(values / low) / np.log(high / low) if is_log else (values - low) / (high - low)
        )
        # one in each twentieth of the range, but for rounding to three digits
        np.testing.assert_allclose(np.sort(share), (np.arange(20) + 0.5) / 20, atol=0.04)
    assert draw_family(0) == []


def test_the_plan_is_every_allocator_on_every_world() -> None:
    plan = make_plan()
    names = default_allocators()
    first = [name for name in preset_names() if name not in LATER]
    assert [c.folder for c in plan[: len(first)]] == first
    assert [c.folder for c in plan[-len(LATER) :]] == list(LATER)
    assert len({c.folder for c in plan}) == len(plan) == len(preset_names()) + plan_module.DRAWN
    for comparison in plan:
        world = load_world(comparison.world)
        budgets = {cell.budget for cell in comparison.cells}
        assert len(comparison.cells) == len(names) * len(budgets)
        assert {cell.allocator_name for cell in comparison.cells} == set(names)
        assert len({cell.task_name for cell in comparison.cells}) == 1
        assert max(budgets) <= world.horizon
        if comparison.world.startswith("random:"):
            assert budgets == {BUDGET}
        else:
            assert max(budgets) == pytest.approx(7.5 * min(budgets), rel=1e-3)


def test_names_for_one_rule_are_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUILT_IN, "read-again", BUILT_IN["read"])
    assert "read-again" not in default_allocators()
    assert "read" in default_allocators()


def test_what_scores_need_is_added_and_unknown_names_are_refused() -> None:
    [comparison] = make_plan(["random"], worlds=["conflict"])
    assert {cell.allocator_name for cell in comparison.cells} == {
        *("random", "uniform", "task-static", "oracle-static")
    }
    with pytest.raises(UnknownNameError, match="did you mean 'read'"):
        make_plan(["reads"], worlds=["conflict"])


# -- the runs ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_an_allocator_raises_stops_only_that_allocator(tmp_path: Path) -> None:
    plan = small(f"{MADE}Broken", f"{MADE}OnlyThree")
    troubles = run_suite(plan, tmp_path)
    assert [(t.folder, t.cell.allocator_name[len(MADE) :], t.applicable) for t in troubles] == [
        ("from-scratch", "Broken", True),
        ("from-scratch", "Broken", True),
        ("random-5", "Broken", True),
        ("random-5", "OnlyThree", False),
    ]
    assert troubles[0].problem == ("ZeroDivisionError", "nothing left")
    for comparison in plan:
        folder = tmp_path / comparison.folder
        assert len(draw_all(folder)) == 9  # so it is a complete comparison
        assert (folder / "summary.csv").is_file()
    scores = read_scores(plan, tmp_path)
    table = suite_table(scores).set_index("allocator")
    assert f"{MADE}Broken" not in table.index
    assert table["cases"].to_dict() == {
        "random": 3,
        f"{MADE}OnlyThree": 2,
        **dict.fromkeys(("uniform", "task-static", "oracle-static"), 3),
    }
    assert not suite_notes(scores)[0].startswith("0 worlds")


def test_a_known_allocator_that_cannot_be_loaded_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "allocator_names", lambda: ("random", "gone"))
    monkeypatch.setitem(BUILT_IN, "gone", Entry("no.such.module:Gone", {}, Family.OTHER))
    [trouble] = run_suite(make_plan(worlds=WORLDS[1:], seeds=(0,), steps=2), tmp_path)
    assert trouble.cell.allocator_name == "gone"
    assert "cannot import 'no.such.module'" in trouble.problem.text
    with pytest.raises(UnknownNameError, match="cannot import"):
        make_plan(["gone"], worlds=WORLDS[1:])


def test_logs_of_an_allocator_that_failed_elsewhere_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small(f"{MADE}Frugal", worlds=("from-scratch",))
    [trouble] = run_suite(plan, tmp_path)
    assert trouble.cell.budget == 150_000_000
    [kept] = (tmp_path / "from-scratch" / "unfinished").iterdir()
    assert "Frugal" in kept.name
    before = kept.read_bytes()
    monkeypatch.setattr(Frugal, "fails", False)
    assert run_suite(plan, tmp_path) == []
    assert (tmp_path / "from-scratch" / "runs" / kept.name).read_bytes() == before
    assert not kept.exists()


def test_an_interrupted_suite_goes_on_with_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small(f"{MADE}Interrupting")
    with pytest.raises(KeyboardInterrupt):
        run_suite(plan, tmp_path / "cut")
    finished = {p: p.stat().st_mtime_ns for p in (tmp_path / "cut").rglob("*.jsonl")}
    assert finished
    with pytest.raises(RunLogError, match="not finished"):
        read_scores(plan, tmp_path / "cut")
    monkeypatch.setattr(Interrupting, "armed", False)
    for name in ("cut", "whole"):
        assert run_suite(plan, tmp_path / name) == []
    assert all(path.stat().st_mtime_ns == then for path, then in finished.items())
    for comparison in plan:
        tables = [
            (tmp_path / name / comparison.folder / "results.csv").read_bytes()
            for name in ("cut", "whole")
        ]
        assert tables[0] == tables[1]


def test_a_folder_of_other_runs_is_refused_before_anything_runs(tmp_path: Path) -> None:
    run_suite(small(worlds=WORLDS[1:]), tmp_path)
    plan = make_plan(["greedy-last"], worlds=WORLDS, seeds=(0, 1), steps=2)
    with pytest.raises(ConfigError, match="another comparison"):
        run_suite(plan, tmp_path)
    assert not (tmp_path / "from-scratch").exists()


# -- scores ------------------------------------------------------------------------------------


def made_scores(utility: dict[str, Array]) -> Scores:
    """Scores of utilities (R, C) by allocator; two cases a world."""
    rows = [
        {
            "allocator": name,
            "seed": r,
            "folder": f"w{c // 2}",
            "case": f"w{c // 2} t {c}",
            "utility": values[r, c],
            "negative": 0.01 * c,
            "budget": 100,
            "search_tokens": 50 * c,
            "offline_tokens": 100,
        }
        for name, values in utility.items()
        for r in range(values.shape[0])
        for c in range(values.shape[1])
        if not np.isnan(values[r, c])
    ]
    timings = pd.DataFrame({"allocator": list(utility), "seconds": 2.0, "decisions": 8})
    return scores_of(pd.DataFrame(rows), timings)


BY_HAND = {
    "uniform": np.array([[0.30, 0.50, 0.40, 0.20], [0.32, 0.50, 0.42, 0.20]]),
    "task-static": np.array([[0.40, 0.50, 0.41, 0.30], [0.42, 0.50, 0.43, 0.30]]),
    "oracle-static": np.array([[0.50, 0.501, 0.39, 0.40], [0.52, 0.501, 0.41, 0.40]]),
    "read": np.array([[0.45, 0.60, 0.43, 0.10], [0.57, 0.60, 0.45, 0.10]]),
    "picky": np.array([[0.50, np.nan, np.nan, np.nan], [0.52, np.nan, np.nan, np.nan]]),
}


def test_scores_by_hand() -> None:
    scores = made_scores(BY_HAND)
    # case 2: the oracle ends below uniform, so task-static is the best static mixture known
    np.testing.assert_allclose(scores.gap, [0.2, 0.001, 0.01, 0.2])
    np.testing.assert_array_equal(scores.scored, [True, False, True, True])
    by_name = dict(zip(scores.allocators, scores.score, strict=True))
    np.testing.assert_allclose(by_name["uniform"][:, scores.scored], 0.0)
    expected = np.array([[0.75, np.nan, 3.0, -0.5], [1.25, np.nan, 3.0, -0.5]])
    np.testing.assert_allclose(by_name["read"], expected)
    read = scores.allocators.index("read")
    np.testing.assert_allclose(scores.difference[read, :, 0], [5.0, 15.0])
    np.testing.assert_allclose(scores.negative[read], [0.0, 1.0, 2.0, 3.0])
    assert scores.seconds[read] == 0.25
    assert scores.extra[read] == pytest.approx(1.0 + (0 + 0.5 + 1.0 + 1.5) / 4)
    assert scores.worlds == ["w0", "w0", "w1", "w1"]


def test_the_table_by_hand() -> None:
    scores = made_scores(BY_HAND)
    table = suite_table(scores).set_index("allocator")
    assert table.index[0] == "read"
    assert table.loc["read", "iqm"] == pytest.approx((-0.5 + 0.75 + 1.25 + 3.0) / 4)
    assert table.loc["picky", "iqm"] == pytest.approx(1.0)  # on its one case
    read, reference = (
        scores.score[scores.allocators.index(name)][:, scores.scored]
        for name in ("read", "task-static")
    )
    row = table.loc["read"]
    assert row["iqm"] == pytest.approx(interquartile_mean(read))
    assert row["optimality_gap"] == pytest.approx(optimality_gap(read))
    assert row["over_task_static"] == pytest.approx(probability_of_improvement(read, reference))
    assert row["over_task_static"] == pytest.approx(2 / 3)
    assert np.isnan(row["over_read"])
    assert (row["worst"], row["worst_case"]) == (pytest.approx(-20.0), "w1 t 3")
    assert row["iqm_low"] <= row["iqm"] <= row["iqm_high"]
    assert (row["scored"], row["cases"]) == (3, 4)
    assert row["negative"] == pytest.approx(1.5)
    assert table.loc["picky", "over_read"] == pytest.approx(0.5)  # 1 over .75, under 1.25
    assert table["worst"].isna().to_dict()["task-static"]


def test_cases_without_a_score_are_named_and_why() -> None:
    scores = made_scores(BY_HAND)
    table = suite_table(scores)
    for lines in (top_lines(table, scores), suite_notes(scores)):
        [line] = [text for text in lines if text.startswith("Left out of the scores: ")]
        assert "w0 (t at 1)." in line  # its other case has a score
        assert "less than a quarter of a point apart" in line
    assert "both over all cases, left out or not" in " ".join(suite_notes(scores))
    cases = {str(row["allocator"]): COLUMNS[-1].text(row) for _, row in table.iterrows()}
    assert (cases["read"], cases["picky"]) == ("3 of 4", "1")

    flat = {name: values[:, [1, 1, 2, 3]] for name, values in BY_HAND.items() if name != "picky"}
    assert unscored_worlds(made_scores(flat)) == ["w0 (all 2 cases)"]
    nothing = {name: values[:, [1, 1, 1, 1]] for name, values in flat.items()}
    lines = top_lines(suite_table(made_scores(nothing)), made_scores(nothing))
    assert lines[0] == "No allocator has a score."
    assert "w0 (all 2 cases); w1 (all 2 cases)" in lines[1]

    whole = made_scores({name: values[:, [0, 3]] for name, values in BY_HAND.items()})
    assert unscored_worlds(whole) == []
    said = [*top_lines(suite_table(whole), whole), *suite_notes(whole)]
    assert not any("Left out" in text for text in said)
    assert any("averaged over all cases" in text for text in said)


def test_the_terminal_says_what_is_left_out_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small()
    run_suite(plan, tmp_path)
    monkeypatch.setattr(scores_module, "LEAST_GAP", 1.0)  # more than any world has
    for _ in range(2):  # the second time without the other notes
        console = Console(file=StringIO(), width=100)
        report(console, plan, tmp_path, [], explain=False)
        text = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
        assert (
            text.count("from-scratch (all 2 cases); random-5 (its only case). There uniform") == 2
        )
        assert "mean points minus task-static in each world, ± 95 % over seeds" in text
    written = pd.read_csv(tmp_path / "worlds.csv", index_col="allocator")
    assert (written.loc["task-static", ["from-scratch", "random-5"]] == 0.0).all()
    assert "| allocator | from-scratch | random-5 |" in (tmp_path / "summary.md").read_text()


def test_points_by_world_count_every_case() -> None:
    scores = made_scores(BY_HAND)
    by_world = world_table(scores).set_index("allocator")
    assert by_world.loc["read", ["w0", "w1"]].to_dict() == pytest.approx({"w0": 10.0, "w1": -9.0})
    assert (by_world.loc["task-static"] == 0.0).all()
    first = scores.difference[scores.allocators.index("read")][:, np.array(scores.worlds) == "w0"]
    by_seed = first.mean(axis=1)
    low, high = t.interval(0.95, len(first) - 1, by_seed.mean(), sem(by_seed))
    assert by_world.loc["read", "w0_half_width"] == pytest.approx((high - low) / 2)
    assert by_world.loc["picky"].isna().all()  # in no world on all cases
    assert [column.header for column in world_columns(scores)] == ["w0", "w1"]
    row = world_table(scores).iloc[scores.allocators.index("read")]
    texts = [column.text(row) for column in world_columns(scores)]
    assert texts == [f"+10.00 ± {row['w0_half_width']:.2f}", f"-9.00 ± {row['w1_half_width']:.2f}"]
    many = scores._replace(worlds=["a", "b", "c", "d"])
    assert len(world_columns(many)) == 4
    many = scores._replace(worlds=list("abcdefg"))
    assert world_columns(many) == []


def test_chances_of_pairs() -> None:
    scores = made_scores(BY_HAND)
    table = improvement_table(scores).set_index("allocator")
    assert list(table.columns) == list(table.index) == scores.allocators
    assert table.loc["read", "task-static"] == pytest.approx(2 / 3)
    both = table["picky"].to_dict()["read"], table["read"].to_dict()["picky"]
    assert sum(both) == pytest.approx(1.0)  # ties count half
    assert table["read"].isna().to_dict()["read"]


def test_the_figure_names_everyone() -> None:
    scores = made_scores(BY_HAND)
    left, right = draw_suite(scores, suite_table(scores)).axes
    assert {label.get_text() for label in left.get_yticklabels()} == set(BY_HAND)
    assert {line.get_label() for line in right.lines} > {"read", "task-static", "picky"}


# -- the command -------------------------------------------------------------------------------


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plan_module, "preset_names", lambda: ("from-scratch",))
    monkeypatch.setattr(plan_module, "DRAWN", 1)
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("_few")
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    names = f"random,greedy-last,{MADE}Broken,{MADE}OnlyThree"
    command = ("compare", "--suite", "--jobs", "1", "--seeds", "2", "--allocators", names)
    code, out, _ = call(capsys, *command)
    assert code == 0
    assert "2 worlds x 7 allocators, 2 seeds: 21 cells, 42 runs of 20 steps" in out
    assert f"{MADE}Broken: failed (from-scratch, random-0): ZeroDivisionError: nothing left" in out
    assert "OnlyThree: not applicable here (random-0)" in out
    [folder] = Path("results").iterdir()  # named by what is run: not the default suite's
    assert folder.name.startswith("suite-2-random-greedy-last-")
    for name in ("summary.csv", "summary.md", "problems.csv", "suite.png", "suite.pdf"):
        assert (folder / name).is_file()
    problems = pd.read_csv(folder / "problems.csv")
    assert problems["outcome"].value_counts().to_dict() == {"failed": 3, "not applicable here": 1}
    markdown = (folder / "summary.md").read_text(encoding="utf-8")
    assert markdown.startswith("Simulated worlds: no model is trained.")
    assert "\n| allocator | IQM [95 %] |" in markdown
    assert "| oracle-static | 1.00 " in markdown
    before = [(folder / name).read_bytes() for name in ("summary.csv", "suite.png")]
    call(capsys, *command)
    assert [(folder / name).read_bytes() for name in ("summary.csv", "suite.png")] == before
    code, _, _ = call(capsys, "plot", str(folder / "random-0"))
    assert code == 0


@pytest.mark.usefixtures("_few")
def test_options_that_the_suite_chooses_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "compare", "--suite", "--world", "conflict")
    assert code == 2
    assert "--world: --suite chooses its worlds" in err
    assert not Path("results").exists()
