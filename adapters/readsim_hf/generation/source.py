"""What a run trains on, source by source: where its next prompts come from."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from readsim_hf.prompts.prompt import Prompt


class SourceStream(Protocol):
    """The prompts of one source, the same for the same seed and calls.

    What a template makes is endless; rows of a data set are gone through again and again.
    """

    @property
    def name(self) -> str:
        """Of the source."""
        ...

    @property
    def counts(self) -> Mapping[str, float]:
        """Since the start of the run: `drawn`, `leaked`, `repeated` and what else it counts; where it is
        finite, `epochs`, how often it was gone through."""
        ...

    def take(self, n: int, spent_fraction: float, /) -> Sequence[Prompt]:
        """The next n prompts, at that fraction of the budget. Raises ConfigError where there are none."""
        ...

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as plain data and arrays."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state()` of a stream with the same settings."""
        ...
