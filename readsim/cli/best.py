"""What several commands say of the best mixture for a task."""

import numpy as np
from rich.console import Console

from readsim.arrays import Array
from readsim.fitting.average import Average
from readsim.fitting.best import best_beside
from readsim.token_counts import show_tokens
from readsim.worlds.task import Task
from readsim.worlds.world import World

LEAST_SHOWN = 0.005  # of the tokens


def show_best(
    console: Console,
    world: World,
    average: Average | None,
    task: Task,
    budget: float,
    shares: Array | None = None,
) -> None:
    """The best mixture (`shares`, or else the world's optimum) beside uniform and the nearest run."""
    factor, unit = world.scale.factor, world.scale.shown
    named = zip(world.capabilities, task.weights, strict=True)
    weights = ", ".join(f"{name} {w:.3g}" for name, w in named if w > 0.0)
    lines = [f"best mixture of {show_tokens(round(budget))} tokens for {task.name} ({weights}):"]
    for row in best_beside(world, average, task, budget, shares):
        total = float(row.tokens.sum())
        mixture = show_mixture(row.tokens / max(total, 1.0), world.sources)
        if abs(total - budget) > LEAST_SHOWN * budget:
            mixture += f"; {show_tokens(round(total))} tokens"
        text = f"  {row.name} ({mixture}): utility {factor * row.utility:.2f}"
        if np.isfinite(row.low):
            text += f" [{factor * row.low:.2f}, {factor * row.high:.2f}]"
        if np.isfinite(row.measured):
            text += f", measured {factor * row.measured:.2f}"
        if row.name != "best":
            ahead = f"{factor * row.ahead:+.2f}"
            text += (
                f"; best is ahead by {ahead}"
                if row.ahead > 0.0
                else f"; best is not ahead: {ahead}"
            )
            text += f" ± {factor * row.half:.2f}" if np.isfinite(row.half) else ""
        lines.append(text)
    found = "the world's own law has its" if shares is None else "the average of the laws has its"
    which = "the world's own law alone" if average is None else "the average of the laws"
    lines.append(
        f"  in {unit}; the best mixture is where {found} optimum, and utilities are predicted by {which}"
        + (", with 95 % intervals of one measured run" if average is not None else "")
    )
    for line in lines:
        console.print(line, highlight=False)


def show_mixture(shares: Array, sources: tuple[str, ...], most: int = 4) -> str:
    """The largest shares by name."""
    order = [i for i in np.argsort(-shares) if shares[i] >= LEAST_SHOWN]
    text = ", ".join(f"{sources[i]} {shares[i]:.2f}" for i in order[:most])
    return f"{text}, ..." if len(order) > most else text
