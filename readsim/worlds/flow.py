"""State-dependent dynamics: forgetting, gateway skills, drift, process noise.

One interval is cut into `substeps`; in each, with dx_i = efficiency_i * db_i / scale_i,

    du_i = u_i(x_i + dx_i) - u_i(x_i)
    z_j <- z_j exp(-unrehearsed_j / forgetting_tokens_j)
           + gate_j(p) sum_i help_ij du_i - sum_i harm_ij (dx_i - du_i),      p = link(z)

unrehearsed_j = sum_i (1 - help_ij / max_k help_kj) db_i: tokens that do not keep j in practice.
gate_j = low + (1 - low) sigmoid((p_g - threshold) / width) for a capability that needs g first.
After `drift_tokens` the matrix `help` is replaced by `help_after`; a substep that the drift falls into
is shared between the two. Without gates, forgetting, drift and noise the mode equals `potential`
exactly, whatever the step size.
"""

from dataclasses import dataclass

import numpy as np

from readsim.arrays import Array
from readsim.worlds.gains import GainBank, harm_grows_with_tokens
from readsim.worlds.links import Link
from readsim.worlds.potential import State
from readsim.worlds.token_repetition import Intake


@dataclass(frozen=True, eq=False)
class FlowTerms:
    """What `flow` adds to `potential`; K-vectors unless said otherwise.

    `gate_needs`: index of the capability that must come first, -1 for none.
    """

    forgetting_tokens: Array
    gate_needs: Array
    gate_threshold: Array
    gate_width: Array
    gate_low: Array
    drift_tokens: float
    help_after: Array | None
    process_sd: Array
    substeps: int


class Flow:
    """State: (x (..., S), rate (..., S), z (..., K), total tokens (..., 1))."""

    def __init__(
        self,
        gains: GainBank,
        link: Link,
        help_: Array,
        harm: Array,
        terms: FlowTerms,
        intake: Intake | None = None,
    ) -> None:
        self.gains, self.link, self.terms = gains, link, terms
        self.intake = intake
        self.help, self.harm = help_, harm
        self.help_change = None if terms.help_after is None else terms.help_after - help_
        self.harm_through_gain = harm * np.array(
            [[not harm_grows_with_tokens(f)] for f in gains.families]
        )
        best = help_.max(axis=0)
        self.unpractised = 1.0 - help_ / np.where(best > 0.0, best, 1.0)
        self.forgets = bool(np.isfinite(terms.forgetting_tokens).any())
        self.gated = bool((terms.gate_needs >= 0).any())
        self._set_gates(terms)
        self.process_width = len(terms.process_sd) if terms.process_sd.any() else 0

    def _gained(self, x: Array) -> Array:
        """u of what x (..., S) is worth."""
        return self.gains.curves.value(x if self.intake is None else self.intake.worth(x))

    def initial(self, rate: Array) -> State:
        shape = rate.shape[:-1]
        k = self.terms.process_sd.shape[0]
        return np.zeros_like(rate), rate, np.zeros((*shape, k)), np.zeros((*shape, 1))

    def _set_gates(self, t: FlowTerms) -> None:
        """sigmoid(y) = (1 + tanh(y / 2)) / 2; a capability without gate has height 0 and middle 1."""
        gated = t.gate_needs >= 0
        self.gate_from = np.where(gated, t.gate_needs, 0).astype(np.int64)
        self.gate_height = np.where(gated, 0.5 * (1.0 - t.gate_low), 0.0)
        self.gate_middle = np.where(gated, 0.5 * (1.0 + t.gate_low), 1.0)
        self.gate_steepness = 0.5 / t.gate_width

    def gates(self, profile: Array) -> Array:
        """The factor on help, (..., K)."""
        ready = np.take(profile, self.gate_from, axis=-1) - self.terms.gate_threshold
        ready *= self.gate_steepness
        out = np.tanh(ready, out=ready)
        out *= self.gate_height
        out += self.gate_middle
        return out

    def _drifted(self, total: Array, tokens: Array) -> Array:
        """The part of the `tokens` (..., 1) trained after `total` that lies behind the drift."""
        behind = (total + tokens - self.terms.drift_tokens) / np.maximum(tokens, 1e-300)
        return np.clip(behind, 0.0, 1.0)

    def advance(self, state: State, tokens: Array, process: Array | None = None) -> State:
        x, rate, z, total = state
        t = self.terms
        part = tokens / t.substeps
        dx = part * rate
        dtotal = part.sum(axis=-1, keepdims=True)
        fade = np.exp(-(part @ self.unpractised) / t.forgetting_tokens) if self.forgets else 1.0
        before = self._gained(x)
        for _ in range(t.substeps):
            x = x + dx
            after = self._gained(x)
            du, before = after - before, after
            gain = du @ self.help
            if self.help_change is not None:
                gain += self._drifted(total, dtotal) * (du @ self.help_change)
            if self.gated:
                gain *= self.gates(self.link.value(z))
            z = z * fade + gain - (dx @ self.harm - du @ self.harm_through_gain)
            total = total + dtotal
        if process is not None and self.process_width:
            z = z + process * t.process_sd * np.sqrt(tokens.sum(axis=-1, keepdims=True) / 1e6)
        return x, rate, z, total

    def profile(self, state: State) -> Array:
        return self.link.value(state[2])

    def constant(self, rate: Array, tokens: Array, n: int) -> Array:
        """The noise-free profile (..., K) after `tokens` (..., S) in `n` equal substeps.

        Equal to `advance` up to rounding, and many times faster: the gains of all substeps are one
        array operation, and without gates so is the recursion in z.
        """
        t = self.terms
        part = tokens / n
        dx = part * rate
        count = np.arange(n + 1.0).reshape(-1, *[1] * tokens.ndim)
        du = np.diff(self._gained(count * dx), axis=0)
        gain = du @ self.help
        if self.help_change is not None:
            each = part.sum(axis=-1, keepdims=True)
            gain += self._drifted(count[:-1] * each, each) * (du @ self.help_change)
        loss = dx @ self.harm - du @ self.harm_through_gain
        rest = part @ self.unpractised / t.forgetting_tokens
        if not self.gated:
            kept = np.exp(-count[n - 1 :: -1] * rest) if self.forgets else 1.0
            return self.link.value((kept * (gain - loss)).sum(axis=0))
        z = np.zeros_like(rest)
        fade = np.exp(-rest)
        for step in range(n):
            z = z * fade + gain[step] * self.gates(self.link.value(z)) - loss[step]
        return self.link.value(z)
