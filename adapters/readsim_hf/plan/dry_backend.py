"""A backend that offers what the real one does and does nothing: for checks before models are loaded."""

from typing import Any, NoReturn

from readsim.arrays import Array
from readsim.backend import Final, Measurement
from readsim.errors import CapabilityMissingError


class DryBackend:
    """Sources and capabilities, `hidden` ones among them; what trains or measures is refused."""

    def __init__(
        self,
        sources: tuple[str, ...],
        capabilities: tuple[str, ...],
        budget: int,
        hidden: tuple[str, ...] = (),
    ) -> None:
        self.sources, self.capabilities, self.hidden = sources, capabilities, hidden
        self.budget = budget

    def reset(self, seed: int | None) -> Measurement:
        _refuse()

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        _refuse()

    def dev_eval(self) -> Measurement:
        _refuse()

    def final_eval(self) -> Final:
        _refuse()

    def teacher_profile(self) -> Measurement:
        _refuse()

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, saved: dict[str, Any]) -> None:
        _refuse()

    def put_back(self, saved: dict[str, Any]) -> None:
        _refuse()


def _refuse() -> NoReturn:
    raise CapabilityMissingError("a plan has no models: start the run itself")
