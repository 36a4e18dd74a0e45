"""What an equal budget counts: the student's own tokens, or also those of searches and offline pools."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from readsim.errors import ConfigError
from readsim.runs.cell import Cell
from readsim.runs.loop import rollout
from readsim.token_counts import show_tokens
from readsim.worlds import World

EQUAL = ("student", "total", "shared")
ROUNDS = 20
NEAR = 0.001  # share of the budget that may stay unused


def extra_tokens(totals: Mapping[str, int], tasks: int) -> int:
    """Tokens that a student was trained on beside the run: searches, and a part of the pool that `tasks`
    runs share."""
    return totals["search"] + -(-totals["offline"] // tasks)


def what_is_left(extra: Callable[[int], int], total: int, least: int) -> int | None:
    """The largest b found with b + extra(b) <= total: what a run may train on if it pays for its extras.

    `extra` is about linear in b; then few calls are needed and less than NEAR of `total` stays unused.
    None where b would be below `least`.
    """
    low, high = 0, total + 1  # what fits, as far as it is known, and what does not
    points: list[tuple[int, int]] = [(0, 0)]
    b = total
    for _ in range(ROUNDS):
        used = b + extra(b)
        points.append((b, used))
        if used <= total:
            low = b
            if b == total or used >= (1.0 - NEAR) * total:
                break
        else:
            high = b
        if high - low <= 1:
            break
        (b0, used0), (b1, used1) = points[
            -2:
        ]  # the line through the last two, inside of the bracket
        b = b1 + (total - used1) * (b1 - b0) // (used1 - used0) if used1 != used0 else low
        b = min(max(b, low + 1, least), high - 1)
        if b < least:
            break
    return low if low >= least else None


def after_extras(cell: Cell, world: World) -> Cell:
    """The cell with the tokens that its student may train on if all runs pay for their extras: they are
    found by running it. A cell whose budget is the student's own stays as it is.

    Raises ConfigError where not one token a decision would be left.
    """
    if not cell.sharing:
        return cell

    def extra(tokens: int) -> int:
        tried = replace(cell, student=tokens)
        envs = [tried.make_env(world) for _ in cell.seeds]
        rows, _ = rollout(envs, tried.make_allocator(), cell.seeds)
        ends = (row["totals"] for row in rows if row["kind"] == "final")
        return max(extra_tokens(totals, cell.sharing) for totals in ends)

    left = what_is_left(extra, cell.budget, cell.steps)
    if left is None:
        raise ConfigError(
            f"equal budgets: the searches and pools of {cell.allocator_name} on {cell.task_name} leave less "
            f"than one token per decision of {show_tokens(cell.budget)}; give it a smaller pool"
        )
    return replace(cell, student=left)
