"""The part of a report that shows a suite: all allocators over all its worlds."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from readsim.allocators.registry import display_order, is_oracle
from readsim.errors import RunLogError
from readsim.files.frame import read_frame
from readsim.plots.style import sober, to_svg
from readsim.report.provenance import (
    alias_options,
    budget_text,
    listed,
    runs_text,
    seeds_text,
    unique,
    versions_of,
    world_beside,
    world_option,
)
from readsim.report.reading import Group, read_groups
from readsim.report.render import Code, Facts, Figure, Notes, Part, Section, Table, text_cells
from readsim.runs.rows import RunHeader
from readsim.suite.features import draw_features, feature_cases, feature_table
from readsim.suite.figure import suite_panels
from readsim.suite.plan import SCALE
from readsim.suite.scores import Scores, scores_of
from readsim.suite.table import COLUMNS, SIMULATED_WORLDS, suite_notes, suite_table, top_lines
from readsim.summary import summarise
from readsim.summary.lead import TIED, headline
from readsim.summary.results import results_of
from readsim.summary.show import fixed
from readsim.token_counts import show_tokens

TIMINGS = ("allocator", "task", "budget", "seconds", "decisions")


class Place(NamedTuple):
    """One world of a suite. `runs` and `timings` call by their own names allocators that scores are measured
    against, whatever the user called them."""

    name: str
    group: Group
    runs: pd.DataFrame
    folder: Path

    @property
    def renamed(self) -> dict[str, str]:
        """What the user called them -> their own names, where nothing else has these."""
        headers = self.group.headers.values()
        known = {
            h.allocator: str(h.settings["alias_of"]) for h in headers if "alias_of" in h.settings
        }
        there = {h.allocator for h in headers}
        return {name: spec for name, spec in known.items() if spec in SCALE and spec not in there}

    @property
    def timings(self) -> pd.DataFrame | None:
        file = self.folder / "timings.csv"
        if not file.is_file():
            return None
        return read_frame(file, TIMINGS).replace({"allocator": self.renamed})


def suite_part(folders: Sequence[Path]) -> Part:
    """All sections of a suite. A world that cannot be read is left out and named; RunLogError if none can."""
    places, left_out = _places(folders)
    runs = pd.concat([p.runs.assign(folder=p.name) for p in places], ignore_index=True)
    runs["case"] = [
        f"{name} {task} {budget}"
        for name, task, budget in zip(runs["folder"], runs["task"], runs["budget"], strict=True)
    ]
    names = display_order(runs["allocator"].unique().tolist())
    headers = [header for place in places for header in place.group.headers.values()]
    renamed = {name: spec for place in places for name, spec in place.renamed.items()}
    notes = [f"{spec} is called {name} in the logs." for name, spec in renamed.items()]
    part = Part(
        title=f"Suite: {len(names)} allocators in {len(places)} worlds",
        kind="suite",
        lead=notes,
        sections=[_worlds(places), _provenance(places, headers)],
        left_out=left_out,
        origin=SIMULATED_WORLDS,
    )
    if missing := [name for name in SCALE if name not in names]:
        why = (
            "No scores over all worlds: they are measured against uniform, task-static and oracle-static, "
            f"and there are no runs of {listed(missing)}."
        )
        return part._replace(lead=[why, *notes])
    times = [place.timings for place in places if place.timings is not None]
    timings = pd.concat(times, ignore_index=True) if times else pd.DataFrame(columns=list(TIMINGS))
    scores = scores_of(runs, timings)
    table = suite_table(scores)
    sections = [_ranking(table, scores), _figure(table, scores), *_features(table, scores, places)]
    return part._replace(
        lead=[*top_lines(table, scores), *notes], sections=[*sections, *part.sections]
    )


def _places(folders: Sequence[Path]) -> tuple[list[Place], list[str]]:
    places: list[Place] = []
    left_out: list[str] = []
    for folder in folders:
        try:
            groups, skipped = read_groups(folder)
            group = groups[0]
            place = Place(folder.name, group, results_of(group.logs), folder)
            places.append(place._replace(runs=place.runs.replace({"allocator": place.renamed})))
        except RunLogError as error:
            left_out.append(f"world {folder.name}: {error}")
            continue
        left_out += [f"{folder.name}, {line}" for line in (*skipped, *group.left_out)]
    if not places:
        raise RunLogError(f"no world of the suite can be read: {'; '.join(left_out[:3])}")
    return places, left_out


def _ranking(table: pd.DataFrame, scores: Scores) -> Section:
    rows = [
        text_cells([str(row["allocator"]), *(column.text(row) for column in COLUMNS)])
        for _, row in table.iterrows()
    ]
    shown = Table(
        name="suite",
        caption="Scores over all worlds, best first",
        headers=["allocator", *(c.header.replace("\n", " ") for c in COLUMNS)],
        rows=rows,
        heads=1,
        numbers=table,
    )
    return Section("Result", (), [shown, Notes(suite_notes(scores))])


def _figure(table: pd.DataFrame, scores: Scores) -> Section:
    with sober():
        svgs = [to_svg(panel) for panel in suite_panels(scores, table)]
    known = table[table["iqm"].notna()]
    ranked = listed([f"{row['allocator']} {fixed(row['iqm'], 2)}" for _, row in known.iterrows()])
    figure = Figure(
        name="suite",
        title="Scores and how often they are reached",
        alt="First: interquartile mean of each allocator's scores with its interval. Then: share of runs "
        f"above each score. Interquartile means: {ranked}.",
        caption="Simulated worlds. 0 is uniform, 1 the best static mixture known for the case. Bars: 95 % "
        "bootstrap intervals over seeds, the worlds are fixed. Pale lines, if any: the other allocators.",
        svgs=svgs,
        names=scores.allocators,
    )
    return Section("Ranking", (), [figure])


def _features(table: pd.DataFrame, scores: Scores, places: Sequence[Place]) -> list[Section]:
    """Scores by what the worlds have; nothing where a world was not saved beside its runs."""
    worlds = {p.name: world_beside(p.folder, p.group.logs[0].header) for p in places}
    known = {name: world for name, world in worlds.items() if world is not None}
    if len(known) < len(worlds) or not (cases := feature_cases(scores, known)):
        return []
    numbers = feature_table(scores, cases).set_index("allocator").loc[table["allocator"]]
    with sober():
        svg = to_svg(draw_features(scores, table, cases))
    figure = Figure(
        name="features",
        title="Scores by what the worlds have",
        alt="A row a feature of worlds, a mark an allocator at its interquartile mean there. All numbers are "
        "in the table below.",
        caption="In brackets the cases with the feature; a world may have several.",
        svgs=[svg],
        names=scores.allocators,
    )
    rows = [
        text_cells([str(name), *(fixed(value, 2) for value in row)])
        for name, row in zip(numbers.index, numbers.to_numpy(dtype=float), strict=True)
    ]
    shown = Table(
        name="features",
        caption="Interquartile mean of the scores in worlds with each feature",
        headers=["allocator", *numbers.columns],
        rows=rows,
        heads=1,
        numbers=numbers.reset_index(),
    )
    return [Section("By what the worlds have", (), [figure, shown])]


def _worlds(places: Sequence[Place]) -> Section:
    """What each world's own table says, in its words."""
    rows, numbers = [], []
    for place in places:
        table, _ = summarise(place.runs)
        sentences = headline(table)
        budgets = sorted(table["budget"].unique().tolist(), reverse=True)
        task = listed(unique(place.runs["task"].astype(str)))
        for budget, sentence in zip(budgets, sentences, strict=True):
            part = table[table["budget"] == budget]
            fair = part[[not is_oracle(name) for name in part["allocator"]]]
            top = (part if fair.empty else fair).sort_values("utility").iloc[-1]
            difference = fixed(top["difference"], 2, "+")
            half = fixed(top["difference_half_width"], 2)
            base = part if fair.empty else fair
            tied = base["allocator"][base["utility"] >= top["utility"] - TIED]
            texts = [place.name, show_tokens(budget), task, " = ".join(tied)]
            rows.append(text_cells([*texts, fixed(top["utility"], 2), f"{difference} ± {half}"]))
            known = {"world": place.name, "task": task, "sentence": sentence}
            numbers.append({**known, **top.to_dict()})
    shown = Table(
        name="worlds",
        caption="Who ends highest in each world, oracles aside",
        headers=["world", "budget", "task", "highest", "utility", "vs task-static"],
        rows=rows,
        heads=3,
        numbers=pd.DataFrame(numbers),
    )
    text = (
        "The highest of many looks better than it is: differences here are not corrected for choosing it. "
        "A report on a world's own folder shows its curves, allocations and drops."
    )
    return Section("World by world", [text], [shown])


def _provenance(places: Sequence[Place], headers: Sequence[RunHeader]) -> Section:
    made = sorted(header.created for header in headers if header.created)
    seeds = sorted({seed for header in headers for seed in header.seeds})
    rows = [(f"version of {name}", value) for name, value in versions_of(headers).items()]
    rows.append(("git revision", listed(unique(h.git or "not recorded" for h in headers))))
    rows.append(("created", " to ".join(unique([*made[:1], *made[-1:]])) or "not recorded"))
    rows += [("runs", runs_text(headers)), ("seeds", listed([str(seed) for seed in seeds], 40))]
    digests = Facts([(p.name, f"digest {p.group.logs[0].header.world_digest}") for p in places])
    text = seeds_text(seeds) or ",".join(map(str, seeds))
    parts = ["readsim", "compare", *_chosen(places), "--seeds", text]
    names = display_order({header.allocator for header in headers})
    parts += ["--allocators", ",".join(names), *alias_options(headers)]
    line = shlex.join([*parts, "--out", "again"])
    return Section("Provenance and how to repeat it", (), [Facts(rows), digests, Code(line)])


def _chosen(places: Sequence[Place]) -> list[str]:
    """The options that say which worlds, tasks and budgets: `--suite` where each world has a task in turn."""
    first = [place.group.logs[0].header for place in places]
    worlds = [world_option(header, p.folder) for header, p in zip(first, places, strict=True)]
    tasks = [unique(place.runs["task"].astype(str)) for place in places]
    own = [world_beside(p.folder, header) for header, p in zip(first, places, strict=True)]
    every = all(
        world is not None and set(names) == set(world.task_names)
        for world, names in zip(own, tasks, strict=True)
    )
    if not every and any(set(names) != set(tasks[0]) for names in tasks):
        return ["--suite"]
    named = [
        found if found == header.world or found is None else f"{place.name}/{found}"
        for found, header, place in zip(worlds, first, places, strict=True)
    ]
    out = ["--world", ",".join(n or h.world for n, h in zip(named, first, strict=True))]
    out += [] if every else ["--tasks", ",".join(tasks[0])]
    budgets = [sorted(place.runs["budget"].unique().tolist()) for place in places]
    if all(each == budgets[0] for each in budgets):
        out += ["--budgets", ",".join(budget_text(int(b)) for b in budgets[0])]
    return [*out, "--steps", str(first[0].steps)]
