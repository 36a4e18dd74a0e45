"""The statements on anyone's run logs, simulated or real: what can be said from measured rows.

Logs hold noisy profiles at the tokens a run happened to have, and rewards of the choices it made. So
Assumption 4.4 becomes three tests of nested fits (`shape_tests`); calibrated uncertainty (Assumption C.1)
is seen at played choices only, with the noise of the reward in it; of Proposition 4.7 only the half of
the proof that concerns the played choice can be broken in sight.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, RunLogError
from readsim.fitting.table import Options, read_run_table
from readsim.runs.read_logs import Log, log_paths, read_log
from readsim.runs.rows import StepRow
from readsim.stats.intervals import t_interval
from readsim.theory.calibration import coverage, mean_interval
from readsim.theory.gains import ADVICE
from readsim.theory.result import Effect, PaperStatement, Result, Verdict, needs
from readsim.theory.shape_tests import SEEN, additive_test, concave_test, nondecreasing_test

ALPHA = 0.05
TESTS = {"adds up": additive_test, "concave": concave_test, "nondecreasing": nondecreasing_test}
ONE_BUDGET = 0.01  # rows whose tokens differ by less than this part have one budget


class MeasuredRun(NamedTuple):
    """One run. T decisions: tokens (T, S) cumulative, utility (T,) = r . p_hat, steps as logged.

    Of a table: T rows, one score as the utility, and no steps. `is_score`: in [0, 1], not a negated loss.
    """

    task: str
    tokens: Array
    utility: Array
    steps: list[StepRow]
    requirement: Array
    is_score: bool = True


def measured_runs(
    folder: Path,
    lacking: Callable[[str], None] | None = None,
    said: Callable[[str], None] = lambda text: None,
    options: Options | None = None,
) -> list[MeasuredRun]:
    """Every run of a log, or of all logs in a folder (or its `runs`), as far as it has come; `lacking` is
    told which are unfinished, `said` what was read. A .csv or .tsv is a table of runs, read by `options`.
    Raises ConfigError, RunLogError."""
    if folder.suffix in (".csv", ".tsv"):
        return tabled_runs(folder, said, options)
    if options is not None:
        raise ConfigError(f"{folder}: run logs need no options that describe columns")
    logs = [read_log(path) for path in log_paths(folder)]
    for log in logs:
        if lacking is not None and (short := log.shortfall()):
            lacking(short)
    runs = [run for log in logs for run in _runs_of(log)]
    if not runs:
        raise RunLogError(f"{folder}: the logs hold no decisions yet")
    if len({run.tokens.shape[1] for run in runs}) > 1:
        raise ConfigError(f"{folder}: the logs have different sources: one set at a time")
    names = ", ".join(logs[0].header.sources)
    said(f"{len(runs)} runs of {len(logs)} logs; sources: {names}")
    return runs


def tabled_runs(
    path: Path,
    said: Callable[[str], None] = lambda text: None,
    options: Options | None = None,
) -> list[MeasuredRun]:
    """The runs of a table as `readsim fit` reads it, with each measured score as a task of its own.

    Rows of one name are one run at its tokens so far, in any order; a row without a name is a run. Where no
    column says how many tokens, all runs are taken to be as long. Raises ConfigError.
    """
    table = read_run_table(path, None, replace(options or Options(), budget=1.0, one_run=True))
    for note in table.notes:
        said(note)
    label, out = np.array(table.label), []
    alone = np.eye(len(table.capabilities))
    for name, score, requirement in zip(table.capabilities, table.profiles.T, alone, strict=True):
        for one in dict.fromkeys(table.label):
            rows = (label == one) & np.isfinite(score)
            if rows.any():
                run = MeasuredRun(name, table.tokens[rows], score[rows], [], requirement)
                out.append(run._replace(is_score=table.scale.unit != "losses"))
    return out


def _runs_of(log: Log) -> Iterator[MeasuredRun]:
    log.need("requirement", "sources")
    requirement = np.array(log.header.requirement)
    for seed in dict.fromkeys(row.seed for row in log.steps):
        steps = [row for row in log.steps if row.seed == seed]
        profiles = np.array([row.profile for row in steps])
        if profiles.shape[1] != len(requirement):
            raise RunLogError(
                f"{log.path}: profiles of {profiles.shape[1]}, requirement of {len(requirement)}"
            )
        fed = np.array([row.allocation * row.tokens for row in steps])
        task = log.header.task or "task"
        utility, is_score = profiles @ requirement, log.header.scale.is_score
        yield MeasuredRun(task, fed.cumsum(axis=0), utility, steps, requirement, is_score)


def check_gains(
    runs: list[MeasuredRun], subject: str, tick: Callable[[], None] = lambda: None
) -> list[Result]:
    """Assumption 4.4 for each task: does U add up over sources, are its parts concave, do these never fall?

    A small p refutes. A large one holds where the test would have seen a departure of one point rms (.01 of
    a loss) with a power of 80 %, and decides nothing elsewhere. The size is what the wider fit adds, noise
    included. `tick` is called after each test. Raises ConfigError for too few runs.
    """
    out = []
    for task in dict.fromkeys(run.task for run in runs):
        chosen = [run for run in runs if run.task == task]
        tokens = np.concatenate([run.tokens for run in chosen])
        y = np.concatenate([run.utility for run in chosen])
        number = np.concatenate([np.full(len(r.utility), n) for n, r in enumerate(chosen)])
        total = tokens.sum(axis=1)
        same = bool(np.ptp(total) <= ONE_BUDGET * total.max())
        unit, per_unit = ("points", 100) if chosen[0].is_score else ("of the loss", 1)
        amount = f"{per_unit * SEEN:g} {unit}".replace("1 points", "1 point")
        for part, test in TESTS.items():
            found = test(tokens, y, number)
            result = Result(
                statement=f"{PaperStatement.CONCAVE_GAINS}: {part}",
                subject=subject,
                task=task,
                measure=f"p of a test of level 5 % over {len(chosen)} runs",
                statistic=found.p,
                bound=ALPHA,
                sense=">=",
                effect=Effect(per_unit * found.size, f"{unit} rms, noise included"),
                power=found.power,
                seen=f"a departure of {amount} rms along the mixtures that these runs visited",
            )
            fails = result.verdict is Verdict.FAILS
            advice = ADVICE[part] if fails else _more_runs(found.power, same)
            out.append(replace(result, advice=advice))
            tick()
    return out


def _more_runs(power: float, one_budget: bool) -> str:
    """What would decide what a test of runs leaves open."""
    if one_budget:
        return (
            "all runs have one budget, and shares alone cannot tell an interaction, a curve and a common "
            "slope apart: measure runs at several budgets"
        )
    if np.isnan(power):
        return (
            "these runs have no mixtures along which a departure would show: vary sources together"
        )
    return f"a power of {power:.0%} is too low to say that it holds: measure more runs"


def check_proxy(runs: list[MeasuredRun], subject: str) -> Result:
    """The slope a of dev utility on the summed proxy reward of a run, over runs; a > 0 is needed (S3.3).

    Raises CapabilityMissingError if no run has two dev checkpoints.
    """
    slopes = []
    for run in runs:
        rewards = [row.reward for row in run.steps if row.reward is not None]
        if len(rewards) < len(run.steps):
            continue
        total = np.cumsum(rewards)
        at = [n for n, row in enumerate(run.steps) if row.dev_profile is not None]
        dev = np.array([run.steps[n].dev_profile for n in at], dtype=np.float64)
        if len(at) > 1 and np.ptp(total[at]) > 0:
            slopes.append(float(np.polyfit(total[at], dev @ run.requirement, 1)[0]))
    if not slopes:
        needs(PaperStatement.PROXY, runs, "two dev checkpoints in a run (dev_profile)")
    mean, (low, high) = float(np.mean(slopes)), t_interval(np.array(slopes))
    return Result(
        statement=PaperStatement.PROXY,
        subject=subject,
        measure="slope of dev utility on summed reward, mean over runs",
        statistic=mean,
        interval=(low, high) if len(slopes) > 1 else (-np.inf, np.inf),
        bound=0.0,
        sense=">=",
        advice="a slope of 0 or below means that probes reward what the dev split does not show",
    )


def check_beliefs(runs: list[MeasuredRun], subject: str, delta: float = 0.1) -> list[Result]:
    """Assumption C.1 (calibrated uncertainty) and the played half of Proposition 4.7.

    Both come from the logged mu, sigma, kappa and reward of each choice.

    Raises CapabilityMissingError if no run's report has them (only model-based allocators do).
    """
    inside, above = [], []
    error, sigma = [], []
    for run in runs:
        reports = [row.report for row in run.steps]
        said = [r for r in reports if {"mu", "sigma", "reward", "kappa"} <= set(r)]
        if not said:
            continue
        gap = np.array([r["reward"] - r["mu"] for r in said])
        width = np.array([r["kappa"] * r["sigma"] for r in said])
        inside.append(coverage(gap, width, 1.0))
        above.append(float(np.mean(gap >= -width)))
        error.append(gap)
        sigma.append(np.array([r["sigma"] for r in said]))
    if not inside:
        needs(PaperStatement.CALIBRATED, runs, "mu, sigma, kappa and reward in its reports")
    rows = (
        (
            f"{PaperStatement.CALIBRATED}: played",
            "coverage of the reward by mu +- kappa sigma, played choices",
            inside,
        ),
        (
            f"{PaperStatement.STEP_REGRET}: played",
            "share of steps with reward >= mu - kappa sigma",
            above,
        ),
    )
    out = []
    for statement, measure, values in rows:
        mean, low, high = mean_interval(np.array(values))
        out.append(
            Result(
                statement=statement,
                subject=subject,
                measure=measure,
                statistic=mean,
                interval=(low, high),
                bound=1.0 - delta,
                sense=">=",
                advice="the noise of the logged reward counts as error here",
                detail={"error": np.concatenate(error), "sigma": np.concatenate(sigma)},
            )
        )
    return out
