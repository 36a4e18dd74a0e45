"""Finished runs side by side: what may be compared, and the numbers against plain formulas."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from readsim.errors import ConfigError, RunLogError, UnknownNameError
from readsim.runs.log_file import RunLog
from tests.cli.test_app import call
from tests.support.hf import NEEDS, char_pair

pytestmark = pytest.mark.extra(*NEEDS)

NAMES = ["general", "math"]


def write(
    folder: Path, allocator: str, seed: int, rng: Any, method: str = "logit-kd", **changed: Any
) -> Any:
    """A finished run with random item scores; `changed` are entries of its manifest."""
    manifest = {
        "pair": "nano",
        "student": "s",
        "training": {"batch": 4},
        "versions": {"torch": "1"},
    }
    manifest |= {"method": method, "signal": "", "objective": "", **changed}
    config = {
        "allocator": allocator,
        "budget": 100,
        "steps": 2,
        "weights": [0.25, 0.75],
        "capabilities": NAMES,
        "manifest": manifest,
    }
    items = {
        name: rng.integers(0, 2, 40).astype(float) for name in ("general-a", "math-a", "math-b")
    }
    profile = np.array(
        [items["general-a"].mean(), (items["math-a"].mean() + items["math-b"].mean()) / 2]
    )
    path = folder / "runs" / f"{allocator}.{method}.{seed}.jsonl"
    with RunLog.create(path, config=config, seeds=[seed]) as log:
        log.append([{"kind": "final", "seed": seed, "final_profile": profile}])
    tested = {
        "benchmarks": {
            "general-a": ["general", "a"],
            "math-a": ["math", "a"],
            "math-b": ["math", "b"],
        },
        "ids": {"general-a": "x"},
        "after": {name: scores.tolist() for name, scores in items.items()},
    }
    path.with_suffix(".json").write_text(json.dumps({"test": tested}))
    return profile, items


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    """With three seeds a t interval, as scipy has it; the utility is the weighted mean."""
    from readsim_hf.scores import check_fair, difference, read_tested, scores

    rng = np.random.default_rng(0)
    made = {a: [write(tmp_path, a, s, rng)[0] for s in range(3)] for a in ("read", "uniform")}
    runs = read_tested(tmp_path)
    check_fair(runs)
    apart = difference(runs, "read, logit-kd", "uniform, logit-kd")
    assert apart.over == "seeds"
    rows = np.array(made["read"]) - np.array(made["uniform"])
    whole = np.column_stack([rows, rows @ [0.25, 0.75]])
    assert np.allclose(apart.mean, whole.mean(axis=0))
    for n in range(3):
        low, high = stats.ttest_1samp(whole[:, n], 0).confidence_interval(0.95)
        assert np.isclose(2 * apart.half[n], high - low)
    assert np.allclose(scores(runs, "read, logit-kd")[:2], np.mean(made["read"], axis=0))
    with pytest.raises(UnknownNameError, match="uniform, logit-kd"):
        difference(runs, "read, logit-kd", "uniform")


def test_with_one_seed_the_interval_is_over_items(tmp_path: Path) -> None:
    from readsim_hf.scores import difference, read_tested

    rng = np.random.default_rng(1)
    items = [write(tmp_path, "one-hot", 0, rng, m)[1] for m in ("cot-kd", "logit-kd")]
    apart = difference(read_tested(tmp_path), "one-hot, cot-kd", "one-hot, logit-kd")
    assert apart.over == "items"
    se = {n: stats.sem(items[0][n] - items[1][n]) for n in items[0]}
    math = np.hypot(se["math-a"], se["math-b"]) / 2
    assert np.allclose(apart.half[:2], 1.96 * np.array([se["general-a"], math]))
    assert np.isclose(apart.half[2], 1.96 * np.hypot(0.25 * se["general-a"], 0.75 * math))


def test_unlike_runs_are_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(2)
    write(tmp_path, "read", 0, rng)
    write(tmp_path, "uniform", 0, rng, training={"batch": 8})
    code, _, err = call(capsys, "scores", str(tmp_path))
    assert code == 2
    assert "training.batch" in " ".join(err.split())
    other = tmp_path / "other"
    write(other, "read", 0, rng)
    write(other, "uniform", 1, rng)
    code, _, err = call(capsys, "scores", str(other))
    assert code == 2
    assert "different seeds" in " ".join(err.split())
    shutil.copy(other / "runs/read.logit-kd.0.jsonl", other / "runs/copy.jsonl")
    shutil.copy(other / "runs/read.logit-kd.0.json", other / "runs/copy.json")
    code, _, err = call(capsys, "scores", str(other))
    assert code == 2
    assert "twice" in err
    code, _, err = call(capsys, "scores", str(tmp_path / "none"))
    assert code == 2
    assert "no finished run" in " ".join(err.split())


def test_versions_and_methods_may_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    write(tmp_path, "read", 0, rng)
    write(tmp_path, "one-hot", 0, rng, "cot-sft", versions={"torch": "2"})
    code, out, _ = call(capsys, "scores", str(tmp_path), "--reference", "read, logit-kd")
    assert code == 0
    assert "over items" in out
    assert (tmp_path / "scores.csv").read_text().count("\n") == 1 + 2 * 3
    code, _, err = call(capsys, "scores", str(tmp_path), "--reference", "red")
    assert code == 2
    assert "read, logit-kd" in err


@pytest.fixture
def small_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """`readsim distill` on the tiny pair, with an identifier that is soon trained."""
    import readsim_hf.distill
    import readsim_hf.results

    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.setenv("TERMINAL_WIDTH", "220")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(readsim_hf.distill, "load_pair", lambda *_, **__: char_pair())
    monkeypatch.setattr(readsim_hf.results, "draw_profile", lambda *_: None)
    monkeypatch.setattr(readsim_hf.results, "save", lambda *_: None)
    tables = "[probes]\ntest = 4\nmax_new_tokens = 8\n[decoding]\nmax_new_tokens = 12\n"
    quick = "[identifier]\nsteps = 3\nmixtures = 2\nwordings = 1\nmembers = 2\n"
    Path("small.toml").write_text(tables + "[data]\ngroup = 4\n" + quick)
    return (
        *("distill", "--config", "small.toml", "--budget", "600", "--steps", "3", "--cache", ""),
        *(
            "--probe-items",
            "3",
            "--batch",
            "2",
            "--task",
            "math",
            "--pool-runs",
            "2",
            "--out",
            "out",
        ),
    )


def test_read_identifies_allocates_and_stands_beside_the_others(
    small_runs: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole loop in miniature; killed in its interventions, resumed, and compared in the end."""
    from readsim_hf.backend import HFBackend

    read = (*small_runs, "--identify", "--allocator", "read+pool=30+guard=0.1")
    train, calls = HFBackend.run_interval, []

    def killed(self: Any, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HFBackend, "run_interval", killed)
        code, _, err = call(capsys, *read)
    assert code == 130
    assert "the same command goes on" in err
    code, out, _ = call(capsys, *read)
    assert code == 0
    assert "requirement:" in out
    (log,) = Path("out/runs").glob("read*.jsonl")
    header, *rows = map(json.loads, log.read_text().splitlines())
    found = header["config"]["identified"]
    assert np.isclose(sum(found["requirement"]), 1)
    assert header["config"]["requirement"] == found["requirement"]
    assert header["config"]["weights"] != found["requirement"]
    assert rows[-1]["totals"]["offline"] == 2 * 200
    assert {"mu", "sigma", "kappa", "calibration"} <= set(rows[1]["report"])
    assert rows[1]["dev_profile"] is not None
    # the others, and the table of all
    assert call(capsys, *small_runs, "--allocator", "task-static")[0] == 0
    code, out, _ = call(capsys, *small_runs, "--allocator", "one-hot", "--method", "resp-sft")
    assert code == 0
    for label in ("task-static, logit-kd", "identified", "one-hot, resp-sft"):
        assert label in out
    code, out, _ = call(capsys, "scores", "out", "--reference", "one-hot, resp-sft")
    assert code == 0
    assert out.count("±") >= 2 * 9


def test_a_card_of_the_users_is_read_and_one_with_a_test_item_refused(tmp_path: Path) -> None:
    from readsim.envs.env import DistillEnv
    from readsim_hf.config import RunConfig
    from readsim_hf.identify import identify
    from tests.support.hf_runs import small

    card = {"description": "Zeichne Elefanten", "format": "blau", "evaluation": "Jury"}
    lines = "\n".join(f'{k} = "{v}"' for k, v in card.items())
    path = tmp_path / "mine.toml"
    path.write_text(lines)
    quick = {"card": str(path), "steps": 2, "mixtures": 1, "wordings": 1, "members": 1}
    backend = small()
    config = RunConfig.of({"budget": 120, "steps": 2, "pool_runs": 2, "identifier": quick})
    env = DistillEnv(backend=backend, task={"math": 0.8, "general": 0.2}, steps=2)
    task, found = identify(config, env, tmp_path / "bench")
    assert found.source == "uniform"
    assert np.allclose(task.requirement, 0.5)
    assert np.allclose(task.weights, env.setting.task.weights)
    again, _ = identify(config, env, tmp_path / "bench")
    assert np.array_equal(again.requirement, task.requirement)
    backend.parts.suite.open_test()
    item = backend.parts.suite.splits.prompts("test")[0].text
    path.write_text(f'{lines}\nexemplars = [{{ input = "{item}", output = "x" }}]')
    with pytest.raises(ConfigError, match="is an item of the test split"):
        identify(config, env, tmp_path / "bench")


def test_nothing_is_read_of_a_run_that_an_older_readsim_made(tmp_path: Path) -> None:
    from readsim_hf.scores import read_tested

    write(tmp_path, "read", 0, np.random.default_rng(4))
    (beside,) = (tmp_path / "runs").glob("*.json")
    beside.write_text("{}")
    with pytest.raises(RunLogError, match="no finished run"):
        read_tested(tmp_path)
