"""One page without network in which shares and budget are moved and predictions follow."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from markupsafe import Markup

from readsim import __version__
from readsim.arrays import Array
from readsim.fitting.write import Trained
from readsim.report.changes import decimals_of, names_of
from readsim.report.render import GENERATOR, environment
from readsim.report.world.export import exported
from readsim.report.world.spread import Spread
from readsim.token_counts import show_tokens
from readsim.worlds.optimum import Optimum
from readsim.worlds.task import Task
from readsim.worlds.world import World

PAGE = "sliders.html"
ENDLESS = 4.0  # times the largest budget of the report, where no horizon ends it
LEAST = 1e-3  # of the largest budget
Best = Mapping[tuple[str, float], Optimum]


def sliders(
    world: World, tasks: Sequence[Task], budgets: Sequence[float], best: Best, spread: Spread
) -> str:
    """The page. `best` holds the optimum of each task name and budget.

    Names are text wherever they stand, and the script holds none. Raises UntracedError for equations that
    no program can say.
    """
    most = world.horizon if np.isfinite(world.horizon) else ENDLESS * max(budgets)
    least = min(max(LEAST * most, 1.0), most)
    bounds = np.concatenate([world.start, world.ceiling, world.floor])
    bounds = bounds[np.isfinite(bounds)]
    low, high = float(bounds.min()), float(max(bounds.max(), bounds.min() + 1e-9))
    scale = world.scale
    data: dict[str, Any] = {
        "model": exported(world, tasks, (least, most), spread.error),
        "budget": {"least": least, "most": most, "first": min(budgets)},
        "best": [
            {"budget": b, "shares": [_whole(best[task.name, b].allocation) for task in tasks]}
            for b in budgets
        ],
        "start": world.start.tolist(),
        "factor": scale.factor,
        "decimals": _decimals(world),
        "low": low,
        "high": high,
        "lowest": scale.low if np.isfinite(scale.low) else -1e300,
        "largest": scale.high if np.isfinite(scale.high) else 1e300,
        "trained": _trained(world),
    }
    script = Markup(_read("program.js") + _read("sliders.js"))
    return (
        environment()
        .from_string(_read("sliders.html"))
        .render(
            world=world,
            capabilities=names_of(world.capabilities, world.hidden),
            tasks=[task.name for task in tasks],
            budgets=[show_tokens(b) for b in budgets],
            unit=scale.shown,
            low=f"{scale.factor * low:g}",
            high=f"{scale.factor * high:g}",
            about=spread.sentences,
            data=Markup(_inert(data)),
            script=script,
            script_hash=_hash(script),
            style=Markup(
                files("readsim.report").joinpath("style.css").read_text(encoding="utf-8")
                + _read("sliders.css")
            ),
            generator=GENERATOR,
            version=__version__,
        )
    )


def _decimals(world: World) -> int:
    """Losses differ in hundredths of what they are."""
    digits = decimals_of(world.scale.factor * (world.ceiling - world.start))
    return digits if world.is_score else digits + 2


def _whole(allocation: Array) -> list[float]:
    """Shares that sum to 1: on the page all tokens are spent."""
    total = float(allocation.sum())
    shares = allocation / total if total > 0 else np.full_like(allocation, 1.0 / len(allocation))
    return [float(v) for v in shares]


def _trained(world: World) -> dict[str, Any] | None:
    """The ranges of the runs that the world was fitted to, if it says so."""
    if "share_range" not in world.provenance:
        return None
    trained = Trained.of_world(world)
    return {"shares": trained.shares.tolist(), "tokens": list(trained.tokens)}


def _inert(data: dict[str, Any]) -> str:
    """JSON in which no sign can end the element that it stands in."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(script: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _read(name: str) -> str:
    return files("readsim.report.world").joinpath(name).read_text(encoding="utf-8")
