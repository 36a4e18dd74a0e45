"""A world: the data that says how training on S sources moves K capabilities."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, WorldError
from readsim.token_counts import parse_tokens
from readsim.worlds import links
from readsim.worlds.artifact import Artifact
from readsim.worlds.data import WorldData
from readsim.worlds.flow import Flow, FlowTerms
from readsim.worlds.gains import gain
from readsim.worlds.paced import Dynamics, Equations, Paced
from readsim.worlds.potential import Potential, State
from readsim.worlds.probe import Probe
from readsim.worlds.task import AnyTask, Task, resolve_task
from readsim.worlds.terms.answer_format import formats_of
from readsim.worlds.terms.overtraining import Overtraining
from readsim.worlds.token_repetition import Intake
from readsim.worlds.validation import validate_world

STEPS = 20  # decision steps of the paper's runs; results of cumulative worlds do not depend on it


@dataclass(frozen=True, kw_only=True, eq=False)
class World(WorldData):
    """The numbers of a world (`WorldData`: its fields), and what follows from them.

    Raises WorldError when the numbers contradict each other, naming the field.
    """

    def __post_init__(self) -> None:
        self._read_lists()
        for name, default, axis in OPTIONAL_VECTORS:
            if getattr(self, name).size == 0:
                length = len(self.sources) if axis == "S" else len(self.capabilities)
                object.__setattr__(self, name, np.full(length, default))
        validate_world(self)
        for name in self.tasks:
            kind = self.task(name).kind
            if kind.startswith("ces") and not self.is_score:
                raise WorldError(f"tasks.{name}.utility = {kind!r}: negated losses are below 0")

    def __repr__(self) -> str:
        """A line to paste: `world_from_dict` of `readsim.worlds` makes this world of it."""
        files = import_module(
            "readsim.worlds.files"
        )  # which reads worlds, and so imports this module
        return f"world_from_dict({files.world_to_dict(self)!r})"

    def _read_lists(self) -> None:
        """Lists where arrays and tuples are meant; one gain family for all sources as text."""
        for f in fields(self):
            value = getattr(self, f.name)
            if f.type == Array and not isinstance(value, np.ndarray):
                try:
                    object.__setattr__(self, f.name, np.array(value, dtype=np.float64))
                except (TypeError, ValueError) as error:
                    raise WorldError(f"{f.name}: expected numbers ({error})") from error
            elif f.name in ("sources", "capabilities", "hidden") and isinstance(value, list):
                object.__setattr__(self, f.name, tuple(value))
            elif f.name == "schedule" and isinstance(value, str):
                object.__setattr__(self, f.name, {"kind": value})
        if not isinstance(self.gain, tuple):
            several = [self.gain] * self.curves if isinstance(self.gain, str) else self.gain
            object.__setattr__(self, "gain", tuple(several))

    @cached_property
    def visible(self) -> tuple[str, ...]:
        """The capabilities that a probe may show."""
        return tuple(c for c in self.capabilities if c not in self.hidden)

    @cached_property
    def visible_columns(self) -> list[int]:
        """Their places among the capabilities."""
        return [self.capabilities.index(c) for c in self.visible]

    @property
    def task_names(self) -> tuple[str, ...]:
        """Listed tasks, or one focus task for each visible capability."""
        return tuple(self.tasks) or self.visible

    def task(self, task: AnyTask) -> Task:
        """The task that is meant: see `resolve_task`. Raises UnknownNameError with the nearest name."""
        return resolve_task(task, self.capabilities, self.hidden, self.tasks)

    @cached_property
    def intake(self) -> Intake | None:
        """What lies between tokens and gain curves; None if every source has its own, endless one."""
        finite = bool(np.isfinite(self.pool_tokens).any())
        if not finite and not self.feeds.size:
            return None
        pool = self.pool_tokens * self.rate() if finite else None
        return Intake(pool, self.feeds / self.scale_tokens if self.feeds.size else None)

    @cached_property
    def link_function(self) -> links.Link:
        """From latent sums to profiles."""
        return links.link(self.link, self.start, self.floor, self.ceiling)

    @cached_property
    def model(self) -> Dynamics:
        """The equations of this world's dynamics mode, for any leading axes."""
        return self._model(self.link_function)

    def model_of_runs(self, runs: int) -> Dynamics:
        """`model` for exactly (runs, K) profiles: its link constants are tiled.

        The same numbers; numpy is about three times as fast on whole arrays as on short rows.
        """
        bounds = (np.tile(v, (runs, 1)) for v in (self.start, self.floor, self.ceiling))
        return self._model(links.link(self.link, *bounds))

    def initial(self, rate: Array, budget: Array | float) -> State:
        """The state before a run of `budget` tokens, one number or (..., 1), over which the learning rate
        is scheduled; `rate` (..., S) as `World.rate` gives it."""
        model = self.model
        return model.start(rate, budget) if isinstance(model, Paced) else model.initial(rate)

    def _model(self, link: links.Link) -> Dynamics:
        constant = self.learning_rate.is_constant
        equations = self._equations(link)
        return equations if constant else Paced(equations, self.learning_rate)

    def _equations(self, link: links.Link) -> Equations:
        if self.cumulative:
            return self._potential(link)
        if self.dynamics == "flow":
            return Flow(
                self.gains,
                link,
                self.help,
                self.harm,
                self._flow_terms(),
                self.intake,
                self._limit,
                self._overtraining,
            )
        return Artifact(self.start, self.help - self.harm, self.process_sd)

    @cached_property
    def potential(self) -> Potential:
        """The equations of cumulative tokens with this world's gains, link, help and harm."""
        return self._potential(self.link_function)

    def _potential(self, link: links.Link) -> Potential:
        return Potential(
            self.gains, link, self.help, self.harm, self.intake, self._limit, self._overtraining
        )

    @property
    def _limit(self) -> Array | None:
        return self.interference_limit if np.isfinite(self.interference_limit).any() else None

    @cached_property
    def _overtraining(self) -> Overtraining | None:
        """The cost of drift from the start and of repetition; None where both are off."""
        if not self.overtrains:
            return None
        pool = self.pool_tokens * self.rate()
        wasted = np.where(np.isfinite(pool), self.repetition_harm, 0.0)[:, None]
        brought = (self.feeds / self.scale_tokens) @ self.help if self.feeds.size else self.help
        return Overtraining(
            tokens=self.overtraining_tokens,
            span=self.ceiling - (self.floor if self.is_score else self.start),
            per_token=1.0 / self.rate(),
            brought=wasted * brought if wasted.any() else None,
            pool=pool,
        )

    def _flow_terms(self) -> FlowTerms:
        k = len(self.capabilities)
        terms = {
            "needs": np.full(k, -1.0),
            "threshold": np.zeros(k),
            "width": np.ones(k),
            "low": np.zeros(k),
        }
        for gate in self.gates:
            j = self.capabilities.index(str(gate["capability"]))
            terms["needs"][j] = self.capabilities.index(str(gate["needs"]))
            for key in ("threshold", "width", "low"):
                terms[key][j] = float(str(gate.get(key, {"width": 0.02, "low": 0.0}.get(key))))
        return FlowTerms(
            forgetting_tokens=self.forgetting_tokens,
            gate_needs=terms["needs"],
            gate_threshold=terms["threshold"],
            gate_width=terms["width"],
            gate_low=terms["low"],
            drift_tokens=float(str(self.drift["after_tokens"])) if self.drift else np.inf,
            help_after=np.asarray(self.drift["help"], dtype=np.float64) if self.drift else None,
            process_sd=self.process_sd,
            substeps=self.substeps,
            rehearsal_share=self.rehearsal_share,
            formats=formats_of(self.formats, self.sources, self.capabilities),
        )

    def probe(self, split: str) -> Probe:
        """The measurement model of a split: `probe` and `dev` use `items`, `test` has `test_items`.

        Bias and slope belong to the probe suite; the test benchmark is what utility is defined on.
        """
        if split == "test":
            k = len(self.capabilities)
            return Probe(self.test_items, np.zeros(k), np.ones(k), self.pairing, self.scale)
        return Probe(self.items, self.probe_bias, self.probe_slope, self.pairing, self.scale)

    def rate(self, efficiency: Array | float = 1.0) -> Array:
        """Scaled tokens per token, (..., S): efficiency / scale_tokens; with `feeds` the efficiency."""
        scale = np.ones(len(self.sources)) if self.feeds.size else self.scale_tokens
        return np.asarray(efficiency / scale)

    def profile_after(
        self, schedule: Iterable[Array], budget: Array | float | None = None
    ) -> Array:
        """The noise-free profile (..., K) after intervals of `tokens` (..., S) each.

        `budget`, one number or (..., 1), is what the learning rate is scheduled over: the sum of these tokens
        unless the run is to stop before its end.
        """
        state: State | None = None
        intervals = [np.asarray(tokens, dtype=np.float64) for tokens in schedule]
        if budget is None and not self.learning_rate.is_constant:
            budget = sum((each.sum(axis=-1, keepdims=True) for each in intervals), np.zeros(1))
        for amounts in intervals:
            if state is None:
                rate = np.broadcast_to(self.rate(), amounts.shape)
                state = self.initial(rate, 0.0 if budget is None else budget)
            state = self.model.advance(state, amounts)
        if state is None:
            return self.start.copy()
        return self.model.profile(state)

    def static_profile(self, allocation: Array, budget: float | str, steps: int = STEPS) -> Array:
        """The noise-free profile (..., K) after `budget` tokens at one constant allocation (..., S)."""
        budget = parse_tokens(budget) if isinstance(budget, str) else budget
        shares = np.asarray(allocation, dtype=np.float64)
        if self.cumulative:
            return self.profile_after([shares * budget], budget)
        return self.profile_after([shares * (budget / steps)] * steps, budget)

    def transfer_matrix(self, budget: float | str, steps: int = STEPS) -> Array:
        """M (S, K): change of capability j after `budget` tokens on source i alone (Definition 2.2)."""
        budget = parse_tokens(budget) if isinstance(budget, str) else budget
        if not (np.isfinite(budget) and budget >= 0):
            raise ConfigError(f"budget = {budget!r}: expected a number of tokens >= 0")
        return self.static_profile(np.eye(len(self.sources)), budget, steps) - self.start

    def knees(self, fraction: float = 0.1) -> Array:
        """Tokens (S,) after which each gain curve's slope has fallen to `fraction` of its first.

        Raises ConfigError with `feeds`: no curve belongs to one source.
        """
        if self.feeds.size:
            raise ConfigError("knees: this world's sources share gain curves (feeds)")
        return np.array([gain(f).knee(fraction) for f in self.gain]) * self.scale_tokens

    def replace(self, **changes: object) -> "World":
        """A copy with some fields changed, checked again."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        merged: dict[str, Any] = {**fields, **changes}
        return World(**merged)


OPTIONAL_VECTORS: tuple[tuple[str, float, str], ...] = (
    ("efficiency_sd", 0.0, "S"),
    ("pool_tokens", np.inf, "S"),
    ("process_sd", 0.0, "K"),
    ("forgetting_tokens", np.inf, "K"),
    ("items", 64.0, "K"),
    ("test_items", 1000.0, "K"),
    ("probe_bias", 0.0, "K"),
    ("probe_slope", 1.0, "K"),
    ("overtraining_tokens", np.inf, "K"),
    ("repetition_harm", 0.0, "S"),
    ("interference_limit", np.inf, "K"),
    ("rehearsal_share", np.inf, "K"),
)
