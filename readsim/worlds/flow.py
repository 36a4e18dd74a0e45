"""State-dependent dynamics: forgetting, gateway skills, drift, process noise, rehearsal, formats.

One interval is cut into `substeps`; in each, with dx_i = efficiency_i * db_i / scale_i,

    du_i = u_i(x_i + dx_i) - u_i(x_i)
    z_j <- z_j exp(-unrehearsed_j / forgetting_tokens_j)
           + gate_j(p) sum_i help_ij du_i - sum_i harm_ij (dx_i - du_i),      p = link(z)

unrehearsed_j = sum_i (1 - help_ij / max_k help_kj) db_i: tokens that do not keep j in practice.
gate_j = low + (1 - low) sigmoid((p_g - threshold) / width) for a capability that needs g first.
After `drift_tokens` the matrix `help` is replaced by `help_after`; a substep that the drift falls into
is shared between the two. Without gates, forgetting, drift, noise, rehearsal and formats the mode equals
`potential` exactly, whatever the step size.

The terms of `readsim.worlds.terms` come in here: rehearsal is a factor on what harm takes, interference
saturates in the sum of what it took, overtraining is a cost that z loses wherever it is read and that is not
forgotten, formats shift what is shown of z. Under a learning rate b_i counts for its pace, in all but the
drift.
"""

from dataclasses import dataclass

import numpy as np

from readsim.arrays import Array
from readsim.worlds.gains import GainBank, harm_grows_with_tokens
from readsim.worlds.links import Link
from readsim.worlds.potential import State
from readsim.worlds.terms.answer_format import Formats
from readsim.worlds.terms.interference import saturated
from readsim.worlds.terms.overtraining import Overtraining
from readsim.worlds.terms.rehearsal import left_of_harm
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
    rehearsal_share: Array
    formats: Formats | None


class Flow:
    """State: (x (..., S), rate (..., S), z (..., K), total tokens (..., 1)).

    Then, where they are on: what harm took before its limit (..., K), the state of the formats (..., F).
    """

    def __init__(
        self,
        gains: GainBank,
        link: Link,
        help_: Array,
        harm: Array,
        terms: FlowTerms,
        intake: Intake | None = None,
        limit: Array | None = None,
        overtraining: Overtraining | None = None,
    ) -> None:
        self.gains, self.link, self.terms = gains, link, terms
        self.intake, self.limit, self.overtraining = intake, limit, overtraining
        self.help, self.harm = help_, harm
        self.help_change = None if terms.help_after is None else terms.help_after - help_
        self.harm_through_gain = harm * np.array(
            [[not harm_grows_with_tokens(f)] for f in gains.families]
        )
        best = help_.max(axis=0)
        self.unpractised = 1.0 - help_ / np.where(best > 0.0, best, 1.0)
        self.rehearses = bool(np.isfinite(terms.rehearsal_share).any())
        self.forgets = bool(np.isfinite(terms.forgetting_tokens).any())
        self.gated = bool((terms.gate_needs >= 0).any())
        self._set_gates(terms)
        self.process_width = len(terms.process_sd) if terms.process_sd.any() else 0

    def _gained(self, x: Array) -> Array:
        """u of what x (..., S) is worth."""
        return self.gains.curves.value(x if self.intake is None else self.intake.worth(x))

    def initial(self, rate: Array) -> State:
        shape, formats = rate.shape[:-1], self.terms.formats
        z = np.zeros((*shape, self.terms.process_sd.shape[0]))
        more = [] if self.limit is None else [np.zeros_like(z)]
        if formats is not None:
            more.append(np.zeros((*shape, len(formats.tokens))))
        return np.zeros_like(rate), rate, z, np.zeros((*shape, 1)), *more

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

    def _left_of_harm(self, tokens: Array) -> Array:
        """The factor of rehearsal on harm (..., K) while `tokens` (..., S) are trained."""
        total = tokens.sum(axis=-1, keepdims=True)
        practised = (tokens @ (1.0 - self.unpractised)) / np.where(total > 0.0, total, 1.0)
        return left_of_harm(practised, self.terms.rehearsal_share)

    def advance(
        self,
        state: State,
        tokens: Array,
        process: Array | None = None,
        pace: Array | None = None,
    ) -> State:
        x, rate, z, total, *more = state
        t = self.terms
        part = tokens / t.substeps
        dtotal = part.sum(axis=-1, keepdims=True)
        if pace is not None:
            part, tokens = part * pace, tokens * pace
        dx = part * rate
        fade = np.exp(-(part @ self.unpractised) / t.forgetting_tokens) if self.forgets else 1.0
        left = self._left_of_harm(part) if self.rehearses else None
        taken = None if self.limit is None else saturated(more[0], self.limit)
        before = self._gained(x)
        for _ in range(t.substeps):
            old, x = x, x + dx
            after = self._gained(x)
            du, before = after - before, after
            gain = du @ self.help
            if self.help_change is not None:
                gain += self._drifted(total, dtotal) * (du @ self.help_change)
            if self.gated:
                gain *= self.gates(self.link.value(self._skill(z, old)))
            lost = dx @ self.harm - du @ self.harm_through_gain
            if left is not None:
                lost *= left
            if taken is not None and self.limit is not None:
                more[0] = more[0] + lost
                lost, taken = -taken, saturated(more[0], self.limit)
                lost += taken
            z = z * fade + gain - lost
            total = total + dtotal
        if t.formats is not None:
            more[-1] = t.formats.moved(more[-1], tokens)
        if process is not None and self.process_width:
            z = z + process * t.process_sd * np.sqrt(tokens.sum(axis=-1, keepdims=True) / 1e6)
        return x, rate, z, total, *more

    def profile(self, state: State) -> Array:
        return self._shown(self._skill(state[2], state[0]), state[-1])

    def put_back(self, now: State, saved: State) -> State:
        """The data has drifted since."""
        x, rate, z, _, *more = saved
        return x, rate, z, now[3], *more

    def _skill(self, z: Array, x: Array) -> Array:
        """z (..., K) less what overtraining costs at x (..., S)."""
        if self.overtraining is None:
            return z
        return z - self.overtraining.cost(x, x if self.intake is None else self.intake.once(x))

    def _shown(self, z: Array, state: Array) -> Array:
        """The profile of z (..., K) in the `state` (..., F) of the formats, if there are any."""
        formats = self.terms.formats
        return self.link.value(z if formats is None else formats.shifted(z, state))

    def constant(self, rate: Array, tokens: Array, n: int, pace: Array | None = None) -> Array:
        """The noise-free profile (..., K) after `tokens` (..., S) in `n` equal substeps.

        `pace` (n, ..., 1): what a token of each substep counts for, None is 1.

        Equal to `advance` up to rounding, and many times faster: the gains of all substeps are one
        array operation, and without gates so is the recursion in z.
        """
        t = self.terms
        part = tokens / n
        dx = part * rate
        count = np.arange(n + 1.0).reshape(-1, *[1] * tokens.ndim)
        done = count if pace is None else np.concatenate([0.0 * pace[:1], np.cumsum(pace, axis=0)])
        x = done * dx
        du = np.diff(self._gained(x), axis=0)
        gain = du @ self.help
        if self.help_change is not None:
            each = part.sum(axis=-1, keepdims=True)
            gain += self._drifted(count[:-1] * each, each) * (du @ self.help_change)
        loss = (dx @ self.harm) * (1.0 if pace is None else pace) - du @ self.harm_through_gain
        if self.rehearses:
            loss = loss * self._left_of_harm(part)
        if self.limit is not None:
            sums = np.concatenate([0.0 * loss[:1], np.cumsum(loss, axis=0)])
            loss = np.diff(saturated(sums, self.limit), axis=0)
        state = np.zeros(0)
        if t.formats is not None:
            nothing = np.zeros((*tokens.shape[:-1], len(t.formats.tokens)))
            state = t.formats.moved(nothing, part * done[-1])
        rest = part @ self.unpractised / t.forgetting_tokens
        if not self.gated:
            kept = np.exp(-(done[-1] - done[1:]) * rest) if self.forgets else 1.0
            return self._shown(self._skill((kept * (gain - loss)).sum(axis=0), x[-1]), state)
        z = np.zeros_like(rest)
        fade = np.exp(-rest)
        for step in range(n):
            faded = fade if pace is None else fade ** pace[step]
            open_ = self.gates(self.link.value(self._skill(z, x[step])))
            z = z * faded + gain[step] * open_ - loss[step]
        return self._shown(self._skill(z, x[-1]), state)
