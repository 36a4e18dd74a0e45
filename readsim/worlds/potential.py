"""Order-free dynamics: the profile is a function of cumulative tokens alone.

Latent gain of capability j after tokens b (x_i = efficiency_i * b_i / scale_i):

    z_j = sum_i help_ij u_i(x_i) - sum_i harm_ij (x_i - u_i(x_i)),      p = link(z)

Help saturates with the source's gain curve u. Harm is fed by the tokens that the curve no longer
turns into gain: x - u(x) is convex, starts with slope 0 and ends with slope 1 (accelerating harm,
the paper's Observation 2), and needs no second transcendental function. For the power family,
infinitely steep at 0, and for tables of any curve harm grows as x instead.

With finite pools or shared gain curves (`readsim.worlds.token_repetition`) x - u(x) becomes
x - u(e): harm counts every token, gain what the token is still worth.

`separable` worlds (Assumption 4.4) are the special case without harm, with the identity link, and
with one source per capability or at least none that harms.
"""

import numpy as np

from readsim.arrays import Array
from readsim.worlds.gains import GainBank, harm_grows_with_tokens
from readsim.worlds.links import Link
from readsim.worlds.token_repetition import Intake

State = tuple[Array, ...]


class Potential:
    """State: (x, rate), both (..., S); `rate` is efficiency / scale of the run (see `World.rate`)."""

    process_width = 0

    def __init__(
        self, gains: GainBank, link: Link, help_: Array, harm: Array, intake: Intake | None = None
    ) -> None:
        self.gains, self.intake = gains, intake
        self._value = gains.curves.value
        self.link = link
        self.harm = harm
        # z = u @ (help + harm) - x @ harm, with u left out of harm for the power family
        linear = np.array([harm_grows_with_tokens(f) for f in gains.families])
        self.through_gain = help_ + np.where(linear[:, None], 0.0, harm)
        self.harmful = bool(harm.any())

    def initial(self, rate: Array) -> State:
        return np.zeros_like(rate), rate

    def advance(self, state: State, tokens: Array, process: Array | None = None) -> State:
        x, rate = state
        step: Array = tokens * rate
        step += x
        return step, rate

    def latent(self, x: Array) -> Array:
        """z (..., K) of scaled cumulative tokens x (..., S)."""
        worth = x if self.intake is None else self.intake.worth(x)
        z: Array = self._value(worth).dot(
            self.through_gain
        )  # `dot`: half the overhead of `@` on one run
        if self.harmful:
            z -= (x if self.intake is None else self.intake.spent(x)).dot(self.harm)
        return z

    def latent_slope(self, x: Array) -> Array:
        """dz_j / dx_i, (..., S, K)."""
        if self.intake is None:
            return self.gains.slope(x)[..., None] * self.through_gain - self.harm
        by_worth = self.gains.slope(self.intake.worth(x))[..., None] * self.through_gain
        return self.intake.slopes(x, by_worth, -self.harm)

    def profile(self, state: State) -> Array:
        return self.link.value(self.latent(state[0]))
