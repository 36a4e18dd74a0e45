"""Order-free dynamics: the profile is a function of cumulative tokens alone.

Latent gain of capability j after tokens b (x_i = efficiency_i * b_i / scale_i):

    z_j = sum_i help_ij u_i(x_i) - sum_i harm_ij (x_i - u_i(x_i)),      p = link(z)

Help saturates with the source's gain curve u. Harm is fed by the tokens that the curve no longer
turns into gain: x - u(x) is convex, starts with slope 0 and ends with slope 1 (accelerating harm),
and needs no second transcendental function. For the power family,
infinitely steep at 0, and for tables of any curve harm grows as x instead.

With finite pools or shared gain curves (`readsim.worlds.token_repetition`) x - u(x) becomes
x - u(e): harm counts every token, gain what the token is still worth.

`separable` worlds (Assumption 4.4) are the special case without harm, with the identity link, and
with one source per capability or at least none that harms.

Two terms may be on (`readsim.worlds.terms`): `limit` saturates what harm takes from a capability,
`overtraining` is a cost that z loses. Both are functions of x, so order stays free.
"""

import numpy as np

from readsim.arrays import Array
from readsim.worlds.gains import GainBank, harm_grows_with_tokens
from readsim.worlds.links import Link
from readsim.worlds.terms.interference import saturated, saturated_slope
from readsim.worlds.terms.overtraining import Overtraining
from readsim.worlds.token_repetition import Intake

State = tuple[Array, ...]


class Potential:
    """State: (x, rate), both (..., S); `rate` is efficiency / scale of the run (see `World.rate`)."""

    process_width = 0

    def __init__(
        self,
        gains: GainBank,
        link: Link,
        help_: Array,
        harm: Array,
        intake: Intake | None = None,
        limit: Array | None = None,
        overtraining: Overtraining | None = None,
    ) -> None:
        self.gains, self.intake = gains, intake
        self.limit, self.overtraining = limit, overtraining
        self._value = gains.curves.value
        self.link = link
        self.harm = harm
        # z = u @ (help + harm) - x @ harm, with u left out of harm for the power family
        linear = np.array([harm_grows_with_tokens(f) for f in gains.families])
        self.linear = bool(linear.any())
        self.help, self.harm_through_gain = help_, np.where(linear[:, None], 0.0, harm)
        self.through_gain = help_ + self.harm_through_gain
        self.harmful = bool(harm.any())

    def initial(self, rate: Array) -> State:
        return np.zeros_like(rate), rate

    def advance(
        self,
        state: State,
        tokens: Array,
        process: Array | None = None,
        pace: Array | None = None,
    ) -> State:
        x, rate = state
        step: Array = tokens * rate
        if pace is not None:
            step *= pace
        step += x
        return step, rate

    def latent(self, x: Array) -> Array:
        """z (..., K) of scaled cumulative tokens x (..., S)."""
        once = x if self.intake is None else self.intake.once(x)
        u = self._value(x if self.intake is None else self.intake.fed(once))
        if self.limit is not None:
            z = u @ self.help - saturated(self._lost(x, u), self.limit)
        else:
            z = u.dot(self.through_gain)  # `dot`: half the overhead of `@` on one run
            if self.harmful:
                z -= (x if self.intake is None else self.intake.spent(x)).dot(self.harm)
        if self.overtraining is not None:
            z -= self.overtraining.cost(x, once)
        return z

    def _lost(self, x: Array, u: Array) -> Array:
        """What harm takes (..., K), before any limit."""
        spent = x if self.intake is None else self.intake.spent(x)
        if not self.linear:
            out: Array = (spent - u) @ self.harm
            return out
        return spent @ self.harm - u @ self.harm_through_gain

    def latent_slope(self, x: Array) -> Array:
        """dz_j / dx_i, (..., S, K)."""
        through_gain, harm = self.through_gain, self.harm
        if self.limit is not None:
            u = self._value(x if self.intake is None else self.intake.worth(x))
            kept = saturated_slope(self._lost(x, u), self.limit)[..., None, :]
            through_gain, harm = self.help + kept * self.harm_through_gain, kept * self.harm
        if self.intake is None:
            out = self.gains.slope(x)[..., None] * through_gain - harm
        else:
            by_worth = self.gains.slope(self.intake.worth(x))[..., None] * through_gain
            out = self.intake.slopes(x, by_worth, -harm)
        return out if self.overtraining is None else out - self.overtraining.slope(x)

    def profile(self, state: State) -> Array:
        return self.link.value(self.latent(state[0]))

    def put_back(self, now: State, saved: State) -> State:
        return saved
