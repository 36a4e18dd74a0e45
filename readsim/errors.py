"""One error tree. Each error is also the standard one it specialises, so `except ValueError` works."""

from collections.abc import Iterable
from difflib import get_close_matches


class ReadsimError(Exception):
    """Base of every error that readsim raises on purpose."""

    def __str__(self) -> str:
        # KeyError would show the repr of its argument; a message is meant to be read.
        return str(self.args[0]) if self.args else ""


class ConfigError(ReadsimError, ValueError):
    """A setting has a value that is not accepted."""


class RenderModeError(ConfigError, TypeError):
    """A render mode, of which there is none: a `TypeError` too, as for an argument that is not taken."""


class UnknownNameError(ReadsimError, KeyError):
    """A name (world, task, allocator, capability, field) that does not exist."""


class WorldError(ConfigError):
    """A world file or a world's data contradicts itself."""


class AllocationError(ReadsimError, ValueError):
    """An allocation that cannot be read as a point of the simplex."""


class BudgetError(ReadsimError, ValueError):
    """A charge that the ledger refuses."""


class RunLogError(ReadsimError, ValueError):
    """A run log that cannot be read or continued."""


class SchemaError(RunLogError):
    """A file written by a newer readsim."""


class CapabilityMissingError(ReadsimError, RuntimeError):
    """Something was asked of a backend or an environment that it cannot do."""


class TrainingError(ReadsimError, RuntimeError):
    """A training step that cannot be taken: a loss that is not finite, memory that ran out."""


def shown(value: object) -> str:
    """A value in a message: its `repr`, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return f"a {type(value).__name__} that is too long to show"
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


class UnlikeTrainingWarning(UserWarning):
    """A policy plays a run that is unlike those it was trained in: it can, and may do badly."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` for the closest of `known`, or an empty string.

    The name that the fewest slips of the hand turn into this one, at most one in three letters of it;
    else the first that begins with it, else one that shares much with it.
    """
    given = str(name).lower()
    by_lower = {str(k).lower(): k for k in known}
    slips = {k: edits(given, k) for k in by_lower}
    alike = get_close_matches(given, by_lower, n=max(1, len(by_lower)), cutoff=0.5)
    near = sorted((k for k in alike if slips[k] <= len(given) // 3), key=slips.__getitem__)
    longer = [k for k in by_lower if len(given) > 2 and k.startswith(given)]
    close = near or longer or alike
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def edits(one: str, other: str) -> int:
    """Letters inserted, left out, replaced, or swapped with their neighbour, that turn one into the other.

    The optimal string alignment distance (Boytsov 2011, section 2.2: restricted Damerau-Levenshtein).
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not among `known`, with the nearest one and the whole list."""
    names = list(known)
    return UnknownNameError(
        f"unknown {kind} {name!r}{nearest(name, names)} (known: {', '.join(map(str, names)) or 'none'})"
    )
