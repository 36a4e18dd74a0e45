"""`readsim report`: the page is well formed, stands alone, and says what the logs say."""

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from readsim.api import compare
from readsim.cli.app import main
from readsim.report.build import report
from readsim.runs.log_file import RunLog
from readsim.runs.log_schema import read_content
from readsim.runs.read_logs import read_log
from tests.support.made_logs import NAMES, SHARED, run_rows, write_comparison, write_log
from tests.support.made_reports import HOSTILE, Page, real_log, write_study

ALLOCATORS = ("one-hot", "uniform", "task-static", "read", "oracle-static")


def hostile(folder: Path) -> Path:
    """A comparison in which every name is meant to break out of its place."""
    rng = np.random.default_rng(0)
    names = ["<b>m&m</b>", "x_y|z", "'\"><img src=x onerror=alert(1)>"]
    for n, allocator in enumerate([*HOSTILE, "task-static"]):
        config = {
            **SHARED,
            "world": "<w>&{}",
            "sources": names,
            "capabilities": names,
            "task": "<i>t|_",
            "allocator": allocator,
            "budget": 1000,
            "requirement": [0.5, 0.3, 0.2],
            "settings": {},
            "seeds": [0, 1, 2],
        }
        with RunLog.create(folder / "runs" / f"{n}.jsonl", config=config, seeds=[0, 1, 2]) as log:
            for seed in (0, 1, 2):
                log.append(run_rows(rng, seed, 1000, 0.02 * n, 3))
    return folder


def distilled(folder: Path) -> Path:
    for seed in (0, 1, 2):
        for allocator in ("task-static", "one-hot"):
            real_log(folder, allocator, seed)
        real_log(folder, "one-hot", seed, name=".cot-kd", method="cot-kd")
    return folder


def suite(folder: Path) -> Path:
    for world in ("first", "second"):
        write_comparison(folder / world, ALLOCATORS, tasks=["math"])
    return folder


def studies(folder: Path) -> Path:
    for name in ("one", "two"):
        write_study(folder / name)
    return folder


def plain(folder: Path) -> Path:
    return write_comparison(folder, ALLOCATORS)


def single(folder: Path) -> Path:
    return write_comparison(folder, ALLOCATORS, names=["a"], tasks=["a"], budgets=[1000], seeds=[0])


MADE = {f.__name__: f for f in (plain, single, hostile, distilled, suite, studies)}


@pytest.fixture(scope="module", params=MADE)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = MADE[request.param](tmp_path_factory.mktemp(request.param))
    report(made)
    return made


def text_of(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed(folder: Path) -> None:
    page = Page(text_of(folder))
    assert page.errors == []
    assert page.open == []
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    references = [a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a]
    references += re.findall(r"url\(#([^)]*)\)", text_of(folder))
    references += [a["href"][1:] for _, a in page.elements if a.get("href", "").startswith("#")]
    assert set(references) <= set(ids)


@pytest.mark.extra("html5lib")
def test_an_independent_parser_finds_no_error(folder: Path) -> None:
    import html5lib

    html5lib.HTMLParser(strict=True).parse(text_of(folder))


def test_nothing_is_loaded_from_elsewhere(folder: Path) -> None:
    text = text_of(folder)
    assert not re.search(
        r"https?://|@import|\ssrc=|xlink|<script|<link", re.sub(r"&lt;.*?&gt;", "", text)
    )
    page = Page(text)
    assert {"script", "link", "img", "iframe", "b", "i", "w"} & {t for t, _ in page.elements} <= {
        "b"
    }
    assert not [a for _, a in page.elements if any(name.startswith("on") for name in a)]
    for _, attributes in page.elements:
        link = attributes.get("href", "#")
        assert link.startswith(("#", "tables/", "data:text/csv;base64,")), link
        if link.startswith("tables/"):
            assert (folder / link).is_file()
    [policy] = [a for a, _ in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"].startswith("default-src 'none'")


def test_headings_landmarks_tables_and_figures_can_be_heard(folder: Path) -> None:
    page = Page(text_of(folder))
    levels = [int(t[1]) for t, _ in page.elements if re.fullmatch("h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    assert len(page.all("main")) == len(page.all("nav")) == len(page.all("header")) == 1
    assert len(page.all("table")) == len(page.all("caption")) > 0
    assert all(text.strip() for _, text in page.all("caption"))
    assert all(a.get("scope") in ("col", "row") for a, _ in page.all("th"))
    drawn = [a for _, a in page.elements if a.get("role") == "img"]
    assert len(drawn) == len(page.all("figure")) <= len(page.all("svg"))
    assert all(len(a["aria-label"]) > 40 for a in drawn)
    boxes = [a for _, a in page.elements if a.get("role") == "region"]
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in boxes)


@pytest.mark.slow
def test_the_same_logs_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("report*"))
    one = {p.relative_to(folder): p.read_bytes() for p in report(folder)}
    other = {p.relative_to(copy): p.read_bytes() for p in report(copy)}
    assert one == other


# -- what it says ------------------------------------------------------------------------------


def naive(folder: Path, allocator: str, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """Utilities and changes of a comparison, (seeds,) and (seeds, K), straight from the files."""
    utility, change = [], []
    for seed in (0, 1, 2):
        finals = [
            row
            for path in (folder / "runs").glob(f"{allocator}.*.{budget}.jsonl")
            for row in read_content(path).rows
            if row["kind"] == "final" and row["seed"] == seed
        ]
        utility.append(np.mean([row["utility"] for row in finals]))
        change.append(np.mean([row["final_change"] for row in finals], axis=0))
    return 100 * np.array(utility), 100 * np.array(change)


def test_provenance_counts_runs_and_files(tmp_path: Path) -> None:
    """A log holds a run a seed: both counts are those of the folder."""
    plain(tmp_path)
    report(tmp_path)
    paths = list((tmp_path / "runs").glob("*.jsonl"))
    runs = sum(len(read_log(path).header.seeds) for path in paths)
    assert runs > len(paths)
    assert f"<dt>runs</dt><dd>{runs}, in {len(paths)} log files</dd>" in text_of(tmp_path)


def test_numbers_are_those_of_the_logs(tmp_path: Path) -> None:
    plain(tmp_path)
    report(tmp_path)
    read, change = naive(tmp_path, "read", 150_000_000)
    static, _ = naive(tmp_path, "task-static", 150_000_000)
    test = stats.ttest_rel(read, static)
    low, high = test.confidence_interval(0.95)
    [lead] = [text for a, text in Page(text_of(tmp_path)).all("p") if a.get("class") == "lead"]
    mean = np.mean(read - static)
    assert f"read leads with {read.mean():.2f} points, {mean:+.2f} against task-static" in lead
    assert f"(95 % interval {low:+.2f} to {high:+.2f}; p " in lead
    tests = pd.read_csv(tmp_path / "tables" / "report-statistics.csv").set_index(
        ["budget", "allocator"]
    )
    row = tests.loc[[(150_000_000, "read")]]
    assert row[["low", "high", "p_value"]].to_numpy()[0] == pytest.approx([low, high, test.pvalue])
    changes = pd.read_csv(tmp_path / "tables" / "report-changes-150M.csv")
    mine = changes[changes["allocator"] == "read"].set_index("capability")
    one = stats.ttest_1samp(change, 0.0)
    interval = one.confidence_interval(0.95)
    half = (np.asarray(interval.high) - np.asarray(interval.low)) / 2
    expected = np.column_stack([change.mean(axis=0), half, np.asarray(one.pvalue)])
    columns = ["change", "half_width", "p_value"]
    np.testing.assert_allclose(mine.loc[list(NAMES), columns].to_numpy(), expected)
    adjusted = stats.false_discovery_control(changes["p_value"])
    np.testing.assert_allclose(changes["p_adjusted"], adjusted)
    drops = pd.read_csv(tmp_path / "tables" / "report-drops.csv")
    assert len(drops) == 2 * len(ALLOCATORS) * 2 * len(NAMES)


def test_each_task_has_its_own_differences(tmp_path: Path) -> None:
    plain(tmp_path)
    report(tmp_path)
    table = pd.read_csv(tmp_path / "tables" / "report-tasks-150M.csv")
    finals = {
        (allocator, row["seed"]): row["utility"]
        for allocator in ("read", "task-static")
        for row in read_content(tmp_path / "runs" / f"{allocator}.math.150000000.jsonl").rows
        if row["kind"] == "final"
    }
    each = [100 * (finals["read", s] - finals["task-static", s]) for s in (0, 1, 2)]
    mine = table[(table["allocator"] == "read") & (table["task"] == "math")].iloc[0]
    assert mine["difference"] == pytest.approx(np.mean(each))
    assert mine["p_value"] == pytest.approx(stats.ttest_1samp(each, 0.0).pvalue)


def one_hot(folder: Path, effect: np.ndarray) -> Path:
    """Runs that train on one source alone, with known effects, and a reference."""
    rng = np.random.default_rng(3)
    for i, task in enumerate(NAMES):
        for allocator in ("one-hot", "task-static"):
            rows = [row for seed in range(4) for row in run_rows(rng, seed, 1000, 0.0, 3)]
            for row in rows:
                if row["kind"] == "step" and allocator == "one-hot":
                    row["allocation"] = np.eye(3)[i]
                if row["kind"] == "final" and allocator == "one-hot":
                    row["final_change"] = effect[i] + 0.001 * rng.standard_normal(3)
            cell = {"allocator": allocator, "task": task, "budget": 1000, "seeds": [0, 1, 2, 3]}
            write_log(folder, rows, **cell)
    return folder


def test_the_heat_map_has_sign_number_and_mark(tmp_path: Path) -> None:
    effect = np.array([[0.2, -0.1, 0.0], [0.0, 0.3, 0.05], [-0.05, 0.0, 0.1]])
    report(one_hot(tmp_path, effect))
    found = pd.read_csv(tmp_path / "tables" / "report-transfer-1K.csv")
    np.testing.assert_allclose(found["effect"].to_numpy().reshape(3, 3), 100 * effect, atol=0.3)
    clear = np.abs(effect.ravel()) > 0.01
    assert (found["p_adjusted"].to_numpy()[clear] < 0.1).all()
    cells = [(a.get("class", ""), text) for a, text in Page(text_of(tmp_path)).all("td")]
    shown = [(kind, text) for kind, text in cells if re.fullmatch(r"[+-]\d+\.\d\*", text)]
    assert ("up4", "+29.9*") in shown or ("up4", "+30.0*") in shown or ("up4", "+30.1*") in shown
    assert all(("up" in kind) == text.startswith("+") for kind, text in shown)
    assert not any("unsure" in kind for kind, _ in shown)


def test_without_one_hot_runs_it_says_why_there_is_no_heat_map(tmp_path: Path) -> None:
    report(write_comparison(tmp_path, ("uniform", "task-static")))
    assert "No heat map: no run of one-hot" in text_of(tmp_path)


def test_one_seed_has_no_interval_and_says_so(tmp_path: Path) -> None:
    report(single(tmp_path))
    text = text_of(tmp_path)
    assert "with one seed there is no interval and no test" in text
    assert "nothing that could fall" in text
    assert not re.search(r"\bnan\b", text, flags=re.IGNORECASE)


def test_real_runs_are_named_by_what_differs(tmp_path: Path) -> None:
    report(distilled(tmp_path))
    rows = pd.read_csv(tmp_path / "tables" / "report-results.csv")
    assert set(rows["allocator"]) == {"task-static", "one-hot", "one-hot, cot-kd"}
    assert (rows["seeds"] == 3).all()


def test_sixty_four_capabilities(tmp_path: Path) -> None:
    names = [f"skill-{n}" for n in range(64)]
    report(write_comparison(tmp_path, ("one-hot", "task-static"), names=names, tasks=names[:2]))
    text = text_of(tmp_path)
    assert len(text) < 1_000_000
    assert text.count("<figure") == 3
    assert "huge" in text


# -- in a browser ------------------------------------------------------------------------------

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium (or google-chrome) on the path")
def test_a_browser_shows_it_without_a_word_on_the_console(tmp_path: Path) -> None:
    report(hostile(tmp_path))
    assert CHROMIUM is not None
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    done = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update"),
            *("--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--window-size=375,800", f"--screenshot={shot}", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert shot.stat().st_size > 5000, done.stderr
    assert "CONSOLE" not in done.stderr


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain(tmp_path)
    monkeypatch.setattr("sys.argv", ["readsim", "report", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "files of its tables" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "report.html").is_file()


def test_a_suite_is_scored_whatever_its_bound_is_called(tmp_path: Path) -> None:
    rules = {"oracle-best": "oracle-static", "even": "uniform", "task-static": "task-static"}
    worlds = ["from-scratch", "conflict"]
    compare(worlds, budgets="1M", allocators=rules, seeds=2, steps=2, out=tmp_path)
    report(tmp_path)
    text = text_of(tmp_path)
    assert "oracle-static is called oracle-best in the logs." in text
    table = pd.read_csv(tmp_path / "tables" / "report-suite.csv", index_col="allocator")
    score = table["iqm"].to_dict()
    assert set(score) == {"oracle-static", "uniform", "task-static"}
    assert score["oracle-static"] > score["uniform"] == 0
    assert "oracle-best=oracle-static" in text  # so it is repeated under the names of the logs
    assert re.search("--allocators [^ ]*oracle-best", text)


def test_a_suite_without_its_scale_says_why_it_has_no_scores(tmp_path: Path) -> None:
    for world in ("first", "second"):
        write_comparison(tmp_path / world, ("read", "task-static"), tasks=["math"])
    report(tmp_path)
    text = text_of(tmp_path)
    assert "there are no runs of uniform, oracle-static." in text
    assert "Who ends highest in each world" in text
    assert not (tmp_path / "tables" / "report-suite.csv").exists()


def test_what_stands_between_backticks_is_code(folder: Path) -> None:
    from readsim.report.render import with_code

    assert with_code("see `a <b>` & c") == "see <code>a &lt;b&gt;</code> &amp; c"
    own = [text for _, text in Page(text_of(folder)).all("p") if "`readsim" in text]
    assert own == []


def test_allocators_of_real_runs_are_not_called_methods(tmp_path: Path) -> None:
    report(distilled(tmp_path))
    assert ": 2 allocators, 2 methods, 3 seeds" in text_of(tmp_path)
    for path in (tmp_path / "runs").glob("*.cot-kd*"):
        path.unlink()
    report(tmp_path)
    assert ": 2 allocators, 3 seeds" in text_of(tmp_path)
