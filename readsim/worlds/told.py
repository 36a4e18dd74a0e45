"""What of a world's dynamics is on, in words and numbers: a row a field."""

from collections.abc import Callable, Mapping

import numpy as np

from readsim.token_counts import show_tokens
from readsim.worlds.terms.answer_format import formats_of
from readsim.worlds.world import World

BUDGETS = (20_000_000, 150_000_000)


def shown_budgets(world: World) -> list[float]:
    """The budgets that a world is shown at where none is asked for: of a fitted world its longest run's, of
    others 20M and 150M tokens, or the horizon where that is shorter."""
    fitted = "token_range" in world.provenance and np.isfinite(world.horizon)
    usual: list[float] = [] if fitted else [b for b in BUDGETS if b <= world.horizon]
    return usual or [world.horizon]


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
