"""The contract between the environment and whatever trains and measures: simulator or real models."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from readsim.arrays import Array
from readsim.errors import CapabilityMissingError, ConfigError
from readsim.runs.profile_scale import SCORES, ProfileScale
from readsim.runs.rows import SampledReply
from readsim.runs.trained_shares import TrainedShare
from readsim.worlds.terms.learning_rate import LearningRate
from readsim.worlds.world import World

TokenUsage = Mapping[str, int]
"""Tokens by kind, the kinds of `readsim.envs.ledger.KINDS`; a kind that is absent counts as 0."""


class Measurement(NamedTuple):
    """A measured profile (V,) of the visible capabilities, and the tokens used to get it.

    After `run_interval` the tokens trained are among them, as `student`.
    """

    profile: Array
    token_usage: TokenUsage


class Final(NamedTuple):
    """The end of a run, over all K capabilities, hidden ones too.

    `profile`: final scores (noise-free in the simulator). `change`: measured change since the start
    on the test split. `change_sd`: standard error of that measurement.
    """

    profile: Array
    change: Array
    change_sd: Array
    token_usage: TokenUsage


class Backend(Protocol):
    """Trains one student and measures it. Every method is deterministic given seed and calls.

    Whatever measures returns its value together with the tokens that it used. What only some backends
    can do is an `Offers...` protocol: the core asks for it by `isinstance`, never for a class.
    """

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

    def reset(self, seed: int | None) -> Measurement:
        """A fresh student, probed. None: the next run on the streams of the last seed."""
        ...

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        """Train `tokens` tokens at token shares `weights` (S,), then probe."""
        ...

    def dev_eval(self) -> Measurement:
        """The profile measured on the dev split."""
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
class OffersTruth(Protocol):
    """A backend that knows where its student really is."""

    def true_profile(self) -> Array:
        """Without noise, hidden capabilities too (K,)."""
        ...


@runtime_checkable
class OffersScale(Protocol):
    """A backend whose numbers are not scores in [0, 1]: chance-corrected ones, or negated losses."""

    @property
    def scale(self) -> ProfileScale:
        """The unit of its profiles, and their lowest score."""
        ...


@runtime_checkable
class OffersWorld(Protocol):
    """A backend that simulates a world: oracles may see it, and offline pools are drawn from it."""

    @property
    def world(self) -> World:
        """What is simulated."""
        ...


@runtime_checkable
class OffersRateSchedule(Protocol):
    """A backend that says how its learning rate is scheduled over the budget; others count as constant."""

    @property
    def rate_schedule(self) -> LearningRate:
        """What a token counts for at each point of the budget."""
        ...


@runtime_checkable
class TakesBudget(Protocol):
    """A backend that is told the budget of its runs, which a learning rate is scheduled over."""

    def plan_budget(self, budget: int) -> None:
        """The tokens of the runs that later calls of `reset` start."""
        ...


@runtime_checkable
class OffersSourceSizes(Protocol):
    """A backend whose sources are finite."""

    def source_sizes(self) -> Array:
        """Distinct tokens of each source (S,); infinity where more can always be generated."""
        ...


@runtime_checkable
class OffersTeacher(Protocol):
    """A backend that knows how well its teacher does, which is what reference losses come from."""

    def teacher_profile(self) -> Measurement:
        """The teacher's profile (V,) on the scale of the probes."""
        ...


@runtime_checkable
class OffersProbeItems(Protocol):
    """A backend that says how many items its probes ask, which is what their noise comes from."""

    def probe_items(self) -> Array:
        """Items behind each visible score (V,), 0 where it is exact; of a mean over several benchmarks the
        number of items whose plain mean would be as noisy."""
        ...


@runtime_checkable
class OffersAlignment(Protocol):
    """A backend that can say what training on each source would do now: gradient alignment."""

    def alignment(self) -> tuple[Array, TokenUsage]:
        """(S, V): change of visible capability j per token of source i, from the present student.

        To first order this is the inner product of the sources' and the capabilities' gradients.
        """
        ...


class SourceSignals(NamedTuple):
    """What training shows of each source (S,); nan where it was not seen.

    gradient    norm of the loss's gradient if all tokens were of this source
    kl          KL(teacher || student) a supervised token, in nats
    dispersion  standard deviation of log p_teacher - log p_student over the supervised tokens
    """

    gradient: Array
    kl: Array
    dispersion: Array


@runtime_checkable
class OffersSourceSignals(Protocol):
    """A backend that sees how each source's teacher and student differ while it trains."""

    def source_signals(self) -> tuple[SourceSignals, TokenUsage]:
        """Of the last `run_interval`, and the tokens that looking at them took besides."""
        ...


@runtime_checkable
class OffersMerging(Protocol):
    """A backend whose students can be merged: one training on each source then stands for every mixture."""

    def merged_profiles(self, mixtures: Array, tokens: int) -> tuple[Array, TokenUsage]:
        """Profiles (A, V) of start + sum_s share_s (trained on s alone - start) for mixtures (A, S), from
        trainings of `tokens`, as `search`, that are undone."""
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
class OffersExpectedTraining(OffersParameters, Backend, Protocol):
    """A backend that can train without the luck of a sample: where the order of training is tested."""

    def expected_train(self, weights: Array, tokens: float, updates: int) -> None:
        """Train by the expected gradient of the mixture `weights` (S,): what `tokens` pay for, in
        `updates` updates."""
        ...


@runtime_checkable
class OffersOutlook(Protocol):
    """A backend that knows what the next interval would bring, without noise: q(x_t, alpha)."""

    def outlook(self, weights: Array, tokens: float) -> Array:
        """(A, V): change of the true visible profile after `tokens` at each allocation (A, S)."""
        ...


@runtime_checkable
class OffersProxyOutlook(OffersOutlook, Protocol):
    """A backend that also knows how its probes will scatter: what the expected proxy reward needs."""

    def proxy_outlook(self, weights: Array, tokens: float) -> tuple[Array, Array]:
        """Mean and standard deviation (A, V) of the *measured* change after `tokens` at each allocation."""
        ...


@runtime_checkable
class OffersSamples(Protocol):
    """A backend whose probes leave something to read: the run log keeps it beside the profile."""

    def probe_samples(self) -> Sequence[SampledReply]:
        """Replies that the last probe of the run (`reset`, `run_interval`) got anyway; empty for none."""
        ...


@runtime_checkable
class OffersTrainedShares(Protocol):
    """A backend that counts what it trained of each source: the run log keeps it beside the allocation."""

    def trained_shares(self) -> Sequence[TrainedShare]:
        """Of the last `run_interval`: one record a source, in the sources' order."""
        ...


@runtime_checkable
class OffersBest(Protocol):
    """A backend that can keep the student which did best on the dev split, beside the one in training."""

    def consider(self, score: float) -> None:
        """`score` is the utility of the dev profile that was just measured: keep the student as it is
        now if no earlier one of this run had as much. Undone by `restore` like everything else."""
        ...


@runtime_checkable
class OffersRollback(Backend, Protocol):
    """A backend whose student can be an earlier one again while the run goes on."""

    def put_back(self, saved: dict[str, Any]) -> None:
        """The student, its optimiser too, as in an earlier `snapshot()` of this run. Everything else goes
        on: data and noise that were not seen yet, and the schedule of the learning rate."""
        ...


@runtime_checkable
class OffersManifest(Protocol):
    """A backend that says what it is: models, data, settings. A log of another one is not continued."""

    def manifest(self) -> Mapping[str, Any]:
        """Plain data (text, numbers, lists, mappings) that is the same whenever it is asked."""
        ...


def scale_of(backend: Backend) -> ProfileScale:
    """What the numbers of its profiles are; scores in [0, 1] where it does not say.

    Raises ConfigError for a `scale` of another type.
    """
    said = backend.scale if isinstance(backend, OffersScale) else SCORES
    if not isinstance(said, ProfileScale):
        raise ConfigError(
            f"{type(backend).__name__}.scale = {said!r}: expected a readsim.ProfileScale, such as "
            "ProfileScale(lowest=-1 / 3) or ProfileScale('loss')"
        )
    return said


def schedule_of(backend: Backend) -> LearningRate:
    """How its learning rate is scheduled over the budget; constant where it does not say."""
    return backend.rate_schedule if isinstance(backend, OffersRateSchedule) else LearningRate()


def probe_items_of(backend: Backend) -> Array | None:
    """Items behind each visible score (V,), 0 where it is exact; None where the backend does not say."""
    return backend.probe_items() if isinstance(backend, OffersProbeItems) else None


def added(*usages: TokenUsage) -> dict[str, int]:
    """The sum of token usages, kind by kind, in the order in which the kinds first appear."""
    total: dict[str, int] = {}
    for usage in usages:
        for kind, tokens in usage.items():
            total[kind] = total.get(kind, 0) + tokens
    return total


@contextmanager
def undone(backend: Backend) -> Iterator[None]:
    """Whatever the backend does inside is undone at the end, also where it fails.

    Raises CapabilityMissingError for a backend that has no snapshots.
    """
    saved, lacks = {}, [name for name in ("snapshot", "restore") if not hasattr(backend, name)]
    if not lacks:
        try:
            saved = backend.snapshot()
        except NotImplementedError:
            lacks = ["snapshot"]
    if lacks:
        raise CapabilityMissingError(
            f"{type(backend).__name__} has no {' and no '.join(lacks)}, so trial runs and an offline "
            "pool cannot be undone: add `snapshot()`, which returns the whole state as a tree of plain "
            "data and arrays, and `restore(saved)`; for the pool alone "
            "`transitions(setting, size, seed)` is enough (OffersTransitions)"
        )
    try:
        yield
    finally:
        backend.restore(saved)


def not_measured(names: tuple[str, ...], profile: Array) -> CapabilityMissingError:
    """The error for a profile (V,) of the capabilities `names` that is not finite."""
    bad = [name for name, good in zip(names, np.isfinite(profile), strict=True) if not good]
    return CapabilityMissingError(f"probe of {', '.join(bad) or 'a capability'} is not finite")
