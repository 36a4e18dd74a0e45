"""The equations of `potential` and `flow` worlds for N runs, each in a world of its own.

The same as `readsim.worlds.flow` states, term by term, with the run as the last axis of every array; a test
holds the two together to 1e-9. Everything is a function of the module `xp` that is given, numpy or torch:
with torch a final utility can be differentiated through a whole run. Nothing is changed in place.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from readsim.worlds.links import LARGEST, LINKS
from readsim.worlds.many.stack import FAMILIES, WorldStack
from readsim.worlds.terms.learning_rate import KINDS
from readsim.worlds.token_repetition import REPEATS

Tensor = Any  # an array of `xp`
LEAST = 1e-300  # tokens of a step without any, as in `Paced`


class Groups:
    """Entries of an array in groups, each with an equation of its own: `codes` says which."""

    def __init__(self, xp: Any, codes: np.ndarray[Any, np.dtype[Any]]) -> None:
        self.xp = xp
        flat = codes.reshape(-1)
        self.present = [int(code) for code in np.unique(flat)]
        self.shape = codes.shape
        places = [np.flatnonzero(flat == code) for code in self.present]
        self.back = xp.asarray(np.argsort(np.concatenate(places), kind="stable"))
        self.places = [xp.asarray(place) for place in places]

    def pick(self, values: Tensor) -> list[Tensor]:
        """The entries of each group along the last axis."""
        if len(self.present) == 1:
            return [values]
        return [_at(self.xp, values, place) for place in self.places]

    def first(self, values: Tensor) -> Tensor:
        """The entries of the first group alone."""
        return values if len(self.present) == 1 else _at(self.xp, values, self.places[0])

    def join(self, parts: list[Tensor]) -> Tensor:
        """The groups' entries in their old order."""
        if len(parts) == 1:
            return parts[0]
        return _at(self.xp, self.xp.concatenate(parts, -1), self.back)


@dataclass(frozen=True, eq=False)
class ManyState:
    """Of N runs: scaled tokens x, their rate and what they gained (S, N), latent sums z (K, N), tokens
    trained, what they counted for, and the budget (N,); what harm took before its limit (K, N) and formats
    (F, N), or None."""

    x: Tensor
    rate: Tensor
    gained: Tensor
    z: Tensor
    trained: Tensor
    counted: Tensor
    budget: Tensor
    taken: Tensor | None
    written: Tensor | None


class ManyWorlds:
    """N worlds, one a run: `stack.take(...)` gives their numbers. `least` is what x is kept above where a
    gain is infinitely steep, for derivatives."""

    def __init__(self, stack: WorldStack, xp: Any = np, least: float = 0.0) -> None:
        self.xp, self.terms, self.least = xp, stack.terms, least
        number = stack.numbers
        self.numbers = {name: xp.asarray(value) for name, value in number.items()}
        self.__dict__.update(self.numbers)
        self.runs = number["rate"].shape[-1]
        self._families = Groups(xp, number["family"])
        self._power = self._families.pick(xp.asarray(number["power"]).reshape(-1))
        self._links = Groups(xp, number["link"])
        self._of_link = [
            dict(zip(BOUNDS, parts, strict=True))
            for parts in zip(*(self._links.pick(self.numbers[b]) for b in BOUNDS), strict=True)
        ]
        self.substep_count = int(number["substeps"].max())
        self._even = bool((number["substeps"] == self.substep_count).all())
        endless = ~np.isfinite(number["pool"])
        self._repeats = Groups(xp, endless.astype(np.int64))
        self._pool = self._repeats.pick(xp.asarray(number["pool"]).reshape(-1))
        places = number["gate_from"] * self.runs + np.arange(self.runs)
        self._gate_from = xp.asarray(places.reshape(-1))
        self._gated = self._part("gates", number["gate_height"].any(axis=0), stack)
        self._drifting = self._part("drift", np.isfinite(number["drift_tokens"]), stack)
        some = np.isfinite(number["limit"])
        self._limit = xp.asarray(some), xp.asarray(np.where(some, number["limit"], 1.0))
        self._alike = bool(
            (number["overtraining_tokens"] == number["overtraining_tokens"][:1]).all()
        )

    def _part(self, term: str, has: Any, stack: WorldStack) -> "tuple[Groups, ManyWorlds] | None":
        """The runs whose world has a term that costs much, and their worlds alone."""
        if term not in self.terms or not has.any():
            return None
        some = WorldStack(stack.take(np.flatnonzero(has)).numbers, stack.terms - {"gates", "drift"})
        return Groups(self.xp, np.where(has, 0, 1)), ManyWorlds(some, self.xp, self.least)

    # ------------------------------------------------------------ the state

    def initial(self, rate: Tensor, budget: Tensor) -> ManyState:
        """Before a run of `budget` (N,) tokens; `rate` (S, N) is efficiency over scale."""
        number, zeros = self.numbers, self.xp.zeros_like
        nothing, z = zeros(budget), zeros(number["start"])
        x = zeros(rate)
        return ManyState(
            x=x,
            rate=rate,
            gained=self._gain(self._once(x)),
            z=z,
            trained=nothing,
            counted=nothing,
            budget=budget,
            taken=z if "limit" in self.terms else None,
            written=zeros(number["format_tokens"]) if "formats" in self.terms else None,
        )

    def profile(self, state: ManyState) -> Tensor:
        """The true profile (K, N)."""
        z = self._skill(state.z, state.x, self._once(state.x))
        if state.written is not None:
            z = z + _times(self.xp, state.written, self.numbers["shift"])
        return self._link(z)

    def advance(self, state: ManyState, tokens: Tensor, process: Tensor | None = None) -> ManyState:
        """The state after one interval with `tokens` (S, N); `process` (K, N) standard deviates."""
        xp, number, terms = self.xp, self.numbers, self.terms
        plain = tokens.sum(0)
        trained = state.trained + plain
        counted = trained
        if "schedule" in terms:
            counted = state.budget * self.integral(trained / state.budget)
            pace = (counted - state.counted) / xp.clip(
                plain, LEAST_FOR[tokens.dtype.itemsize], None
            )
            tokens = tokens * pace
        total, part = state.trained, tokens / number["substeps"]
        each = plain / number["substeps"]
        dx = part * state.rate
        rest = (
            _times(xp, part, number["unpractised"]) if terms & {"forgetting", "rehearsal"} else 0.0
        )
        fade = xp.exp(-rest / number["forgetting_tokens"]) if "forgetting" in terms else None
        left = None
        if "rehearsal" in terms:
            share = 1.0 - rest / xp.clip(part.sum(0), LEAST_FOR[tokens.dtype.itemsize], None)
            left = 1.0 / (1.0 + share / number["rehearsal_share"])
        direct = _times(xp, dx, number["harm"]) if "harm_through_gain" in number else None
        x, z, taken = state.x, state.z, state.taken
        lost_before = None if taken is None else self._limited(taken)
        once, before = self._once(x), state.gained
        for step in range(self.substep_count):
            on = None if self._even else xp.asarray(step < number["substeps"])
            old, old_once = x, once
            x = x + (dx if on is None else dx * on)
            once = self._once(x)
            after = self._gain(once)
            du, before = after - before, after
            gain = _times(xp, du, number["help"])
            if self._drifting is not None:
                gain = self._drifted(gain, du, total, each)
            if self._gated is not None:
                gain = self._opened(gain, z, old, old_once)
            loss = self._lost(dx, du, direct)
            loss = loss if left is None else loss * left
            loss = loss if on is None else loss * on
            if taken is not None:
                taken = taken + loss
                lost = self._limited(taken)
                loss, lost_before = lost - lost_before, lost
            if fade is not None:
                z = z * (fade if on is None else xp.where(on, fade, xp.ones_like(fade)))
            z = z + gain - loss
            total = total + each
        written = None if state.written is None else self._written(state.written, tokens)
        if process is not None and "process" in terms:
            z = z + process * number["process_sd"] * xp.sqrt(tokens.sum(0) / 1e6)
        return replace(
            state,
            x=x,
            gained=before,
            z=z,
            trained=trained,
            counted=counted,
            taken=taken,
            written=written,
        )

    # ------------------------------------------------------------ the terms

    def _lost(self, dx: Tensor, du: Tensor, direct: Tensor | None) -> Tensor:
        """What harm takes (K, N) while x grows by dx and its gain by du (S, N); `direct` is the part of dx,
        None where all harm that dx feeds is taken back through gains: then one product does."""
        if direct is None:
            return _times(self.xp, dx - du, self.numbers["harm"])
        return direct - _times(self.xp, du, self.numbers["harm_through_gain"])

    def _gain(self, once: Tensor) -> Tensor:
        """u of what x is worth (S, N)."""
        xp, groups = self.xp, self._families
        parts = []
        flat = once.reshape(-1)
        for code, x, q in zip(groups.present, groups.pick(flat), self._power, strict=True):
            family = FAMILIES[code]
            if family == "exponential":
                parts.append(1.0 - xp.exp(-x))
            elif family == "log":
                parts.append(xp.log1p(x))
            elif family == "hill":
                parts.append(x / (1.0 + x))
            elif family == "power":
                parts.append((xp.clip(x, self.least, None) if self.least else x) ** q)
            else:
                parts.append(xp.clip(x, None, 1.0))
        return groups.join(parts).reshape(once.shape)

    def _once(self, x: Tensor) -> Tensor:
        """What tokens are worth as they repeat (S, N)."""
        if "pools" not in self.terms:
            return x
        xp, groups = self.xp, self._repeats
        parts = groups.pick(x.reshape(-1))
        if groups.present[0] == 0:  # finite pools
            pool = self._pool[0]
            extra = xp.clip(parts[0] / pool - 1.0, 0.0, None)
            repeated = -pool * REPEATS * xp.expm1(-extra / REPEATS)
            parts[0] = xp.minimum(parts[0], pool) + repeated
        return groups.join(parts).reshape(x.shape)

    def _skill(self, z: Tensor, x: Tensor, once: Tensor) -> Tensor:
        """z less what overtraining costs (K, N)."""
        number = self.numbers
        if "overtraining" in self.terms:
            tokens = number["overtraining_tokens"]
            far = (x * number["per_token"]).sum(0) / (tokens[:1] if self._alike else tokens)
            z = z - number["span"] * (far - (1.0 - self.xp.exp(-far)))
        if "repetition" in self.terms:
            z = z - _times(self.xp, x - once, number["brought"])
        return z

    def _limited(self, taken: Tensor) -> Tensor:
        """What harm takes (K, N) where interference has a limit; an infinite one changes nothing."""
        some, most = self._limit
        return self.xp.where(some, most - most * self.xp.exp(-taken / most), taken)

    def _drifted(self, gain: Tensor, du: Tensor, total: Tensor, each: Tensor) -> Tensor:
        """gain (K, N) with what sources teach behind the drift, for `each` (N,) tokens after `total`."""
        assert self._drifting is not None
        runs, worlds = self._drifting
        number, parts, tokens = worlds.numbers, runs.pick(gain), runs.first(each)
        behind = (runs.first(total) + tokens - number["drift_tokens"]) / tokens
        change = _times(self.xp, runs.first(du), number["help_change"])
        return runs.join([parts[0] + self.xp.clip(behind, 0.0, 1.0) * change, *parts[1:]])

    def _opened(self, gain: Tensor, z: Tensor, x: Tensor, once: Tensor) -> Tensor:
        """gain (K, N) behind the gates, as open as they are at z and x."""
        assert self._gated is not None
        runs, worlds = self._gated
        parts = runs.pick(gain)
        skill = worlds._skill(*(runs.first(v) for v in (z, x, once)))
        return runs.join([parts[0] * worlds._gates(worlds._link(skill)), *parts[1:]])

    def _gates(self, profile: Tensor) -> Tensor:
        number = self.numbers
        needed = profile.reshape(-1)[self._gate_from].reshape(profile.shape)
        ready = (needed - number["gate_threshold"]) * number["gate_steepness"]
        return number["gate_middle"] + number["gate_height"] * self.xp.tanh(ready)

    def _written(self, state: Tensor, tokens: Tensor) -> Tensor:
        """The state of the formats (F, N) after `tokens` (S, N)."""
        xp, total = self.xp, tokens.sum(0)
        share = _times(xp, tokens, self.numbers["written"]) / xp.clip(
            total, LEAST_FOR[tokens.dtype.itemsize], None
        )
        return state - (share - state) * xp.expm1(-total / self.numbers["format_tokens"])

    def _link(self, z: Tensor) -> Tensor:
        """Profiles (K, N) of latent sums (K, N)."""
        xp, parts = self.xp, []
        for code, some, b in zip(
            self._links.present, self._links.pick(z), self._of_link, strict=True
        ):
            kind = LINKS[code]
            if kind == "identity":
                parts.append(b["start"] + some)
            elif kind == "saturating":
                gap = xp.where(some > 0.0, b["up"], b["down"])
                parts.append(b["start"] + gap * (xp.exp(some / gap) - 1.0))
            elif kind == "logistic":
                half = 0.5 * (b["lift"] + b["steep"] * some)
                parts.append(b["bottom"] + b["reach"] * 0.5 * (1.0 + xp.tanh(half)))
            else:
                power = xp.clip(some / b["up"], None, LARGEST)
                parts.append(b["start"] - b["up"] + b["up"] * xp.exp(power))
        return self._links.join(parts)

    def integral(self, share: Tensor) -> Tensor:
        """`LearningRate.integral` (N,) of each run's own schedule."""
        xp, number = self.xp, self.numbers
        warmup, end, decay = number["warmup"], number["end"], number["decay"]
        within = xp.clip(share, None, 1.0)
        behind = xp.clip(within - warmup, 0.0, None)
        width, fall = 1.0 - warmup, 1.0 - end
        linear = behind - 0.5 * fall * behind**2 / width
        wave = xp.sin(np.pi * behind / width) * width / np.pi
        cosine = end * behind + 0.5 * fall * (behind + wave)
        late = xp.clip(within - (1.0 - decay), 0.0, None)
        wsd = behind - 0.5 * fall * late**2 / xp.clip(decay, 1e-12, None)
        out = behind
        for name, value in (("linear", linear), ("cosine", cosine), ("wsd", wsd)):
            out = xp.where(number["kind"] == KINDS.index(name), value, out)
        warm = 0.5 * xp.minimum(within, warmup) ** 2 / xp.clip(warmup, 1e-12, None)
        return out + warm + (share - within) * number["last"]


BOUNDS = ("start", "up", "down", "bottom", "reach", "lift", "steep")
LEAST_FOR = {8: LEAST, 4: 1e-30}  # by the size of a number


def _at(xp: Any, values: Tensor, places: Tensor) -> Tensor:
    """The entries at these places of the last axis."""
    return values.take(places, -1) if xp is np else values[..., places]


def _times(xp: Any, rows: Tensor, matrices: Tensor) -> Tensor:
    """(S, N) times a matrix (S, K, N) of each run: (K, N)."""
    return xp.einsum("sn,skn->kn", rows, matrices)
