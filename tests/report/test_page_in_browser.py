"""Reports in a real browser: readable on a phone, in the dark and in print, and by those who do not see."""

import re
from base64 import b64decode
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest

from readsim.report.build import report
from readsim.report.world.report import world_report
from readsim.suite.plan import SCALE
from readsim.worlds import load_world
from tests.support.browser import Browser
from tests.support.made_logs import write_comparison
from tests.support.made_reports import write_study

pytestmark = pytest.mark.slow
LONG = "somebody.s_package.rules.of_her_own:AllocatorWithAVeryLongName"
RULES = ("one-hot", "uniform", "task-static", "read", LONG, "oracle-static")
ROOT = "document.documentElement"
# Texts of drawings that lie beyond what is seen of them without scrolling.
CUT = """Array.from(document.querySelectorAll('.sheets svg text')).filter((t) => {
  const own = t.getBoundingClientRect(), box = t.closest('.box').getBoundingClientRect();
  const svg = t.closest('svg').getBoundingClientRect();
  return own.right > Math.min(box.right, svg.right) + 1 || own.left < Math.max(box.left, svg.left) - 1;
}).map((t) => t.textContent)"""
FAINT = """(() => {
  const light = (c) => { const v = c.match(/[\\d.]+/g).map(Number);
    const s = c.startsWith('color(') ? v : v.map((x) => x / 255);
    const l = s.slice(0, 3).map((x) => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
    return .2126 * l[0] + .7152 * l[1] + .0722 * l[2]; };
  const paper = light(getComputedStyle(document.documentElement).backgroundColor);
  return Array.from(document.querySelectorAll('svg text')).map((t) => {
    const own = light(getComputedStyle(t).fill);
    return [t.textContent, (Math.max(own, paper) + .05) / (Math.min(own, paper) + .05)];
  }).filter((pair) => pair[1] < 4.5); })()"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    top = tmp_path_factory.mktemp("reports")
    few = write_comparison(top / "few", RULES)
    names = [f"skill-{n}" for n in range(14)]
    many = write_comparison(
        top / "many",
        [*RULES, *(f"mine:Rule{n}" for n in range(10))],
        names=names,
        tasks=names[:2],
        budgets=[1000],
    )
    for world in ("first", "second"):
        write_comparison(top / "suite" / world, (*SCALE, "read", LONG), tasks=["math"])
    write_study(top / "studies" / "one")
    folders = {"few": few, "many": many, "suite": top / "suite", "studies": top / "studies"}
    for folder in folders.values():
        report(folder)
    world_report(load_world("gateway"), top / "world")
    return {name: folder / "report.html" for name, folder in folders.items()} | {
        "world": top / "world" / "report.html"
    }


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("name", ["few", "many", "suite", "studies", "world"])
def test_nothing_passes_the_edge_and_everything_can_be_read(
    tab: Browser, pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    tab.open(pages[name], width, dark=dark)
    assert tab.value("innerWidth") == width
    assert tab.value(f"{ROOT}.scrollWidth <= {ROOT}.clientWidth")
    paper = tab.value(f"getComputedStyle({ROOT}).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") is not dark
    assert tab.value(CUT) == []
    assert tab.value(FAINT) == []
    assert tab.value("document.querySelectorAll('svg text').length > 20") is (name != "studies")


@pytest.mark.parametrize("name", ["few", "many", "suite"])
def test_panels_stack_on_a_phone_and_each_line_is_named(
    tab: Browser, pages: dict[str, Path], name: str
) -> None:
    tab.open(pages[name], 390)
    lefts = tab.value(
        "Array.from(document.querySelectorAll('.sheets > div'), (d) => d.getBoundingClientRect().left)"
    )
    assert len(lefts) >= 2
    assert max(lefts) - min(lefts) < 1
    named = tab.value("document.querySelector('.sheets').textContent")
    assert all(rule in named for rule in ("task-static", "oracle-static", LONG))
    # the name of a row stays in view when its numbers are scrolled
    held = tab.value(
        """(() => { const box = document.querySelector('.box'); box.scrollLeft = 200;
        const cell = box.querySelector('tbody tr .name:not(.wide)').getBoundingClientRect();
        return cell.left >= box.getBoundingClientRect().left - 1 && cell.width > 50; })()"""
    )
    assert held


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["few", "world"])
def test_a_table_that_scrolls_shows_that_it_does(
    tab: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    """An arrow where the table is wider than what is seen of it, and none elsewhere."""
    tab.open(pages[name], width)
    found = tab.value(
        """Array.from(document.querySelectorAll('.box > .whole'), (whole) => [
        whole.querySelector('table').offsetWidth > whole.parentElement.clientWidth,
        parseFloat(getComputedStyle(whole, '::after').width)])"""
    )
    assert found
    assert all((arrow > 0) == wider for wider, arrow in found)
    assert any(wider for wider, _ in found) or width > 390


def test_what_a_page_is_comes_first(tab: Browser, pages: dict[str, Path]) -> None:
    tab.open(pages["few"], 1280)
    tops = tab.value(
        "['header h1', 'header .origin', 'header .lead'].map((s) => { const r = "
        "document.querySelector(s).getBoundingClientRect(); return [r.top, r.bottom]; }).flat()"
    )
    assert tops == sorted(tops)


def test_a_mailed_page_has_all_numbers(
    tab: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    alone = tmp_path / "mailed.html"
    alone.write_bytes(pages["few"].read_bytes())
    tab.open(alone, 1280)
    links = tab.value(
        "Array.from(document.querySelectorAll('a[download]'), (a) => [a.download, a.href])"
    )
    tables = pages["few"].parent / "tables"
    assert {name for name, _ in links} == {path.name for path in tables.glob("*.csv")}
    for name, link in links:
        assert b64decode(link.partition("base64,")[2]) == (tables / name).read_bytes()
    assert len(pd.read_csv(tables / "report-tasks-20M.csv")) == 2 * len(RULES)


@pytest.mark.extra("axe_core_python")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["few", "many", "suite", "studies", "world"])
def test_axe_finds_nothing(tab: Browser, pages: dict[str, Path], name: str, dark: bool) -> None:
    tab.open(pages[name], 390, dark=dark)
    tab.value(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8") + ";0")
    tab.value("axe.run().then((found) => { window.found = found; }); 0")
    while not tab.value("Boolean(window.found)"):
        pass
    told = "window.found.violations.map((v) => [v.id, v.nodes.map((n) => n.html.slice(0, 200))])"
    assert tab.value(told) == []
    assert tab.value("window.found.passes.length") > 15


@pytest.mark.parametrize("name", ["few", "suite", "world"])
def test_print_is_light_whole_and_without_what_only_a_screen_needs(
    tab: Browser, pages: dict[str, Path], name: str
) -> None:
    tab.open(pages[name], 794, dark=True)
    scheme = {"name": "prefers-color-scheme", "value": "dark"}
    tab.call("Emulation.setEmulatedMedia", media="print", features=[scheme])
    try:
        assert tab.value(f"getComputedStyle({ROOT}).backgroundColor") == "rgb(255, 255, 255)"
        assert tab.value("getComputedStyle(document.querySelector('nav')).display") == "none"
        boxes = "Array.from(document.querySelectorAll('.box'))"
        assert tab.value(f"{boxes}.every((b) => b.scrollHeight <= b.clientHeight + 1)")
        assert tab.value(f"{boxes}.every((b) => b.scrollWidth <= b.clientWidth + 1)")
        assert tab.value(
            "Array.from(document.querySelectorAll('.wide')).every((e) => e.offsetWidth)"
        )
    finally:
        tab.call("Emulation.setEmulatedMedia", media="screen", features=[])
    paper = b64decode(tab.call("Page.printToPDF", printBackground=True)["data"])
    assert paper.startswith(b"%PDF")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", paper)) <= 20
