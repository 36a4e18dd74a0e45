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


def nearest(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` for the closest of `known`, or an empty string."""
    by_lower = {k.lower(): k for k in known}
    close = get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean {by_lower[close[0]]!r}?" if close else ""


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not among `known`, with the nearest one and the whole list."""
    names = list(known)
    return UnknownNameError(
        f"unknown {kind} {name!r}{nearest(name, names)} (known: {', '.join(map(str, names)) or 'none'})"
    )
