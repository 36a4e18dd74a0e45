"""A finished run compared with its plan: tokens by kind, seconds by part, and the forecast."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError, RunLogError
from readsim.plots.forecast import draw_forecast, inside
from readsim.plots.style import save, sober
from readsim.runs import fields
from readsim.runs.comparing import differences
from readsim.runs.forecast import Outlook
from readsim.runs.read_logs import read_log
from readsim.runs.rows import FinalRow, RunHeader
from readsim.tree_file import load_facts
from readsim.worlds.task import task_name
from readsim_hf.config import RunConfig, run_name
from readsim_hf.costs.devices import Device
from readsim_hf.plan.estimate import Work
from readsim_hf.teachers.connection import is_server
from readsim_hf.token_estimate import TokenEstimate

LONGEST = 1e10  # seconds of a run
SHARED = ("budget", "steps", "allocator", "task")


class Finished(NamedTuple):
    """A run that is over: its log's header and last row, and seconds by part."""

    path: Path
    header: RunHeader
    final: FinalRow
    seconds: Mapping[str, float]


def finished(folder: Path, config: RunConfig, title: str) -> Finished:
    """The run of these settings in a folder that `readsim distill` wrote.

    Raises RunLogError where it is not there or not over, ConfigError where its log is of other settings.
    """
    path = folder / "runs" / f"{run_name(config)}.jsonl"
    if not path.is_file():
        there = sorted(p.stem for p in path.parent.glob("*.jsonl"))
        raise RunLogError(
            f"no run log {path}; the folder holds {', '.join(there) or 'no run'}: give the run's own "
            "settings (its .toml as --config) and its --out"
        )
    log = read_log(path)
    wanted: dict[str, Any] = {name: getattr(config, name) for name in SHARED}
    wanted |= {"task": task_name(config.task), "world": f"hf:{title}"}
    found = {name: getattr(log.header, name) for name in wanted}
    if any(map(is_server, (config.pair.teacher or "", *config.pair.teachers.values()))):
        for said in (wanted, found):  # a run knows what its server serves, a plan only where it is
            said["world"] = str(said["world"]).rpartition(" -> ")[2]
    if unlike := differences(found, wanted):
        told = "; ".join(difference.between("in the run", "in the plan") for difference in unlike)
        raise ConfigError(f"{path}: {told}")
    if log.unfinished():
        raise RunLogError(f"{path} is unfinished: finish it (readsim distill --resume) first")
    facts = path.with_suffix(".json")
    seconds = _seconds(facts) if facts.is_file() else {}
    return Finished(path, log.header, log.finals[-1], seconds)


def _seconds(path: Path) -> dict[str, float]:
    """By part, of the facts beside the log. Raises RunLogError for what are none."""
    facts = load_facts(path)
    if not fields.has(facts, "seconds"):
        return {}
    table, most = fields.object_in(facts, "seconds", str(path)), fields.Range(0.0, LONGEST)
    return {key: fields.number_in(table, key, f"{path}: seconds", most) for key in tuple(table)}


class Compared(NamedTuple):
    """One kind of tokens: planned, measured, measured / planned (NaN for 0 / 0)."""

    kind: str
    planned: float
    measured: int
    ratio: float


def compare_tokens(spent: TokenEstimate, totals: Mapping[str, int]) -> list[Compared]:
    """Every kind that was planned or used."""
    out = []
    for kind, measured in totals.items():
        planned = spent.kinds.get(kind, 0.0)
        if planned or measured:
            out.append(Compared(kind, planned, measured, measured / planned if planned else np.nan))
    return out


class Speed(NamedTuple):
    """What this machine did in one part of a run: seconds, planned operations, operations a second."""

    part: str
    seconds: float
    flops: float

    @property
    def rate(self) -> float:
        return self.flops / self.seconds if self.seconds else float("nan")


def speeds(work: Sequence[Work], seconds: Mapping[str, float]) -> list[Speed]:
    """Of training, the teacher's part and the probes."""
    return [
        Speed(part, seconds[part], sum(w.flops for w in work if w.part == part))
        for part in ("train", "teacher", "probe")
        if part in seconds
    ]


class Correction(NamedTuple):
    """The shares of a device's peak and bandwidth at which the plan would have foretold a finished run."""

    device: str
    mfu: float
    generation: float


def corrections(
    work: Sequence[Work],
    seconds: Mapping[str, float],
    devices: Sequence[Device],
    mfu: float,
    mfu_generation: float,
) -> list[Correction]:
    """For each kind of device, as if the run had been there: training's planned seconds over the measured
    ones, times the share assumed; and the same of replies and probes. None where the run has no seconds."""
    if not seconds.get("train"):
        return []
    out = []
    for device in devices:
        planned = {
            part: sum(w.seconds(device, mfu, mfu_generation) for w in work if w.part == part)
            for part in ("train", "teacher", "probe")
        }
        wrote = sum(seconds.get(part, 0.0) for part in ("teacher", "probe"))
        own = mfu * planned["train"] / seconds["train"]
        writing = planned["teacher"] + planned["probe"]
        written = mfu_generation * writing / wrote if wrote else mfu_generation
        out.append(Correction(device.name, own, written))
    return out


def correction_notes(found: Sequence[Correction], device: str) -> list[str]:
    """What a finished run says of the plan's shares, if it was not on the CPU, of which a plan has none."""
    if device == "cpu":
        return [
            "the run was on the CPU (pair.device): its speeds correct no share of an accelerator's"
        ]
    return [
        f"if this was {one.device}: --mfu {one.mfu:.3g} and --mfu-generation "
        f"{one.generation:.3g} reproduce the time that the run took"
        for one in found
    ]


class ForecastCheck(NamedTuple):
    """A forecast compared with what was measured, utility last: scores (K + 1,), their standard errors over
    test items, and whether each is in its interval."""

    names: tuple[str, ...]
    measured: Array
    error: Array
    inside: NDArray[np.bool_]


def check_forecast(
    foretold: Outlook, run: Finished, weights: Array, test_items: Sequence[int]
) -> ForecastCheck:
    """The error of a score p of n items is sqrt((p - l) (1 - p) / n) with the lowest score l, the
    utility's that of the weighted sum.

    Raises ConfigError where the world's capabilities are not the run's.
    """
    names = run.header.capabilities
    if foretold.names[:-1] != names:
        raise ConfigError(
            f"the world {foretold.world!r} has the capabilities {', '.join(foretold.names[:-1])}, the run "
            f"has {', '.join(names)}"
        )
    scores = run.final.final_profile
    above = scores - run.header.scale.lowest
    own = np.sqrt(np.clip(above * (1.0 - scores), 0.0, None) / np.array(test_items))
    measured = np.append(scores, run.final.utility)
    error = np.append(own, float(np.sqrt(weights**2 @ own**2)))
    return ForecastCheck(
        foretold.names, measured, error, inside(foretold.low, foretold.high, measured)
    )


def draw_checked(foretold: Outlook, checked: ForecastCheck, stem: Path) -> list[Path]:
    """`STEM.pdf`, `STEM.png` and `STEM.svg`."""
    mean, low, high = (100.0 * a for a in (foretold.mean, foretold.low, foretold.high))
    measured, error = 100.0 * checked.measured, 100.0 * checked.error
    with sober():
        return save(draw_forecast(checked.names, mean, low, high, measured, error), stem)
