"""The sliders in a real browser: keys move shares, predictions follow, nothing passes the window's edge."""

from pathlib import Path

import numpy as np
import pytest

from readsim.report.world.report import world_report
from readsim.worlds import World, load_world, optimum
from tests.report.world.test_world_report import ODD, odd_world
from tests.support.browser import Browser

pytestmark = pytest.mark.slow
RIGHT, TAB, HOME, END = ("ArrowRight", 39), ("Tab", 9), ("Home", 36), ("End", 35)
WIDTHS = (360, 800, 1400)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "real-run": load_world("real-run"),
        "odd": odd_world(),
        "many": load_world("random:seed=2,capabilities=40,sources=40"),
        "one": load_world("random:seed=2,capabilities=1,sources=1"),
        "losses": losses(),
    }
    for name, world in made.items():
        world_report(world, folder / name, budgets=[2e7])
    return folder


def losses() -> World:
    names = ("W" * 150, "wiki")
    return World(
        name="long" * 40,
        sources=names,
        capabilities=names,
        dynamics="potential",
        link="exponential",
        start=np.array([-4.0, -3.0]),
        floor=np.full(2, -np.inf),
        ceiling=np.array([-1.0, -2.0]),
        gain=("log", "log"),
        scale_tokens=np.full(2, 1e6),
        help=np.array([[1.0, 0.2], [0.0, 0.5]]),
        harm=np.zeros((2, 2)),
    )


def shown(tab: Browser) -> list[float]:
    scores: list[float] = tab.value(
        "Array.from(document.querySelectorAll('.now-value'), (e) => Number(e.textContent))"
    )
    return scores


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["real-run", "odd", "many", "one", "losses"])
def test_nothing_passes_the_edge(
    tab: Browser, pages: Path, name: str, width: int, dark: bool
) -> None:
    for file in ("sliders.html", "report.html"):
        tab.open(pages / name / file, width, dark=dark)
        assert tab.value("innerWidth") == width
        root = "document.documentElement"
        assert tab.value(f"{root}.scrollWidth <= {root}.clientWidth"), file
        paper = tab.value(f"getComputedStyle({root}).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") is not dark
    tab.open(pages / name / "sliders.html", width, dark=dark)
    assert tab.value("document.getElementById('checked').textContent").startswith("Checked")
    assert tab.value("document.getElementById('checked').className") == "small"
    # controls, values and names lie inside their column, whole
    assert tab.value(
        "Array.from(document.querySelectorAll('input, output, label, select, button, .results td'),"
        "(e) => e.getBoundingClientRect()).every((r) => r.left >= 0 && r.right <= innerWidth)"
    )


def test_keys_move_a_share_and_predictions_follow(tab: Browser, pages: Path) -> None:
    world = load_world("real-run")
    tab.open(pages / "real-run" / "sliders.html", 800)
    assert shown(tab) == pytest.approx(100 * world.static_profile(np.full(4, 0.25), 2e7), abs=0.06)
    for _ in range(30):
        if tab.value("document.activeElement.id") == "share1":
            break
        tab.press(*TAB)
    assert tab.value("document.activeElement.matches(':focus-visible')")
    assert tab.value("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
    before = tab.value("document.getElementById('summary').textContent")
    for _ in range(5):
        tab.press(*RIGHT)
    shares = np.array([0.7 / 3, 0.3, 0.7 / 3, 0.7 / 3])
    assert shown(tab) == pytest.approx(100 * world.static_profile(shares, 2e7), abs=0.06)
    assert tab.value("document.getElementById('share1-value').textContent") == "30.0 %"
    assert tab.value("document.activeElement.getAttribute('aria-valuetext')") == "30.0 %"
    assert tab.value("document.getElementById('summary').textContent") != before
    tab.press(*END)
    assert shown(tab) == pytest.approx(100 * world.static_profile(np.eye(4)[1], 2e7), abs=0.06)
    tab.press(*HOME)
    even = np.array([1.0, 0.0, 1.0, 1.0]) / 3
    assert shown(tab) == pytest.approx(100 * world.static_profile(even, 2e7), abs=0.06)


def test_task_budget_and_the_best_shares(tab: Browser, pages: Path) -> None:
    world = load_world("real-run")
    tab.open(pages / "real-run" / "sliders.html", 1400)
    for n, task in enumerate(world.task_names):
        tab.value(
            f"(() => {{ const t = document.getElementById('task'); t.value = {n};"
            "t.dispatchEvent(new Event('change')); document.querySelector('[data-best]').click(); })()"
        )
        best = optimum(world, task, 2e7)
        said = tab.value("document.getElementById('summary').textContent")
        assert said.startswith(f"Utility {100 * best.utility:.1f}, 95 % interval ")
    tab.value("document.getElementById('budget').focus()")
    tab.press(*END)
    most = shown(tab)
    assert tab.value("document.getElementById('budget-value').textContent") == "80M"
    assert most == pytest.approx(100 * world.static_profile(best.allocation, 8e7), abs=0.06)


def test_names_run_nothing(tab: Browser, pages: Path) -> None:
    tab.open(pages / "odd" / "sliders.html", 800)
    labels = tab.value(
        "Array.from(document.querySelectorAll('.share label'), (e) => e.textContent)"
    )
    assert labels == list(ODD)
    assert tab.value("document.images.length + document.scripts.length") == 2
    assert tab.value("performance.getEntriesByType('resource').length") == 0
