"""Allocators that are frozen dataclasses of settings, each with its range and its provenance."""

from dataclasses import MISSING, dataclass, fields

from readsim.allocators.base import Allocator
from readsim.files.checked import Checked, choice, number, switch, whole

__all__ = ["Configured", "choice", "number", "switch", "whole"]


@dataclass(frozen=True)
class Configured(Checked, Allocator):
    """Base of allocators whose fields are settings made by `number`, `whole`, `switch`, `choice`.

    A provenance starts with "paper", "code" (the authors' published one), "inferred" or "ours".
    Raises ConfigError, or UnknownNameError for a choice, at construction.
    """

    def settings(self) -> list[tuple[str, str, str]]:
        """(name, value, provenance); a value that is not the default is marked so."""
        rows = []
        for f in fields(self):
            value = getattr(self, f.name)
            changed = f.default is not MISSING and value != f.default
            source = "set by this variant or the user" if changed else f.metadata["provenance"]
            rows.append((f.name, str(value), str(source)))
        return rows
