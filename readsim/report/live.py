"""Runs that are not over: how far each is, and the page of a folder that is made again while they go on."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from readsim.errors import RunLogError
from readsim.plots.profile import draw_profile
from readsim.plots.style import sober, to_svg
from readsim.report.provenance import listed, world_beside
from readsim.report.render import Figure, Notes, Part, Section, Table, render, text_cells
from readsim.runs.read_logs import Log, log_paths, read_log, run_folders
from readsim.suite.table import SIMULATED_WORLDS
from readsim.summary.lead import origin
from readsim.summary.show import fixed
from readsim.token_counts import show_tokens
from readsim.tree_file import write_atomic

LIVE = "live.html"
DRAWN = 4  # runs with a figure: those that go on, the latest first
CALM = 5  # looks without a new row before runs that are all over end a watch
HEADERS = ("run", "step", "tokens", "gain", "last tokens went to", "state")


class RunProgress(NamedTuple):
    """How far one run is, as its log says.

    gain   change of the probed utility since the start, in the log's unit; None before a decision
    mix    the last decision's largest shares, in words
    left   seconds to its end at the pace of its log so far; None where that is not known
    place  the folder of its world, in a folder of several
    """

    log: Log
    seed: int
    step: int
    spent: int
    gain: float | None
    mix: str
    over: bool
    left: float | None
    place: str = ""

    @property
    def name(self) -> str:
        """`read, math, 20M, seed 0`, behind the folder of its world where there are several."""
        header = self.log.header
        where = f"{self.place}: " if self.place else ""
        return f"{where}{header.allocator}, {header.task}, {show_tokens(header.budget)}, seed {self.seed}"

    @property
    def texts(self) -> list[str]:
        """The cells of `HEADERS`."""
        header = self.log.header
        unit, digits = header.scale.factor, 2 if header.unit == "score" else 4
        state = "over" if self.over else "running" if self.left is None else duration(self.left)
        return [
            self.name,
            f"{self.step} of {header.steps}",
            f"{show_tokens(self.spent)} of {show_tokens(header.budget)}",
            "-" if self.gain is None else fixed(unit * self.gain, digits, "+"),
            self.mix,
            state,
        ]


class FolderState(NamedTuple):
    """A folder at one moment: its runs, those that go on first, and logs that cannot be read now."""

    runs: list[RunProgress]
    unread: list[str]

    @property
    def over(self) -> bool:
        return bool(self.runs) and not self.unread and all(run.over for run in self.runs)

    @property
    def rows(self) -> int:
        """How many rows the logs have in all."""
        return sum(len(log.rows) for log in {id(run.log): run.log for run in self.runs}.values())

    @property
    def lead(self) -> str:
        """How many runs there are, and how many are over."""
        if not self.runs:
            return "There is no run log yet."
        over = sum(run.over for run in self.runs)
        return f"{len(self.runs)} runs have begun, {over} of them are over."


def look_at(folder: Path) -> FolderState:
    """The runs of the logs in `folder`, or of every world in it.

    A log that is being begun, or is damaged, is named in `unread`.
    """
    runs: list[RunProgress] = []
    unread: list[str] = []
    try:
        paths = [path for each in run_folders(folder) for path in log_paths(each)]
    except RunLogError:
        return FolderState([], [])
    for path in sorted(paths, key=lambda p: (-p.stat().st_mtime, p.name)):
        try:
            log = read_log(path)
            log.need("budget", "steps", "task", "allocator", "requirement", "sources")
        except RunLogError as error:
            unread.append(str(error))
            continue
        left = _seconds_left(log, path.stat().st_mtime)
        above = path.parent.parent  # of runs/
        place = above.name if above.parent == folder else ""
        runs += [_progress(log, seed, left)._replace(place=place) for seed in log.header.seeds]
    return FolderState(sorted(runs, key=lambda run: run.over), unread)


def _progress(log: Log, seed: int, left: float | None) -> RunProgress:
    steps = [row for row in log.steps if row.seed == seed]
    start = next((row for row in log.starts if row.seed == seed), None)
    over = any(row.seed == seed for row in log.finals)
    gain, mix = None, "-"
    if steps and start is not None:
        change = steps[-1].profile - start.profile
        gain = float(np.dot(change, log.header.requirement))
        most = np.argsort(-steps[-1].allocation, kind="stable")[:3]
        shares = [(log.header.sources[i], float(steps[-1].allocation[i])) for i in most]
        mix = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares if share >= 0.005)
    step, spent = (steps[-1].step, steps[-1].spent) if steps else (0, 0)
    return RunProgress(log, seed, step, spent, gain, mix, over, None if over else left)


def _seconds_left(log: Log, changed: float) -> float | None:
    """At the mean pace from the log's creation to its last change; None without a row or a date."""
    if log.header.created is None or not log.steps:
        return None
    spent = {row.seed: row.spent for row in log.steps}
    share = sum(spent.values()) / (log.header.budget * len(log.header.seeds))
    passed = changed - datetime.fromisoformat(log.header.created).timestamp()
    return passed * (1.0 - share) / share if share > 0.0 and passed > 0.0 else None


def duration(seconds: float) -> str:
    """`about 40 s left`, `about 12 min left`, `about 3.5 h left`."""
    if seconds < 90:
        return f"about {max(1.0, seconds):.0f} s left"
    minutes = seconds / 60
    return f"about {minutes:.0f} min left" if minutes < 90 else f"about {minutes / 60:.1f} h left"


def write_live(folder: Path, look: FolderState, every: float) -> Path:
    """Write the page of a look: it loads itself again after `every` seconds, until all runs are over."""
    refresh = None if look.over else max(1, round(every))
    title = f"{folder.resolve().name}: runs as they go"
    page = render(title, [_part(folder, look)], {}, "run logs alone", refresh=refresh)
    write_atomic(folder / LIVE, page.encode())
    return folder / LIVE


def _part(folder: Path, look: FolderState) -> Part:
    rows = [text_cells(run.texts) for run in look.runs]
    numbers = pd.DataFrame([run.texts for run in look.runs], columns=list(HEADERS))
    table = Table("live", "How far each run is", HEADERS, rows, 1, numbers)
    figures: list[Figure] = []
    for n, run in enumerate(run for run in look.runs if run.step > 0):
        if n == DRAWN:
            break
        log = run.log.of_seeds([run.seed])
        with sober():
            svg = to_svg(draw_profile(log, columns=2))
        names = [log.header.capabilities[j] for j in log.visible]
        alt = f"A panel a capability over tokens: {listed(names)}. Its table has the last step."
        figures.append(Figure(f"run-{n + 1}", run.name, alt, "", [svg], names))
    places = {run.place for run in look.runs}
    header = look.runs[0].log.header if look.runs else None
    about_numbers = SIMULATED_WORLDS
    if len(places) < 2:
        where = folder / "".join(places)
        about_numbers = "" if header is None else origin(header, world_beside(where, header))
    about = (
        "Time left: at the mean pace since a log was begun, its breaks included. Gain: change of the probed "
        "utility, in points or in loss."
    )
    sections = [Section("Progress", (), [table, Notes([about])])]
    if figures:
        sections.append(Section("Scores so far", (), figures))
    return Part(
        title="runs",
        kind="live",
        lead=[look.lead],
        sections=sections,
        left_out=look.unread,
        origin=about_numbers,
    )


def follow_runs(
    folder: Path,
    show: Callable[[FolderState], None],
    pause: Callable[[], None],
    looks: int | None = None,
) -> FolderState:
    """Look, show and pause, until all runs are over and `CALM` looks saw nothing new, or `looks` times."""
    seen: list[int] = []
    while True:
        look = look_at(folder)
        show(look)
        seen = [*seen, look.rows][-CALM:]
        if look.over and (len(seen) == CALM and len(set(seen)) == 1):
            return look
        if looks is not None and (looks := looks - 1) <= 0:
            return look
        pause()


def texts_of(looked: Sequence[RunProgress], most: int) -> list[list[str]]:
    """The rows of a table of at most so many runs; the last says how many are left out."""
    rows = [run.texts for run in looked[:most]]
    if more := len(looked) - most:
        rows += [[f"and {more} more", *("" for _ in HEADERS[1:])]] if more > 0 else []
    return rows
