"""Which world foretells a run, and what its forecast leaves out."""

from typing import NamedTuple

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.runs.forecast import Outlook, foretell
from readsim.worlds import World, load_world
from readsim.worlds.methods import methods_of, of_method
from readsim_hf.config import resolve_config
from readsim_hf.plan.dry_run import DryRun

MEASURED = {"nano": "nano-measured"}  # worlds that were fitted to runs of a named pair
RECIPE = (
    "method",
    "signal",
    "objective",
    "objective_settings",
    "on_policy",
    "sampling",
    "soft",
    "training",
)
TOLD = ("fit", "check", "unit", "token_range")  # provenance that says how far to trust a world


class Forecast(NamedTuple):
    """The outlook, the weights (K,) of its utility, and in words what is not in its intervals."""

    outlook: Outlook
    weights: Array
    doubts: tuple[str, ...]


def forecast_of(
    made: DryRun, world: str | None, seeds: int, world_sd: float | None
) -> Forecast | None:
    """Of a sketched run in a world, that of its method where the world has several; None where no world is
    named and none belongs to the pair and what it trains and measures. `world_sd` None: as the fitted world
    states.

    Raises ConfigError for a world of other sources, capabilities or methods, or a budget past its horizon.
    """
    named = world if world is not None else MEASURED.get(made.title)
    if named is None:
        return None
    loaded, config = load_world(named), made.config
    if methods_of(loaded):
        loaded = of_method(loaded, config.method or f"{config.signal} x {config.objective}")
    for field in ("sources", "capabilities"):
        theirs, ours = getattr(loaded, field), getattr(made, field)
        if theirs != ours and world is None:
            return None
        if theirs != ours:
            raise ConfigError(
                f"world {loaded.name!r} has the {field} {', '.join(theirs)}, the run has "
                f"{', '.join(ours)}: a world fitted to runs of this pair is needed"
            )
    task = loaded.task(config.task)
    outlook = foretell(
        loaded,
        task,
        config.budget,
        config.steps,
        config.allocator,
        settings=config.allocator_settings,
        seeds=seeds,
        probe_items=made.each["probe"],
        test_items=made.each["test"],
        world_sd=world_sd,
    )
    return Forecast(outlook, task.weights, tuple(_doubts(made, loaded, outlook.world_sd)))


def _doubts(made: DryRun, world: World, world_sd: float) -> list[str]:
    """What the intervals leave out."""
    held = "the spread between seeds and the noise of the test items"
    lines = [
        f"in the intervals: {held}; not in them: that the world itself is a fit (--world-error)"
    ]
    if world_sd:
        lines = [
            f"in the intervals: {held}, and {100 * world_sd:g} points for the world's own error"
        ]
    told = [f"{key}: {world.provenance[key]}" for key in TOLD if key in world.provenance]
    lines += [f"the world says of itself: {text}" for text in told]
    if MEASURED.get(made.title) == world.name:
        usual, ours = (
            resolve_config(None, {"pair": {"name": made.title}}).table(),
            made.config.table(),
        )
        other = [key for key in RECIPE if ours[key] != usual[key]]
        if other:
            lines.append(
                f"its runs had the pair's usual settings, this run has others: {', '.join(other)}"
                + ("; it says nothing about another method" if "method" in other else "")
            )
    return lines
