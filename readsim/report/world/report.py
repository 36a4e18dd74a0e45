"""`readsim worlds NAME --report`: what a world says, as a report and as sliders beside it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.files import read_sheet
from readsim.fitting.misfit import misfit_in
from readsim.fitting.write import unknown_starts
from readsim.plots.style import short, sober, to_svg
from readsim.plots.training_alone import draw_training_alone
from readsim.report.build import write_page
from readsim.report.changes import Effects, coloured, decimals_of, names_of
from readsim.report.render import (
    Facts,
    Figure,
    FileLink,
    Part,
    Section,
    Table,
    TableCell,
    text_cells,
)
from readsim.report.world.export import Z95
from readsim.report.world.sliders import PAGE, Best, sliders
from readsim.report.world.spread import Spread, spread_of
from readsim.summary.show import fixed
from readsim.token_counts import show_tokens
from readsim.worlds.gains import gain
from readsim.worlds.optimum import optimum
from readsim.worlds.task import Task, shares_text
from readsim.worlds.told import (
    beyond_the_table,
    dynamics_rows,
    invented_tasks,
    notes_to_read,
    shown_budgets,
    task_rows,
    term_rows,
)
from readsim.worlds.validation import check_budget
from readsim.worlds.world import World

TASKS = 12  # of a world that lists more, only the average is shown
PANELS = 16  # sources in the figure
POINTS = 24  # of its lines
SHARES = 5  # named in a row; the files have all
IN_FILE = "The CSV file has all intervals."


def world_report(
    world: World,
    folder: Path,
    *,
    tasks: Sequence[str] | None = None,
    budgets: Sequence[float] | None = None,
    effects: Path | None = None,
) -> list[Path]:
    """Write `report.html`, the files of its tables and `sliders.html` into `folder`: their paths.

    `tasks` and `budgets` are the world's tasks and 20M and 150M tokens, or its horizon; `effects` is the
    file of effects with intervals that `readsim fit` left beside a fitted world. The same world gives the
    same bytes. Raises ConfigError for a budget past the horizon, UnknownNameError for a task.
    """
    if budgets is None:
        budgets = shown_budgets(world)
    budgets = list(dict.fromkeys(budgets))
    for budget in budgets:
        check_budget(world, budget)
    if tasks is None:
        tasks = world.task_names if len(world.task_names) <= TASKS else ["average"]
    chosen = [world.task(name) for name in tasks]
    spread = spread_of(world)
    best = {(t.name, b): optimum(world, t, b) for t in chosen for b in budgets}
    page = sliders(world, chosen, budgets, best, spread)
    part = _part(world, chosen, budgets, best, spread, effects)
    made_from = "a world's file"
    return write_page(folder, world.name, [part], made_from, {PAGE: page.encode()})


def _part(
    world: World,
    tasks: Sequence[Task],
    budgets: Sequence[float],
    best: Best,
    spread: Spread,
    effects: Path | None,
) -> Part:
    transfer = [_transfer(world, budget, spread) for budget in budgets]
    if effects is not None:
        transfer.append(_effects(world, effects))
    sections = [
        Section(
            "Sliders",
            ["Shares and budget are moved there, and predicted scores and utility follow."],
            [FileLink("Move the shares of this world", PAGE)],
        ),
        Section("Dynamics", _dynamics_words(world), [_dynamics(world), _capabilities(world)]),
        Section("Gain curves", (), [_alone(world, max(budgets)), _curves(world)]),
        Section(
            "Transfer",
            [
                "Rows: the one source trained on. Columns: what changes; - is harm.",
                *filter(None, (beyond_the_table(world, budget) for budget in budgets)),
            ],
            transfer,
        ),
        Section(
            "Where the optimum lies",
            [
                "The best constant shares for each task, without noise; what is gained by changing them on "
                "the way is not in here."
                if not world.order_free
                else "The best shares for each task, without noise; no order of tokens ends higher here.",
                *filter(None, [invented_tasks(world, [task.name for task in tasks])]),
            ],
            [Facts(task_rows(world, tasks)), _optima(world, tasks, budgets, best)],
        ),
        Section("What intervals mean", spread.sentences, []),
    ]
    if world.provenance:
        read = notes_to_read(world.provenance)
        sections.append(Section("Provenance", (), [Facts(list(read.items()))]))
    return Part(world.name, "world", _lead(world, tasks, budgets, best), sections)


def _lead(world: World, tasks: Sequence[Task], budgets: Sequence[float], best: Best) -> list[str]:
    s, k = world.shape
    budget, task = max(budgets), tasks[0]
    found, unit, factor = best[task.name, budget], world.scale.shown, world.scale.factor
    before = float(task.utility(world.start))
    digits = decimals_of(np.array([factor * (found.utility - before)]))
    weights = shares_text(task.weights, world.capabilities)
    first = (
        f"{show_tokens(budget)} tokens at the best shares bring the task {task.name} ({weights}) "
        f"{fixed(factor * (found.utility - before), digits, '+')} {unit} of utility, to "
        f"{fixed(factor * found.utility, digits)}."
    )
    misfit = misfit_in(world)
    if misfit is not None:
        slope = task.gradient(world.static_profile(found.allocation, budget))
        half = factor * Z95 * float(np.sqrt(slope @ misfit.covariance @ slope))
        first += f" 95 % of runs there would be measured within ± {fixed(half, digits)} of that."
    guessed = [c for c in unknown_starts(world) if task.weights[world.capabilities.index(c)] > 0.0]
    if guessed:
        first += (
            f" The gain leans on a start that the runs do not determine, of {', '.join(guessed)}: add a "
            "row of the model before training (0 tokens and its scores) to the runs and fit again."
        )
    count = (
        f"{s} {'source' if s == 1 else 'sources'}, {k} {'capability' if k == 1 else 'capabilities'}"
    )
    more = [world.description] if world.description else []
    return [first, f"{count}; {world.dynamics} dynamics, {world.link} link.", *more]


def _dynamics_words(world: World) -> list[str]:
    if world.terms:
        return [f"Terms of real runs that are on: {', '.join(world.terms)}."]
    text = (
        "No term of real runs is on: no overtraining, formats, rehearsal, limit of interference or "
        "learning-rate schedule."
    )
    return [text]


def _dynamics(world: World) -> Facts:
    horizon = show_tokens(world.horizon) if np.isfinite(world.horizon) else "none"
    rows = [("dynamics", world.dynamics), ("link", world.link), ("horizon", horizon)]
    return Facts([*rows, *dynamics_rows(world), *term_rows(world)])


def _capabilities(world: World) -> Table:
    names = names_of(world.capabilities, world.hidden)
    factor = world.scale.factor
    frame = pd.DataFrame(
        {
            "capability": names,
            "start": factor * world.start,
            "floor": factor * world.floor,
            "ceiling": factor * world.ceiling,
            "probe_items": world.items,
            "test_items": world.test_items,
        }
    )
    rows = [
        text_cells([str(name), *(f"{v:.4g}" for v in numbers)])
        for name, *numbers in frame.itertuples(index=False)
    ]
    headers = ["capability", "start", "floor", "ceiling", "probe items", "test items"]
    caption = f"Capabilities, {world.scale.shown}"
    notes = ["0 items: measured exactly."] if not (world.items * world.test_items).all() else []
    return Table("capabilities", caption, headers, rows, 1, frame, notes=notes)


def _alone(world: World, most: float) -> Figure:
    tokens = np.linspace(0.0, most, POINTS + 1)[1:]
    shown = world.sources[:PANELS]
    change = world.scale.factor * np.array([world.transfer_matrix(b) for b in tokens])
    change = np.concatenate([np.zeros((1, *change.shape[1:])), change])[:, : len(shown)]
    at, scene = np.concatenate([[0.0], tokens]), f"Simulated world {world.name}"
    svgs = []
    with sober():
        for i, source in enumerate(shown):
            one = change[:, [i]]
            figure = draw_training_alone(at, one, [source], world.capabilities, short(scene, 40))
            svgs.append(to_svg(figure))
    all_shown = len(shown) == len(world.sources)
    of = "all sources" if all_shown else f"the first {PANELS} of {len(world.sources)} sources"
    ends = [
        f"{source}: {world.capabilities[int(row.argmax())]} {row.max():+.3g}"
        for source, row in zip(shown, change[-1], strict=True)
    ]
    unit = world.scale.shown
    caption = (
        f"Change of each capability, {unit}, over the tokens of one source alone; {of}. Blue: what rises "
        "most, vermilion: what falls most, both named with their last value."
    )
    if not world.learning_rate.is_constant:
        caption += " Each point is a run of its own, with the whole learning-rate schedule."
    alt = (
        f"A panel a source. At {show_tokens(most)} tokens the largest rises are: {'; '.join(ends)}."
    )
    return Figure("alone", "One source alone", alt, caption, svgs, [*shown, *world.capabilities])


def _curves(world: World) -> Table:
    """Family, scale and knee of each gain curve; with `feeds` curves belong to no source."""
    names = (
        [f"curve {m + 1}" for m in range(world.curves)] if world.feeds.size else list(world.sources)
    )
    knees = [gain(f).knee(0.1) * t for f, t in zip(world.gain, world.scale_tokens, strict=True)]
    families = [f if not f.startswith("table:") else "table" for f in world.gain]
    frame = pd.DataFrame(
        {
            "curve": names,
            "family": families,
            "scale_tokens": world.scale_tokens,
            "tokens_to_a_tenth_of_the_slope": knees,
        }
    )
    rows = [
        text_cells([n, f, _tokens(t), _tokens(k)])
        for n, f, t, k in zip(names, families, world.scale_tokens.tolist(), knees, strict=True)
    ]
    if world.feeds.size and frame.drop(columns="curve").nunique().max() == 1:
        rows = [text_cells([f"all {world.curves}", *(cell.text for cell in rows[0][1:])])]
    headers = [
        "curve" if world.feeds.size else "source",
        "family",
        "scale",
        "slope at a tenth after",
    ]
    return Table("curves", "Gain curves, tokens", headers, rows, 1, frame)


def _tokens(count: float) -> str:
    return show_tokens(float(f"{count:.3g}")) if np.isfinite(count) else "-"


def _map(
    name: str, caption: str, world: World, found: Effects, scale: float, notes: Sequence[str]
) -> Table:
    names = names_of(world.capabilities, world.hidden)
    cells = coloured(found, scale, decimals_of(scale * found.mean))
    s, k = world.shape
    frame = pd.DataFrame(
        {
            "source": np.repeat(np.array(world.sources, dtype=object), k),
            "capability": names * s,
            "effect": scale * found.mean.ravel(),
            "low": scale * (found.mean - found.half).ravel(),
            "high": scale * (found.mean + found.half).ravel(),
        }
    )
    rows = [[TableCell(source), *line] for source, line in zip(world.sources, cells, strict=True)]
    return Table(name, caption, ["source", *names], rows, 1, frame, notes=notes, is_map=True)


def _transfer(world: World, budget: float, spread: Spread) -> Table:
    change = world.transfer_matrix(budget)
    half = Z95 * spread.change_sd(world, world.start + change)
    found = _told_apart(change, half)
    what = (
        "the error of the fit on runs it had not seen"
        if spread.error is not None
        else "the noise of the test items at the start and at the end"
    )
    return _map(
        f"transfer-{show_tokens(budget)}",
        f"Effect of {show_tokens(budget)} tokens of one source on each capability, {world.scale.shown}",
        world,
        found,
        world.scale.factor,
        [f"*: one run would show it, the 95 % interval from {what} does not hold 0.", IN_FILE],
    )


def _told_apart(change: Array, half: Array) -> Effects:
    """Marked where the interval does not hold 0."""
    sure = np.abs(change) > half
    p = np.where(sure, 0.0, 1.0)
    return Effects(change, half, p, p, "items")


def _effects(world: World, path: Path) -> Table:
    """What `readsim fit` wrote of one more percent of each source, with its intervals."""
    sheet = read_sheet(path)
    wanted = ("source", "capability", "effect_of_1_percent", "low", "high")
    if missing := [name for name in wanted if name not in sheet.header]:
        raise ConfigError(f"{path}: column {missing[0]!r} is missing; readsim fit writes it")
    numbers = sheet.numbers(wanted[2:], missing=True)
    places = dict.fromkeys(zip(sheet.cells("source"), sheet.cells("capability"), strict=True), -1)
    for n, key in enumerate(places):
        places[key] = n
    try:
        rows = [places[s, c] for s in world.sources for c in world.capabilities]
    except KeyError as error:
        raise ConfigError(
            f"{path}: no effect of {error.args[0][0]} on {error.args[0][1]}"
        ) from error
    value, low, high = numbers[rows].T.reshape(3, *world.shape)
    found = _told_apart(value, (high - low) / 2)
    return _map(
        "effects",
        "Effect of one more percent of a source around the mean mixture of the runs, as fitted",
        world,
        found,
        1.0,
        [
            "In the unit of the fitted file. *: the bootstrap 95 % interval of the fit does not hold 0.",
            IN_FILE,
        ],
    )


def _optima(world: World, tasks: Sequence[Task], budgets: Sequence[float], best: Best) -> Table:
    factor, unit = world.scale.factor, world.scale.shown
    rows, numbers = [], []
    columns = [
        source if source.startswith("share") else f"share_{source}" for source in world.sources
    ]
    for task in tasks:
        before = float(task.utility(world.start))
        for budget in budgets:
            found = best[task.name, budget]
            price = 1.0 / (factor * found.multiplier) if found.multiplier > 0 else np.inf
            gained = factor * (found.utility - before)
            mean = budget / gained if gained > 0 else np.inf
            ranked = sorted(zip(found.allocation, world.sources, strict=True), reverse=True)
            named = [f"{s} {100 * a:.0f} %" for a, s in ranked if a >= 0.005]
            more = f" and {len(named) - SHARES} more" if len(named) > SHARES else ""
            shares = ", ".join(named[:SHARES]) + more
            cells = [
                task.name,
                show_tokens(budget),
                fixed(factor * found.utility, 2),
                fixed(gained, 2, "+"),
                _tokens(mean) if np.isfinite(mean) else "no gain",
                _tokens(price) if np.isfinite(price) else "no more gain",
                shares,
            ]
            rows.append(text_cells(cells))
            numbers.append(
                {
                    "task": task.name,
                    "budget": budget,
                    "utility": factor * found.utility,
                    "gain": gained,
                    "tokens_per_point_so_far": mean,
                    "tokens_of_the_next_point": price,
                    "method": found.method,
                    **dict(zip(columns, found.allocation.tolist(), strict=True)),
                }
            )
    word = "point" if world.is_score else "nat"
    costs = [f"tokens per {word} so far", f"tokens of the next {word}"]
    headers = ["task", "budget", "utility", "gain", *costs, "shares"]
    note = f"The next {word}: at the end of the budget, by one more token at these shares."
    frame, caption = pd.DataFrame(numbers), f"Best constant shares, {unit}"
    return Table("optima", caption, headers, rows, 2, frame, notes=[note])
