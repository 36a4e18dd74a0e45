"""The figure of one run: every capability's line, its tokens, its change on the test split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from readsim.plots.profile import draw_profile
from readsim.plots.style import sober
from readsim.runs.read_logs import read_log
from tests.support.made_logs import NAMES, Rows, run_rows, write_log


def drawn(folder: Path, rows: Rows, hidden: Sequence[str] = ()) -> Figure:
    about = {"allocator": "read", "task": "math", "budget": 400, "seeds": [0]}
    left = len(NAMES) - len(hidden)
    requirement = [1.0 / left] * left
    path = write_log(folder, rows, **about, hidden=hidden, requirement=requirement)
    with sober():
        return draw_profile(read_log(path))


def test_lines_bars_and_marks_are_the_logs(tmp_path: Path) -> None:
    rows = run_rows(np.random.default_rng(2), 0, 400, 0.2, len(NAMES))
    for row in rows[:-1]:
        row["profile"] = np.delete(row["profile"], 1)  # probes do not show it
    figure = drawn(tmp_path, rows, ["code"])
    shown = [k for k, name in enumerate(NAMES) if name != "code"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == [NAMES[k] for k in shown]
    levels = 100 * np.array([row["profile"] for row in rows[:-1]])
    for v, (k, axes) in enumerate(zip(shown, figure.axes, strict=True)):
        start, line, mark = axes.lines
        assert np.allclose(line.get_xdata(), [0, 100, 200, 300, 400])
        assert np.allclose(line.get_ydata(), levels[:, v])
        assert np.allclose(start.get_ydata(), levels[0, v])
        change = levels[0, v] + 100 * rows[-1]["final_change"][k]
        assert np.asarray(mark.get_ydata()).item() == pytest.approx(change)
        low, high = axes.get_ylim()
        assert low < change - 196 * rows[-1]["final_change_sd"][k]
        assert change + 196 * rows[-1]["final_change_sd"][k] < high
        heights = [bar.get_height() / (high - low) for bar in axes.patches]  # type: ignore[attr-defined]
        assert np.allclose(heights, [row["allocation"][k] for row in rows[1:-1]])


def test_a_run_that_only_started_has_a_figure_too(tmp_path: Path) -> None:
    rows = run_rows(np.random.default_rng(2), 0, 400, 0.2, len(NAMES))[:1]
    assert len(drawn(tmp_path, rows).axes) == 3
