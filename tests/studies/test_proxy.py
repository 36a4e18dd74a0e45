"""The proxy validation against a recomputation from the rows, and what it must refuse."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import linregress, pearsonr, spearmanr

from readsim.errors import RunLogError
from readsim.runs.read_logs import read_logs
from studies.proxy.steps import promises, statistics, steps_of
from studies.proxy.study import STUDY
from tests.support.made_logs import NAMES, final_row, write_log

STEPS, SEEDS = 6, (0, 1, 2)
R = np.array([0.6, 0.3, 0.1])


def run(rng: np.random.Generator, seed: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"kind": "start", "seed": seed, "profile": [0.4, 0.4, 0.4]}]
    for step in range(1, STEPS + 1):
        mu, sigma, noise = rng.normal(0.0, 0.01), 0.01 * rng.random(), rng.normal(0.0, 0.01)
        report = {"mu": mu, "sigma": sigma, "reward": mu + noise, "kappa": 0.7}
        report["calibration"] = rng.normal()
        shares = rng.dirichlet(np.ones(3) * 5.0)
        row = {"kind": "step", "seed": seed, "step": step, "tokens": 5, "spent": 5 * step}
        profile = (0.4 + 0.1 * rng.random(3)).tolist()
        rows.append({**row, "allocation": shares.tolist(), "profile": profile, "report": report})
    return [*rows, final_row(seed, 0.5, [0.5] * 3, final_change=rng.uniform(-1.0, 1.0, 3).tolist())]


def write(folder: Path, allocator: str = "read", **config: Any) -> list[list[dict[str, Any]]]:
    rng = np.random.default_rng(1)
    out = []
    for task in ("math", "code"):
        rows = [row for seed in SEEDS for row in run(rng, seed)]
        about = {
            "allocator": allocator,
            "task": task,
            "budget": 30,
            "seeds": list(SEEDS),
            "steps": STEPS,
        }
        write_log(folder, rows, **{**about, **config})
        out.append(rows)
    return out


def steps(rows: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    return [row for row in rows if row["kind"] == "step" and row["seed"] == seed]


def test_effects_by_hand(tmp_path: Path) -> None:
    logs = write(tmp_path)
    findings = STUDY.findings({"made": read_logs(tmp_path)})
    effects = {key: np.asarray(values) for key, values in findings.effects.items()}
    for n, seed in enumerate(SEEDS):
        runs = [steps(rows, seed) for rows in logs]
        mu, real, sigma, kappa = (
            np.array([row["report"][key] for rows in runs for row in rows])
            for key in ("mu", "reward", "sigma", "kappa")
        )
        assert effects["aligned", "made"][n] == pytest.approx(spearmanr(mu, real).statistic)
        within = [spearmanr(mu[s], real[s]).statistic for s in (slice(0, 6), slice(6, 12))]
        assert effects["aligned-within", "made"][n] == pytest.approx(np.mean(within))
        assert effects["unshrunk", "made"][n] == pytest.approx(linregress(mu, real).slope)
        error = abs(mu - real)
        covered = 100 * np.mean(error <= kappa * sigma)
        assert effects["covered", "made"][n] == pytest.approx(covered)
        last = [rows[-1]["report"]["calibration"] > 0 for rows in runs]
        assert effects["dev-slope", "made"][n] == pytest.approx(100 * np.mean(last))


def test_small_and_large_moves(tmp_path: Path) -> None:
    rows = write(tmp_path)[0]
    frame = steps_of([log for log in read_logs(tmp_path) if log.header.task == "math"])
    frame = frame[frame["seed"] == 1]
    own = steps(rows, 1)
    errors: dict[bool, list[float]] = {True: [], False: []}
    for before, row in pairwise(own):
        moved = sum(
            abs(a - b) for a, b in zip(row["allocation"], before["allocation"], strict=True)
        )
        errors[moved <= 0.5].append(100 * abs(row["report"]["mu"] - row["report"]["reward"]))
    found = statistics(frame)
    assert errors[True]
    assert errors[False]
    assert found["error, small moves"] == pytest.approx(np.mean(errors[True]))
    assert found["error, large moves"] == pytest.approx(np.mean(errors[False]))
    moves = [
        np.abs(np.subtract(row["allocation"], before["allocation"])).sum()
        for before, row in pairwise(own)
    ]
    gaps = [abs(row["report"]["mu"] - row["report"]["reward"]) for row in own[1:]]
    assert found["Spearman of error and move"] == pytest.approx(spearmanr(gaps, moves).statistic)
    real = [row["report"]["reward"] for row in own]
    assert found["of minus the last R"] == pytest.approx(-spearmanr(real[:-1], real[1:]).statistic)
    mu = [row["report"]["mu"] for row in own]
    assert found["Pearson"] == pytest.approx(pearsonr(mu, real).statistic)


def test_promises_by_hand(tmp_path: Path) -> None:
    rows = write(tmp_path)[1]
    log = next(log for log in read_logs(tmp_path) if log.header.task == "code")
    (line,) = promises("made", [log])
    gains = [R @ (np.array(steps(rows, s)[-1]["profile"]) - 0.4) for s in SEEDS]
    assert line["gain on probes"] == pytest.approx(100 * np.mean(gains))
    ends = [row["final_change"] for row in rows if row["kind"] == "final"]
    assert line["gain on test"] == pytest.approx(100 * np.mean(ends, axis=0) @ R)
    rewards = [sum(row["report"]["reward"] for row in steps(rows, s)) for s in SEEDS]
    assert line["sum of rewards"] == pytest.approx(100 * np.mean(rewards))


def test_a_folder_without_read_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "uniform")
    with pytest.raises(RunLogError, match="uniform"):
        STUDY.findings({"made": read_logs(tmp_path)})


def test_a_missing_prediction_is_named(tmp_path: Path) -> None:
    rows = run(np.random.default_rng(0), 4)
    del rows[3]["report"]["sigma"]
    write_log(tmp_path, rows, allocator="read", task="math", budget=30, seeds=[4], steps=STEPS)
    with pytest.raises(RunLogError, match="seed 4, step 3: its report lacks sigma"):
        STUDY.findings({"made": read_logs(tmp_path)})


def test_runs_that_never_move_tell_nothing_of_moves(tmp_path: Path) -> None:
    rows = run(np.random.default_rng(0), 0)
    for row in rows:
        if row["kind"] == "step":
            row["allocation"] = [1.0, 0.0, 0.0]
    write_log(tmp_path, rows, allocator="read", task=NAMES[0], budget=30, seeds=[0], steps=STEPS)
    found = STUDY.findings({"made": read_logs(tmp_path)}).effects
    assert np.asarray(found["small-moves", "made"]).tolist() == [0.0]
