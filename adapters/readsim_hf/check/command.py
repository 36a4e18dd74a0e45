"""What `readsim distill` does of a preflight: all of it with `--check`, the free part before each run."""

from pathlib import Path

from rich.console import Console

from readsim.cli.output import Terminal
from readsim.errors import TrainingError
from readsim_hf.check.answers import PROMPTS
from readsim_hf.check.preflight import FreeCheck, free_check, paid_check, save_check
from readsim_hf.check.served import check_limits
from readsim_hf.check.show import (
    say_line,
    show_cost,
    show_failures,
    show_free,
    show_paid,
    show_short,
)
from readsim_hf.components import Components
from readsim_hf.config import RunConfig


def check_before(console: Console, parts: Components) -> FreeCheck:
    """The free part, in two lines, after one token of each served teacher.

    TrainingError where it fails: the run does not start.
    """
    check_limits(parts)
    free = free_check(parts)
    show_short(console, free)
    if free.failures:
        more = len(free.failures) - 1
        raise TrainingError(
            f"the check before the run failed: {free.failures[0]}"
            + (f"; and {more} more" if more else "")
            + "; `readsim distill --check` shows the tokens"
        )
    return free


def check_all(
    console: Console, parts: Components, config: RunConfig, path: Path, many: int = PROMPTS
) -> bool:
    """Everything, shown and written to `path`; whether all holds. Where the free part fails, the teacher is
    not asked."""
    free = free_check(parts)
    show_free(console, free)
    paid = None
    if free.failures:
        say_line(console, "the teacher is not asked")
    elif parts.store is not None:
        say_line(console, "the replies are in the store: nobody is asked")
    else:
        show_cost(console, parts, many)
        paid = paid_check(parts, config, many)
        show_paid(console, paid)
        for line in paid.warnings:
            say_line(console, f"warning: {line}")
    failures = [*free.failures, *(paid.failures if paid is not None else ())]
    save_check(path, parts.identity, free, paid)
    show_failures(Terminal(stderr=True), failures)
    say_line(
        console, f"{'check failed' if failures else 'all checks hold'}; the whole is in {path}"
    )
    return not failures
