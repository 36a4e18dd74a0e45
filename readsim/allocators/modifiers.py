"""What may be asked of any allocator: anchor, average, floor, caps, a guard, a stop, a rollback."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from readsim.allocators.base import Allocator, Context, Setup, State, Transition
from readsim.arrays import Array, Mask
from readsim.envs.simplex import as_allocation
from readsim.errors import ConfigError, shown, unknown
from readsim.files.checked import LARGEST

AVERAGES = ("last", "time")
TINY = 1e-12
MOST = 1000  # dev measurements of a run


@dataclass(frozen=True)
class ModifierConfig:
    """Options of `Modified`, applied in this order. The defaults change nothing.

    average   "time": the mean of all allocations so far (DoReMi, DoGE); "last": the newest one
    anchor    share of the prior alpha = r that is mixed in, in [0, 1]
    guard     how far a capability may fall below its first probe (score units or nats)
    protect   capabilities that the guard watches, separated by "/"; all visible ones by default
    repair    share of a step that is moved to guarded capabilities while one is below its line
    floor     least share of each source, at most 1 / S
    stop      a source is no longer fed once the dev score of the capability of its name has fallen at this
              many dev measurements in a row, each after tokens of that source; 0 never stops one, and the
              last one fed is never stopped
    epochs    most times that the distinct tokens of a finite pool are trained on
    rollback  how many standard errors the measured utility may fall below its best before the student of
              then is put back (`readsim.envs.rollback`)
    """

    average: str = "last"
    anchor: float = 0.0
    guard: float = np.inf
    protect: str = ""
    repair: float = 0.5
    floor: float = 0.0
    stop: int = 0
    epochs: float = np.inf
    rollback: float = np.inf

    def __post_init__(self) -> None:
        if self.average not in AVERAGES:
            raise unknown("average", str(self.average), AVERAGES)
        for name in ("anchor", "repair", "floor"):
            if not _number(getattr(self, name), 0.0, 1.0):
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r}: expected a share between 0 and 1"
                )
        for name in ("guard", "epochs", "rollback"):
            value = getattr(self, name)
            if value != np.inf and not _number(value, 0.0, LARGEST):
                raise ConfigError(
                    f"{name} = {shown(value)}: expected a number >= 0, at most {LARGEST:g}, or inf"
                )
        if (
            isinstance(self.stop, bool)
            or not isinstance(self.stop, int)
            or not 0 <= self.stop <= MOST
        ):
            raise ConfigError(
                f"stop = {shown(self.stop)}: expected a whole number of measurements >= 0, at most {MOST}"
            )
        if self.protect and np.isinf(self.guard):
            raise ConfigError(f"protect = {self.protect!r}: without guard=DROP it has no effect")


OPTIONS = tuple(f.name for f in fields(ModifierConfig))


def _number(value: object, least: float, most: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return least <= value <= most


def with_floor(shares: Array, floor: float) -> Array:
    """(1 - S floor) w + floor: shares (S,) of at least `floor` each."""
    out: Array = (1.0 - len(shares) * floor) * shares + floor
    return out


def within_caps(shares: Array, caps: Array) -> Array:
    """Shares (S,) cut at caps (S,), the excess given to the others in proportion to their shares.

    Sources with no share get an equal part once those with one are full. Where the caps sum to less
    than 1 no allocation respects them: then the shares are in proportion to the caps, or as they
    were if there is nothing left of any source.
    """
    if caps.sum() <= 1.0:
        return shares if caps.sum() <= 0.0 else caps / caps.sum()
    out, open_ = shares.copy(), np.ones(len(shares), dtype=np.bool_)
    while (over := open_ & (out > caps + TINY)).any():
        out[over], open_[over] = caps[over], False
        room = np.where(open_, out, 0.0)
        rest = 1.0 - float(out[~open_].sum())
        if room.sum() <= TINY:  # nobody who is left has a share: fill their caps evenly
            room = np.where(open_, caps, 0.0)
        out[open_] = room[open_] * (rest / room.sum())
    total: Array = out / out.sum()
    return total


def repair_shares(deficit: Array, own: Array, effects: Array) -> Array:
    """Where to train for capabilities that fell by `deficit` (V,): shares (S,).

    A capability is repaired by the source of its name (`own` (S, V)); without one by the sources in
    proportion to the positive part of their estimated effects (S, V); without any by all alike.
    """
    wanted = np.where(own.any(axis=0), own, np.maximum(effects, 0.0))
    sums = wanted.sum(axis=0)
    shares = np.where(sums > 0.0, wanted / np.where(sums > 0.0, sums, 1.0), 1.0 / len(own))
    total: Array = shares @ (deficit / deficit.sum())
    return total


def without_stopped(shares: Array, stopped: Array) -> Array:
    """Shares (S,) of the sources that are still fed, summing to 1; equal ones where these had none."""
    fed = np.where(stopped, 0.0, shares)
    if fed.sum() <= TINY:
        fed = np.where(stopped, 0.0, 1.0)
    total: Array = fed / fed.sum()
    return total


def falls_in_a_row(falls: Array, before: Array | None, now: Array, fed: Mask) -> Array:
    """How many measurements in a row each score (V,) has fallen, after one more; one whose own source was not
    `fed` (V,) since the last one says nothing about it."""
    if before is None:
        return falls
    out: Array = np.where(fed, np.where(now < before, falls + 1, 0), falls)
    return out


def observed_effects(gram: Array, moment: Array) -> Array:
    """Ridge estimate (S, V) of change per unit share from sums of a a^T (S, S) and a dp^T (S, V)."""
    return np.asarray(np.linalg.solve(gram + np.eye(len(gram)), moment), dtype=np.float64)


def _own(setup: Setup) -> Array:
    """(S, V) of truth values: which capability has the name of which source."""
    return np.array([[s == c for c in setup.capabilities] for s in setup.sources])


class Modified(Allocator):
    """An allocator whose allocations are shaped by `ModifierConfig`; it learns from what was really trained.

    On the command line: `NAME+floor=0.02+guard=0.03`.
    """

    def __init__(self, inner: Allocator, shape: ModifierConfig) -> None:
        self.inner, self.shape = inner, shape
        self.needs, self.rollback = inner.needs, min(inner.rollback, shape.rollback)

    def whole_runs(self, steps: int) -> int:
        return self.inner.whole_runs(steps)

    def check_setup(self, setup: Setup) -> None:
        """ConfigError for a floor or a stop that the sources and capabilities do not allow."""
        self.inner.check_setup(setup)
        if self.shape.floor * len(setup.sources) > 1.0 + TINY:
            most = 1.0 / len(setup.sources)
            raise ConfigError(f"floor = {self.shape.floor!r}: at most 1 / S = {most:g}")
        self._protected(setup)
        if self.shape.stop and not _own(setup).any():
            raise ConfigError(
                f"stop = {self.shape.stop!r}: no source has the name of a visible capability, so none "
                f"has a dev score of its own (sources {', '.join(setup.sources)}; capabilities "
                f"{', '.join(setup.capabilities)})"
            )

    def init_many(self, setups: Sequence[Setup]) -> list[State]:
        for setup in setups:
            self.check_setup(setup)
        return [
            {
                "inner": state,
                "sum": np.zeros(len(setup.sources)),
                "used": np.zeros(len(setup.sources)),
                "line": None,
                "gram": np.zeros((len(setup.sources),) * 2),
                "moment": np.zeros((len(setup.sources), len(setup.capabilities))),
                "guarding": False,
                "dev": None,
                "dev_used": np.zeros(len(setup.sources)),
                "falls": np.zeros(len(setup.capabilities)),
                "stopped": np.zeros(len(setup.sources), dtype=np.bool_),
                "sources": list(setup.sources),
            }
            for setup, state in zip(setups, self.inner.init_many(setups), strict=True)
        ]

    def _protected(self, setup: Setup) -> Array:
        """Truth values (V,)."""
        names = self.shape.protect.split("/") if self.shape.protect else setup.capabilities
        for name in names:
            if name not in setup.capabilities:
                raise unknown("protected capability", name, setup.capabilities)
        return np.array([name in names for name in setup.capabilities])

    def select_many(self, states: Sequence[State], contexts: Sequence[Context]) -> list[ArrayLike]:
        chosen = self._chosen(states, contexts)
        return [self._shaped(*each) for each in zip(states, contexts, chosen, strict=True)]

    def _chosen(self, states: Sequence[State], contexts: Sequence[Context]) -> list[Array]:
        """What the inner allocator asks for."""
        inner = self.inner.select_many([state["inner"] for state in states], contexts)
        return [as_allocation(np.asarray(w, dtype=np.float64), strict=False) for w in inner]

    def _shaped(self, state: State, context: Context, shares: Array) -> Array:
        shape, setup = self.shape, context.setup
        if shape.average == "time":
            shares = (state["sum"] + shares) / (context.step + 1)
        shares = (1.0 - shape.anchor) * shares + shape.anchor * setup.prior
        below = self._below(state, context)
        if below.any():
            own = _own(setup)
            effects = observed_effects(state["gram"], state["moment"])
            mended = repair_shares(below, own, effects)
            shares = (1.0 - shape.repair) * shares + shape.repair * mended
        shares = without_stopped(with_floor(shares, shape.floor), state["stopped"])
        if np.isfinite(shape.epochs) and np.isfinite(setup.pools).any():
            left = np.maximum(shape.epochs * setup.pools - state["used"], 0.0)
            left = np.where(state["stopped"], 0.0, left)
            edges = [(t * setup.budget) // setup.steps for t in (context.step, context.step + 1)]
            shares = within_caps(shares, left / (edges[1] - edges[0]))
        return shares

    def _below(self, state: State, context: Context) -> Array:
        """How far protected capabilities are below their line (V,)."""
        if state["line"] is None or np.isinf(self.shape.guard):
            return np.zeros(len(context.profile))
        deficit = np.maximum(state["line"] - context.profile, 0.0)
        out: Array = deficit * self._protected(context.setup)
        return out

    def update_many(
        self, states: Sequence[State], transitions: Sequence[Transition]
    ) -> list[State]:
        contexts = [t.context for t in transitions]
        timed = self.shape.average == "time"
        chosen = self._chosen(states, contexts) if timed else [t.allocation for t in transitions]
        inner = self.inner.update_many([state["inner"] for state in states], transitions)
        return [
            {
                "inner": new,
                "sum": state["sum"] + w,
                "used": state["used"] + t.allocation * t.tokens,
                "line": t.context.profile - self.shape.guard
                if state["line"] is None
                else state["line"],
                "gram": state["gram"] + np.outer(t.allocation, t.allocation),
                "moment": state["moment"] + np.outer(t.allocation, t.change),
                "guarding": bool(self._below(state, t.context).any()),
                **self._stopping(state, t),
            }
            for state, new, w, t in zip(states, inner, chosen, transitions, strict=True)
        ]

    def _stopping(self, state: State, transition: Transition) -> dict[str, Any]:
        """What is known of falling dev scores after a decision, and which sources are no longer fed."""
        kept = {name: state[name] for name in ("dev", "dev_used", "falls", "stopped", "sources")}
        now = transition.dev_profile
        if not self.shape.stop or now is None:
            return kept
        own, used = (
            _own(transition.context.setup),
            state["used"] + transition.allocation * transition.tokens,
        )
        fed = (used > state["dev_used"]) @ own
        falls = falls_in_a_row(state["falls"], state["dev"], now, fed)
        fell = own @ (falls >= self.shape.stop)
        stopped = state["stopped"] | fell
        return {
            **kept,
            "dev": now,
            "dev_used": used,
            "falls": falls,
            "stopped": kept["stopped"] if stopped.all() else stopped,
        }

    def init(self, setup: Setup) -> State:
        return self.init_many([setup])[0]

    def select(self, state: State, context: Context) -> ArrayLike:
        return self.select_many([state], [context])[0]

    def update(self, state: State, transition: Transition) -> State:
        return self.update_many([state], [transition])[0]

    def report(self, state: State) -> Mapping[str, Any]:
        more: dict[str, Any] = {}
        if not np.isinf(self.shape.guard):
            more["guarding"] = state["guarding"]
        if self.shape.stop:
            names = zip(state["sources"], state["stopped"], strict=True)
            more["stopped"] = [name for name, over in names if over]
        return {**self.inner.report(state["inner"]), **more}

    def settings(self) -> list[tuple[str, str, str]]:
        rows = [(n, str(getattr(self.shape, n)), "set by the user") for n in OPTIONS]
        default = ModifierConfig()
        changed = [r for r in rows if getattr(self.shape, r[0]) != getattr(default, r[0])]
        return [*self.inner.settings(), *changed]
