"""The contract between the environment and whatever trains and measures: simulator or real models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from readsim.arrays import Array


class Outcome(NamedTuple):
    """What one interval brought: the probed profile (visible capabilities) and tokens by kind."""

    profile: Array
    charges: Mapping[str, int]


class Final(NamedTuple):
    """The end of a run, over all K capabilities, hidden ones too.

    `profile`: final scores (noise-free in the simulator). `change`: measured change since the start
    on the test split. `change_sd`: standard error of that measurement.
    """

    profile: Array
    change: Array
    change_sd: Array


class Backend(Protocol):
    """Trains one student and measures it. Every method is deterministic given seed and calls."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of what can be trained on (S)."""
        ...

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Names of what is measured at the end (K)."""
        ...

    @property
    def hidden(self) -> tuple[str, ...]:
        """Capabilities that no probe shows before the end."""
        ...

    def reset(self, seed: int | None) -> Array:
        """A fresh student; its probed profile. None: the next run on the streams of the last seed."""
        ...

    def run_interval(self, step: int, weights: Array, tokens: int) -> Outcome:
        """Train `tokens` tokens at token shares `weights` (S,), then probe."""
        ...

    def dev_eval(self) -> Array:
        """The profile measured on the dev split (visible capabilities)."""
        ...

    def drain(self) -> Mapping[str, int]:
        """Tokens by kind that `reset`, `dev_eval` and `final_eval` used since this was last asked."""
        ...

    def final_eval(self) -> Final:
        """Scores on the test split; the run is over."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """Everything `restore` needs, as a tree of plain data and arrays."""
        ...

    def restore(self, saved: dict[str, Any]) -> None:
        """Go back to a snapshot exactly."""
        ...


@runtime_checkable
class DurableBackend(Backend, Protocol):
    """A backend whose state is too large for a tree in memory: it writes itself to a folder."""

    def save(self, folder: Path) -> None:
        """Write what `load` needs into an empty folder; every file is on disk when this returns."""
        ...

    def load(self, folder: Path) -> None:
        """Go back to a saved state exactly. Raises RunLogError if a file is missing or damaged."""
        ...


@runtime_checkable
class OffersTeacher(Protocol):
    """A backend that knows how well its teacher does, which is what reference losses come from."""

    def teacher_profile(self) -> Array:
        """The teacher's profile (V,) on the scale of the probes."""
        ...


@runtime_checkable
class OffersAlignment(Protocol):
    """A backend that can say what training on each source would do now: gradient alignment."""

    def alignment(self) -> Array:
        """(S, V): change of visible capability j per token of source i, from the present student.

        To first order this is the inner product of the sources' and the capabilities' gradients.
        """
        ...


@runtime_checkable
class OffersParameters(Protocol):
    """A backend whose student is a known point theta (d,): where statements about parameters live.

    Everything here is of the present student and changes nothing.
    """

    def parameters(self) -> Array:
        """theta (d,), in an order that stays."""
        ...

    def directions(self) -> Array:
        """v_i = -grad L_i(theta), (S, d): the expected descent direction of each source."""
        ...

    def readouts(self, parameters: Array) -> Array:
        """The noise-free smooth profile (K,) of a student with these parameters."""
        ...

    def readout_gradients(self) -> Array:
        """grad p_j(theta), (K, d)."""
        ...

    def expected_update(self, weights: Array, rate: float, updates: int = 1) -> Array:
        """E[Delta theta] (d,) of `updates` optimiser updates at learning rate `rate` on the mixture
        `weights` (S,), with the optimiser state that the student has now."""
        ...


@runtime_checkable
class OffersOutlook(Protocol):
    """A backend that knows what the next interval would bring, without noise: q(x_t, alpha)."""

    def outlook(self, weights: Array, tokens: float) -> Array:
        """(A, V): change of the true visible profile after `tokens` at each allocation (A, S)."""
        ...


@runtime_checkable
class OffersManifest(Protocol):
    """A backend that says what it is: models, data, settings. A log of another one is not continued."""

    def manifest(self) -> Mapping[str, Any]:
        """Plain data (text, numbers, lists, mappings) that is the same whenever it is asked."""
        ...
