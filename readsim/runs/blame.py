"""Whose error it is: an allocator's exception gets its name, task, seed, step, hook, and the user's lines."""

import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup, State, Transition
from readsim.arrays import Array
from readsim.errors import AllocationError, ReadsimError, RunLogError
from readsim.runs.identity import allocator_name
from readsim.tree_file import encode_tree

HOOKS = ("init", "select", "update", "report")
TOLERANCE = 1e-6  # below 0, of a share
LINES = 6  # of the user's, that an error shows
_READSIM = Path(__file__).resolve().parents[1]


@contextmanager
def blaming(
    allocator: Allocator, runs: Callable[[], Sequence[tuple[str, int, int]]]
) -> Iterator[None]:
    """Adds a note to what the allocator raises inside; the exception itself stays as it is.

    `runs` gives task, seed and step of those that were under way. Errors of readsim's own, such as
    those of files, get none, but for shares that are none.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ReadsimError) and not isinstance(error, AllocationError):
            raise
        hook, seed, step = _called(error.__traceback__)
        at = [run for run in runs() if seed in (None, run[1])] or list(runs())
        seeds = ", ".join(str(run[1]) for run in at)
        note = (
            f"allocator {allocator_name(allocator)!r}, task {at[0][0]!r}, seed{'s' * (len(at) > 1)} "
            f"{seeds}, step {at[0][2] if step is None else step}" + (f", in {hook}" if hook else "")
        )
        error.add_note("\n".join([note, *_lines(error.__traceback__)]))
        raise


def _called(trace: TracebackType | None) -> tuple[str | None, int | None, int | None]:
    """The hook that was running, and of what run and step it was, where the frames tell."""
    hook = seed = step = None
    for frame, _ in traceback.walk_tb(trace):
        if frame.f_code.co_name not in HOOKS:
            continue
        hook = frame.f_code.co_name
        for value in list(frame.f_locals.values()):
            context = value.context if isinstance(value, Transition) else value
            if isinstance(context, Context):
                seed, step = context.setup.seed, context.step
            elif isinstance(context, Setup):
                seed = context.seed
    return hook, seed, step


def _lines(trace: TracebackType | None) -> list[str]:
    """The last lines of a traceback that are not readsim's."""
    frames = [f for f in traceback.extract_tb(trace) if _READSIM not in Path(f.filename).parents]
    shown = []
    for frame in frames[-LINES:]:
        shown.append(f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}')
        if frame.line:
            shown.append(f"    {frame.line}")
    return shown


def read_only(array: Array) -> Array:
    """A view that an allocator cannot write through."""
    view = array.view()
    view.setflags(write=False)
    return view


def check_state(allocator: Allocator, state: State) -> None:
    """Warns of a state that no checkpoint can hold."""
    try:
        encode_tree(state)
    except RunLogError as error:
        warnings.warn(
            f"allocator {allocator_name(allocator)!r}: its state cannot be saved, so that a costly run of "
            f"it could not be resumed: {error}",
            stacklevel=2,
        )


def is_usual(shares: Array) -> bool:
    """Whether shares can be taken as they are, up to their sum."""
    values = shares.tolist()  # quicker than numpy for few numbers
    return bool(min(values) >= -TOLERANCE and max(values) > 0.0)


def warn_of_shares(allocator: Allocator, seed: int, step: int, asked: Array, given: Array) -> None:
    """Says what became of shares that are not `is_usual`."""
    warnings.warn(
        f"allocator {allocator_name(allocator)!r}, seed {seed}, step {step}: its shares {asked.tolist()} "
        f"became {np.round(given, 4).tolist()}: negative shares count as 0, and all zeros are equal shares "
        "(shown once)",
        stacklevel=2,
    )
