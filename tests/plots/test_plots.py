"""Figures of a comparison: what they show is checked on their artists, not on pixels."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from scipy import stats

from readsim.arrays import Array
from readsim.errors import RunLogError, UnknownNameError
from readsim.plots import draw_all, draw_allocation, draw_spillover, draw_utility
from readsim.plots.allocation import shown_sources
from readsim.plots.data import mean_allocation, utility_curves
from readsim.plots.style import Box, footnote, panels, sober
from readsim.plots.utility import utility_panels
from readsim.runs.read_logs import Log, read_logs
from readsim.summary.grid import make_grid
from readsim.summary.results import results_of
from tests.support.made_logs import NAMES, final_row, write_comparison, write_log

FEW = ("uniform", "task-static", "read", "oracle-static")
MANY = (
    *FEW,
    "one-hot",
    "greedy",
    "greedy-last",
    "grid",
    "grid-charged",
    "a$_b$:C^2",
    "random",
    "mine",
)
FIGURES = ("utility", "allocation", "spillover")


class Drawn:
    """A comparison and its three figures."""

    def __init__(self, folder: Path) -> None:
        self.logs = read_logs(folder)
        self.grid = make_grid(results_of(self.logs))
        with sober():
            self.figures = {
                "utility": draw_utility(self.logs, self.grid),
                "allocation": draw_allocation(self.logs, self.grid),
                "spillover": draw_spillover(self.grid, self.logs[0].header.scene),
            }


def texts(figure: Figure) -> list[Text]:
    """All that is written, but for the numbers at the axes."""
    found = {t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_text()}
    for axes in figure.axes:
        found -= {*axes.get_xticklabels(), *axes.get_yticklabels()}
    return sorted(found, key=lambda text: text.get_text())


def words(figure: Figure) -> list[str]:
    return [text.get_text().replace("\n", " ") for text in texts(figure)]


def box_of(text: Text) -> Bbox:
    """Where a text stands, without its line."""
    text.get_window_extent()  # brings an annotation to its place
    return Text.get_window_extent(text)


def y_of(line: Line2D) -> Array:
    return np.asarray(line.get_ydata(), dtype=np.float64)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return Drawn(write_comparison(tmp_path_factory.mktemp("few"), FEW))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    folder = tmp_path_factory.mktemp("many")
    names = [f"skill-{n}" for n in range(23)]
    tasks = names[:5]
    return Drawn(write_comparison(folder, MANY, budgets=[150_000_000], tasks=tasks, names=names))


# -- files -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_files_are_the_same_every_time_and_leave_no_trace(tmp_path: Path) -> None:
    write_comparison(tmp_path, FEW, budgets=[20_000_000])
    before = dict(mpl.rcParams)
    paths = draw_all(tmp_path)
    assert dict(mpl.rcParams) == before
    assert [p.name for p in paths] == [
        f"{f}.{kind}" for f in FIGURES for kind in ("pdf", "png", "svg")
    ]
    first = [path.read_bytes() for path in paths]
    for path, data in zip(paths, first, strict=True):
        assert len(data) > 5000
        begins = {".pdf": b"%PDF", ".png": b"\x89PNG", ".svg": b"<?xml"}[path.suffix]
        assert data.startswith(begins)
        assert b"CreationDate" not in data
        assert b"dc:date" not in data
    with mpl.rc_context({"font.size": 30, "axes.grid": False, "lines.linewidth": 9}):
        again = draw_all(tmp_path)
    assert [path.read_bytes() for path in again] == first


def test_no_spillover_figure_without_anything_beside_the_target(tmp_path: Path) -> None:
    write_comparison(tmp_path, FEW, tasks=["a"], names=["a"], budgets=[1000], seeds=[0])
    assert {path.stem for path in draw_all(tmp_path)} == {"utility", "allocation"}


def test_incomplete_comparisons_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunLogError, match="no run logs"):
        draw_all(tmp_path)
    write_comparison(tmp_path, FEW)
    (tmp_path / "runs" / "read.math.20000000.jsonl").unlink()
    with pytest.raises(RunLogError, match="read on math with budget 20000000"):
        draw_all(tmp_path)
    assert list(tmp_path.glob("*.p*")) == []


# -- what is written in them -------------------------------------------------------------------


@pytest.mark.parametrize("name", FIGURES)
def test_every_allocator_and_budget_is_named(few: Drawn, name: str) -> None:
    shown = words(few.figures[name])
    for allocator in FEW:
        assert shown.count(allocator) >= 1
    assert any("budget 150M" in text for text in shown)
    if name == "utility":
        assert "gain in measured utility (points)" in shown
        assert "budget 20M, minus task-static" in shown
        assert any("95 % intervals over 3 seeds" in text for text in shown)
    elif name == "allocation":
        assert set(NAMES) <= set(shown)
        assert "step" in shown
    else:
        assert "On: gain of the target (points)" in shown
        assert "Neg: mean drop outside the target (points)" in shown
        assert any("noise floor" in text for text in shown)


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_written_outside_or_on_top_of_anything(many: Drawn, name: str) -> None:
    figure = many.figures[name]
    figure.draw_without_rendering()
    page = figure.bbox
    labels = [text for text in texts(figure) if text.get_text() in MANY]
    assert {text.get_text() for text in labels} == set(MANY)
    for text in texts(figure):
        box = box_of(text)
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= page.x1 and box.y1 <= page.y1
        assert inside, text.get_text()
    boxes = [box_of(label) for label in labels]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


@pytest.mark.parametrize("name", FIGURES)
def test_the_small_print_is_below_all_else(few: Drawn, many: Drawn, name: str) -> None:
    figures = [few.figures[name], many.figures[name]]
    if name == "utility":
        figures += utility_panels(few.logs, few.grid)
    for figure in figures:
        figure.draw_without_rendering()
        notes = [text for text in figure.texts if text.get_text().startswith("Simulated world")]
        assert len(notes) == (name != "allocation")
        for note in notes:
            below = [(axes.xaxis.label, *axes.get_xticklabels()) for axes in figure.axes]
            labels = [text for part in below for text in part if text.get_text()]
            assert len(labels) > len(figure.axes)
            assert box_of(note).y1 < min(box_of(text).y0 for text in labels)


@pytest.mark.parametrize("words", [2, 40, 120])
def test_the_figure_grows_for_its_small_print_and_panels_stay_as_they_are(words: int) -> None:
    box = Box(1.2, 0.8, left=0.6, right=0.1, top=0.3, bottom=0.4)
    with sober():
        figure, axes = panels(3, box, columns=2)
        for place in axes:
            place.set_xlabel("across\nin two lines")
        before = figure.get_size_inches().copy()
        footnote(figure, "A made table", words * "words ")
    figure.draw_without_rendering()
    [note] = figure.texts
    assert note.get_text().count("\n") >= words // 20
    assert box_of(note).y0 > 0
    top = figure.get_size_inches()[1]
    for n, place in enumerate(axes):
        assert not box_of(place.xaxis.label).overlaps(box_of(note))
        extent = place.get_window_extent()
        size = np.array(extent.size) / figure.dpi
        np.testing.assert_allclose(size, [1.2, 0.8])
        from_top = top - extent.y1 / figure.dpi
        assert from_top == pytest.approx(0.3 + (n // 2) * box.down)
    assert figure.get_size_inches()[0] == before[0]
    assert top > before[1]  # two lines of a label leave no room at all


def test_losses_are_not_points(tmp_path: Path) -> None:
    rows = {
        "kind": "step",
        "seed": 0,
        "step": 1,
        "tokens": 9,
        "spent": 9,
        "allocation": [1.0, 0.0, 0.0],
        "profile": [-1.5, -2.5, -3.0],
    }
    start = {"kind": "start", "seed": 0, "profile": [-2.0, -2.0, -3.0]}
    final = final_row(0, -2.0, [-1.5, -2.5, -3.0], final_change=[0.5, -0.5, 0.0])
    cell = {"task": "t", "budget": 9, "seeds": [0], "steps": 1, "allocator": "read"}
    write_log(tmp_path, [start, rows, final], **cell, scale={"unit": "loss"})
    drawn = Drawn(tmp_path)
    [axes] = drawn.figures["utility"].axes
    assert axes.get_ylabel() == "gain in measured utility (loss)"
    np.testing.assert_allclose(y_of(axes.lines[0]), np.array([0.0, 0.5 * 0.6 - 0.5 * 0.3]))
    assert "(loss)" in drawn.figures["spillover"].axes[0].get_xlabel()


# -- what is drawn in them ---------------------------------------------------------------------


def naive_gain(logs: Sequence[Log], allocator: str, budget: int, seed: int, step: int) -> float:
    """Mean over tasks of r . (p_step - p_start), straight from the rows."""
    values = []
    for log in logs:
        if (log.header.allocator, log.header.budget) == (allocator, budget):
            start = next(r.profile for r in log.starts if r.seed == seed)
            after = [start, *(r.profile for r in log.steps if r.seed == seed)][step]
            change = after - start
            values.append(float(np.dot(change, log.header.requirement)))
    return float(np.mean(values))


def test_curves_are_gains_in_measured_utility(few: Drawn) -> None:
    logs, grid = few.logs, few.grid
    curves = utility_curves(logs, grid)
    np.testing.assert_array_equal(curves.tokens[0], [0, 5e6, 10e6, 15e6, 20e6])
    for b, budget in enumerate(grid.budgets):
        for a, allocator in enumerate(grid.allocators):
            for r, seed in enumerate(grid.seeds):
                naive = [naive_gain(logs, allocator, budget, seed, t) for t in range(5)]
                np.testing.assert_allclose(curves.gain[b, a, r], naive, atol=1e-12)


def test_lines_bands_and_marks_of_the_utility_figure(few: Drawn) -> None:
    logs, grid = few.logs, few.grid
    curves = utility_curves(logs, grid)
    figure = few.figures["utility"]
    assert len(figure.axes) == 4
    a, reference = grid.allocators.index("read"), grid.allocators.index("task-static")
    for b in range(2):
        left, right = figure.axes[2 * b : 2 * b + 2]
        gain = 100.0 * curves.gain[b]
        [line] = [x for x in left.lines if x.get_label() == "read"]
        np.testing.assert_allclose(y_of(line), gain[a].mean(axis=0), atol=1e-12)
        difference = gain[a] - gain[reference]
        [line] = [x for x in right.lines if x.get_label() == "read"]
        np.testing.assert_allclose(y_of(line), difference.mean(axis=0), atol=1e-12)
        # the last step's band is the paired t interval
        paired = stats.ttest_rel(gain[a, :, -1], gain[reference, :, -1]).confidence_interval(0.95)
        band = np.asarray(right.collections[2 * a].get_paths()[0].vertices)
        ends = band[band[:, 0] == band[:, 0].max(), 1]
        assert (ends.min(), ends.max()) == pytest.approx((paired.low, paired.high))
        final = 100.0 * curves.final[b, a].mean()
        assert any(np.allclose(y_of(x), final) for x in left.lines if len(y_of(x)) == 1)


def test_runs_that_spend_otherwise_are_brought_to_the_same_tokens(tmp_path: Path) -> None:
    def step(n: int, spent: int, level: float) -> dict[str, Any]:
        where = {"kind": "step", "seed": 0, "step": n, "tokens": 10, "spent": spent}
        return {**where, "allocation": [1.0, 0.0, 0.0], "profile": [level, 0.0, 0.0]}

    start = {"kind": "start", "seed": 0, "profile": [0.5, 0.0, 0.0]}
    # 20 tokens go to a search, two steps follow, the budget of 40 is gone
    rows = [start, step(1, 30, 0.8), step(2, 40, 0.9), final_row(0, 0.9, [0.9, 0.0, 0.0])]
    write_log(tmp_path, rows, task="t", budget=40, seeds=[0], allocator="grid-charged")
    logs = read_logs(tmp_path)
    grid = make_grid(results_of(logs))
    gain = utility_curves(logs, grid).gain[0, 0, 0] / 0.6
    np.testing.assert_allclose(gain, [0.0, 0.1, 0.2, 0.3, 0.4])
    shares = mean_allocation(logs[0])
    np.testing.assert_array_equal(shares[:2], [[1.0, 0.0, 0.0]] * 2)
    assert np.isnan(shares[2:]).all()


def test_allocations_are_means_over_seeds_and_stacked_to_one(few: Drawn) -> None:
    logs, grid = few.logs, few.grid
    [log] = [x for x in logs if x.path.name == "read.math.150000000.jsonl"]
    naive = [
        np.mean([r.allocation for r in log.steps if r.step == t], axis=0) for t in (1, 2, 3, 4)
    ]
    np.testing.assert_allclose(mean_allocation(log), naive)
    figure = few.figures["allocation"]
    assert len(figure.axes) == len(FEW) * 2
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["math", "code"]
    row = grid.allocators.index("read")
    tops = [
        np.asarray(c.get_paths()[0].vertices)[:, 1].max() for c in figure.axes[2 * row].collections
    ]
    assert tops[-1] == pytest.approx(1.0)
    assert len(tops) == 3


def test_more_than_twelve_sources_are_rows_that_are_named(many: Drawn) -> None:
    axes = many.figures["allocation"].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"skill-{n}" for n in range(23)
    ]
    first = many.grid.allocators[0]
    [log] = [
        log
        for log in many.logs
        if (log.header.allocator, log.header.task) == (first, axes.get_title(loc="left"))
    ]
    [image] = axes.images
    np.testing.assert_allclose(np.asarray(image.get_array()), mean_allocation(log).T)


def test_every_figure_says_what_was_run(few: Drawn) -> None:
    for figure in few.figures.values():
        assert any("Simulated world made" in text for text in words(figure))


def test_some_tasks_and_budgets_have_files_of_their_own(tmp_path: Path) -> None:
    write_comparison(tmp_path, FEW[:2], tasks=NAMES)
    paths = draw_all(tmp_path, ["code"], [20_000_000])
    assert {path.stem for path in paths} == {f"{figure}-code-20M" for figure in FIGURES}
    with pytest.raises(UnknownNameError, match="did you mean 'code'"):
        draw_all(tmp_path, ["cod"])
    with pytest.raises(UnknownNameError, match="20M"):
        draw_all(tmp_path, None, [30_000_000])


def test_small_sources_are_one_area() -> None:
    shares = np.zeros((2, 5, 9))
    shares[..., 8] = 0.5
    shares[0, :, 3] = 0.5
    assert shown_sources(shares, most=3) == [3, 8]
    assert shown_sources(shares[..., :3], most=3) == [0, 1, 2]


def test_points_of_the_spillover_figure(few: Drawn) -> None:
    grid = few.grid
    figure = few.figures["spillover"]
    for b, axes in enumerate(figure.axes):
        expected = 100.0 * np.stack(
            [grid.by_seed(name)[b].mean(axis=-1) for name in ("negative", "on_target")], axis=-1
        )
        points = [np.asarray(line.get_xydata()) for line in axes.lines if len(y_of(line)) == 1]
        np.testing.assert_allclose(np.concatenate(points), expected)
        floor = 100.0 * grid.by_seed("negative_floor")[b].mean()
        assert any(np.allclose(line.get_xdata(), floor) for line in axes.lines)


def test_the_axis_of_equal_scores_is_as_wide_as_a_point(tmp_path: Path) -> None:
    for name in ("one-hot", "uniform"):
        rows: list[dict[str, Any]] = [
            {"kind": "start", "seed": 0, "profile": [0.25] * 3},
            *(
                {
                    "kind": "step",
                    "seed": 0,
                    "step": step,
                    "tokens": 250,
                    "spent": 250 * step,
                    "allocation": [1.0, 0.0, 0.0],
                    "profile": [0.25] * 3,
                    "change": [0.0] * 3,
                    "reward": 0.0,
                }
                for step in (1, 2, 3, 4)
            ),
            final_row(0, 0.25, [0.25] * 3),
        ]
        write_log(tmp_path, rows, allocator=name, task="math", budget=1000, seeds=[0])
    logs = read_logs(tmp_path)
    for figure in utility_panels(logs, make_grid(results_of(logs))):
        low, high = figure.axes[0].get_ylim()
        assert high - low >= 2.0  # points
        figure.canvas.draw()
        assert not figure.axes[0].yaxis.get_offset_text().get_text()
