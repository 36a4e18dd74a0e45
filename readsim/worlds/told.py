"""What of a world's dynamics is on, in words and numbers: a row a field."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from readsim.token_counts import show_tokens
from readsim.worlds.effects import table_tokens
from readsim.worlds.task import FOCUS, Task, shares_text
from readsim.worlds.terms.answer_format import formats_of
from readsim.worlds.world import World

BUDGETS = (20_000_000, 150_000_000)
ROUNDING = 1e-9  # of a share, or of a score
SEVERAL = 3.0  # times a measured effect: from here on a shown one is said to be the curves' alone


def shown_budgets(world: World) -> list[float]:
    """The budgets that a world is shown at where none is asked for: of a fitted world its longest run's, of
    others 20M and 150M tokens, or the horizon where that is shorter."""
    fitted = "token_range" in world.provenance and np.isfinite(world.horizon)
    usual: list[float] = [] if fitted else [b for b in BUDGETS if b <= world.horizon]
    return usual or [world.horizon]


def beyond_the_table(world: World, budget: float) -> str:
    """A sentence where a world from a table is shown past the table's own budget, and an effect is several
    times as large there: the one that grew most; empty elsewhere."""
    measured = table_tokens(world)
    if measured is None or budget <= measured:
        return ""
    then, now = (world.transfer_matrix(tokens) for tokens in (measured, budget))
    times = np.divide(now, then, out=np.zeros_like(now), where=np.abs(then) > ROUNDING)
    grown = np.where(times >= SEVERAL, np.abs(now - then), 0.0)
    if not grown.any():
        return ""
    i, j = np.unravel_index(int(grown.argmax()), grown.shape)
    factor, unit = world.scale.factor, world.scale.shown
    return (
        f"The table's effects are those of {show_tokens(measured)} tokens; at {show_tokens(budget)} the "
        f"assumed curves alone speak: {world.sources[i]} on {world.capabilities[j]} is "
        f"{factor * then[i, j]:+.3g} {unit} in the table and {factor * now[i, j]:+.3g} here, "
        f"{times[i, j]:.2g} times as much."
    )


def task_rows(world: World, tasks: Iterable[Task]) -> list[tuple[str, str]]:
    """(task, what it requires, and where it is another, what its utility weighs)."""
    rows = []
    for task in tasks:
        text = shares_text(task.requirement, world.visible)
        told = dict(zip(world.visible, task.requirement, strict=True))
        weighed = dict(zip(world.capabilities, task.weights, strict=True))
        if any(abs(w - told.get(name, 0.0)) > ROUNDING for name, w in weighed.items()):
            text += f"; utility: {shares_text(task.weights, world.capabilities)}"
        rows.append((task.name, text if task.kind == "linear" else f"{text}; {task.kind}"))
    return rows


def invented_tasks(world: World, tasks: Iterable[str]) -> str:
    """A sentence where the file lists no tasks, so that the weights of these (names) are readsim's; empty
    elsewhere."""
    if world.tasks or len(world.visible) < 2 or not set(tasks) & set(world.visible):
        return ""
    return (
        f"No task is listed in the world's file, so each capability has one, with {FOCUS:.0%} on it and the "
        "rest spread evenly: weights of readsim's choice. A table [tasks.NAME.requirement] in the file sets "
        "yours."
    )


def term_rows(world: World) -> list[tuple[str, str]]:
    """(field, where it is on) of the terms of real runs (`readsim.worlds.terms`)."""
    rows = _on(
        world,
        {
            "overtraining_tokens": (world.capabilities, show_tokens),
            "repetition_harm": (world.sources, "{:.3g}".format),
            "interference_limit": (world.capabilities, lambda v: f"{100 * v:.3g}"),
            "rehearsal_share": (world.capabilities, "{:.1%}".format),
        },
    )
    formats = formats_of(world.formats, world.sources, world.capabilities)
    for n, given in enumerate(world.formats):
        assert formats is not None
        moved = zip(world.capabilities, formats.shift[n], strict=True)
        shifts = ", ".join(f"{name} {100 * v:+.3g}" for name, v in moved if v)
        text = f"{given['name']}, within {show_tokens(formats.tokens[n])}: {shifts or 'no score'}"
        rows.append(("formats", text))
    if not world.learning_rate.is_constant:
        rows.append(("schedule", str(world.learning_rate)))
    return rows


def dynamics_rows(world: World) -> list[tuple[str, str]]:
    """The same of what worlds had before: forgetting, gates, drift, pools, shared curves, noise of runs."""
    rows = _on(
        world,
        {
            "forgetting_tokens": (world.capabilities, show_tokens),
            "pool_tokens": (world.sources, show_tokens),
            "efficiency_sd": (world.sources, "{:.1%}".format),
            "process_sd": (world.capabilities, lambda v: f"{100 * v:.3g}"),
        },
    )
    for gate in world.gates:
        at = f"{100 * float(str(gate['threshold'])):.3g}"
        rows.append(("gates", f"{gate['capability']} needs {gate['needs']} at {at}"))
    if world.drift:
        after = show_tokens(float(str(world.drift["after_tokens"])))
        rows.append(("drift", f"what sources help changes after {after} tokens"))
    if world.feeds.size:
        rows.append(("feeds", f"sources share {world.curves} gain curves"))
    return rows


def _on(
    world: World, vectors: dict[str, tuple[tuple[str, ...], Callable[[float], str]]]
) -> list[tuple[str, str]]:
    """A row for each vector that is on somewhere: above 0 and finite."""
    rows = []
    for field, (names, show) in vectors.items():
        pairs = zip(names, getattr(world, field), strict=True)
        if on := [f"{name} {show(v)}" for name, v in pairs if 0 < v < np.inf]:
            rows.append((field, ", ".join(on)))
    return rows


def notes_to_read(provenance: Mapping[str, str]) -> dict[str, str]:
    """A provenance without the entries that only programs read: lists and tables, and columns of a sheet."""
    return {
        name: text
        for name, text in provenance.items()
        if not text.startswith(("[", "{")) and not name.endswith(("_columns", "_column"))
    }
