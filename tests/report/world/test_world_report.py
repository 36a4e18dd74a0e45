"""`readsim worlds NAME --report`: what is written, for odd names too, and the same for the same world."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from readsim.errors import ConfigError
from readsim.report.world.report import world_report
from readsim.report.world.spread import held_out_error, spread_of
from readsim.worlds import World, load_world, optimum
from tests.support.made_reports import Page

ODD = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "'\"><img src=x onerror=alert(1)>",
    "a&amp;b_$x$ {{ 7 * 7 }}",
)


def odd_world() -> World:
    return load_world("real-run").replace(
        name="</title><b>&",
        description="</style><script>alert(2)</script>",
        sources=ODD,
        capabilities=ODD,
        formats=(),
        tasks={"</option><script>": {"requirement": dict.fromkeys(ODD, 1.0), "utility": "ces:-2"}},
        provenance={"</script>": "<script>alert(3)</script>"},
    )


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    world_report(odd_world(), folder)
    return folder


@pytest.mark.parametrize("name", ["report.html", "sliders.html"])
def test_names_are_text(odd: Path, name: str) -> None:
    text = (odd / name).read_text(encoding="utf-8")
    page = Page(text)
    assert page.errors == []
    assert page.open == []
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert len(page.all("script")) == (2 if name == "sliders.html" else 0)
    assert {"img", "iframe", "link"} & {tag for tag, _ in page.elements} == set()
    assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]
    assert "</title><b>&" in page.all("title")[0][1]
    headers = {text for _, text in page.all("th")}
    assert set(ODD) <= headers


@pytest.mark.extra("html5lib")
@pytest.mark.parametrize("name", ["report.html", "sliders.html"])
def test_an_independent_parser_finds_no_error(odd: Path, name: str) -> None:
    import html5lib

    html5lib.HTMLParser(strict=True).parse((odd / name).read_text(encoding="utf-8"))


def test_sliders_load_nothing_and_run_one_script(odd: Path) -> None:
    page = Page((odd / "sliders.html").read_text(encoding="utf-8"))
    (policy,) = [a["content"] for a, _ in page.all("meta") if "http-equiv" in a]
    assert policy.startswith("default-src 'none'; ")
    assert re.search(r"script-src 'sha256-[\w+/]{43}='$", policy)
    (data, names), (attributes, script) = page.all("script")
    assert data == {"type": "application/json", "id": "world"}
    assert attributes == {}
    assert not re.search(r"https?:|import|fetch|eval|innerHTML|<", names)
    assert not re.search(r"https?://|\bimport\b|fetch|eval|innerHTML|XMLHttp", script)
    assert "alert" not in script + names
    json.loads(names)


def test_each_control_has_a_label_and_a_value(odd: Path) -> None:
    page = Page((odd / "sliders.html").read_text(encoding="utf-8"))
    labels = {a["for"] for a, _ in page.all("label")}
    controls = [a for tag in ("input", "select") for a, _ in page.all(tag)]
    assert {a["id"] for a in controls} == labels
    ranges = [a["id"] for a in controls if a.get("type") == "range"]
    assert len(ranges) == 1 + len(ODD)
    assert set(ranges) <= {i for a, _ in page.all("output") for i in a["for"].split()}
    assert [a for a, _ in page.all("output") if a.get("aria-live") == "polite"]


def test_the_same_world_gives_the_same_bytes(odd: Path, tmp_path: Path) -> None:
    written = world_report(odd_world(), tmp_path)
    for path in written:
        assert path.read_bytes() == (odd / path.relative_to(tmp_path)).read_bytes()
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(written)


def test_tables_are_of_the_world(tmp_path: Path) -> None:
    world = load_world("conflict")
    budget = min(2e7, world.horizon)
    task = world.task_names[0]
    world_report(world, tmp_path, tasks=[task], budgets=[budget])
    (path,) = (tmp_path / "tables").glob("report-transfer-*.csv")
    table = pd.read_csv(path)
    shape = world.shape
    assert np.allclose(
        table["effect"].to_numpy().reshape(shape), 100 * world.transfer_matrix(budget)
    )
    assert (table["low"] <= table["effect"]).all()
    assert (table["effect"] <= table["high"]).all()
    best = optimum(world, task, budget)
    (row,) = pd.read_csv(tmp_path / "tables" / "report-optima.csv").to_dict("records")
    assert row["utility"] == pytest.approx(100 * best.utility)
    more = optimum(world, task, budget * (1 - 1e-4))
    slope = (best.utility - more.utility) / (budget * 1e-4)
    assert row["tokens_of_the_next_point"] == pytest.approx(0.01 / slope, rel=0.01)
    shares = [row[f"share_{source}"] for source in world.sources]
    assert shares == pytest.approx(best.allocation.tolist())


@pytest.mark.parametrize(
    "name", ["random:seed=2,capabilities=1,sources=1", "random:seed=2,capabilities=40,sources=40"]
)
def test_one_source_and_forty(name: str, tmp_path: Path) -> None:
    world = load_world(name)
    world_report(world, tmp_path, tasks=["average"], budgets=[1e7])
    page = Page((tmp_path / "sliders.html").read_text(encoding="utf-8"))
    ranges = [a for a, _ in page.all("input") if a["id"].startswith("share")]
    assert len(ranges) == len(world.sources)
    assert ["disabled" in a for a in ranges] == [len(ranges) == 1] * len(ranges)


def test_terms_that_are_on_are_named(tmp_path: Path) -> None:
    world_report(load_world("real-run"), tmp_path, tasks=["math"], budgets=[2e7])
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for word in ("overtraining_tokens", "rehearsal_share", "formats", "schedule", "cosine"):
        assert word in text
    world_report(load_world("read8-llama"), tmp_path, tasks=["math"], budgets=[2e7])
    assert "No term of real runs is on" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_error_of_a_fit_is_its_interval() -> None:
    world = load_world("real-run").replace(
        capabilities=("a, b 3", "c", "a", "d"),
        formats=(),
        tasks={},
        provenance={"unit": "points", "held_out_rmse": "in points: a, b 3 1.5, c 2, a 0.25, d 4"},
    )
    error = held_out_error(world)
    assert error is not None
    assert error.tolist() == [0.015, 0.02, 0.0025, 0.04]
    assert "not seen" in spread_of(world).sentences[0]
    for text in (
        "",
        "in points: c 2",
        "in points: a, b 3 x, c 2, a 1, d 4",
        "in points: a, b 3 nan, c 2, a 1, d 4",
    ):
        assert held_out_error(world.replace(provenance={"held_out_rmse": text})) is None


def test_a_file_in_the_way_is_kept(tmp_path: Path) -> None:
    mine = tmp_path / "sliders.html"
    mine.write_text("mine")
    with pytest.raises(ConfigError, match=r"sliders\.html"):
        world_report(load_world("conflict"), tmp_path, tasks=["average"], budgets=[1e6])
    assert mine.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["sliders.html"]
