"""The mixture that log-linear laws say is best: a convex problem, by Newton's method."""

from dataclasses import dataclass

import numpy as np

from readsim.arrays import Array

SMALLEST = 1e-12  # a share of the anchor that counts as none (the code of Olmix)
FAINTEST = 1e-10  # last weight of the barrier, in units of the value at the start


def best_mixture(weights: Array, slopes: Array, anchor: Array, kl: float, caps: Array) -> Array:
    """argmin_x sum_j r_j exp(t_j . x) + kl KL(x || anchor) on the simplex, 0 <= x <= caps: (S,).

    Weights r (V,) >= 0, slopes t (V, S), anchor (S,), caps (S,). Where the caps sum to at most 1 the
    answer is in proportion to them (uniform if all are 0).
    """
    room = np.minimum(caps, 1.0)
    total, s = float(room.sum()), len(room)
    if caps.sum() <= 1.0 or s == 1:
        return room / total if total > 0.0 else np.full(s, 1.0 / s)
    if not room.all():  # a source without tokens has no share
        some, out = room > 0.0, np.zeros(s)
        out[some] = best_mixture(weights, slopes[:, some], anchor[some], kl, caps[some])
        return out
    center = room / total  # inside all bounds, as the caps sum to more than 1
    # In units of the loss at the start, so that slopes of any size neither overflow nor vanish.
    logs = slopes @ center + np.log(np.maximum(weights, 1e-300))
    unit = max(float(logs.max()), -100.0)
    problem = _Barrier(
        weights=weights * np.exp(slopes @ center - unit),
        slopes=slopes,
        center=center,
        log_anchor=np.log(np.maximum(anchor, SMALLEST)),
        kl=kl * float(np.exp(-unit)),
        caps=np.where(caps < 1.0, caps, np.inf),
    )
    x = problem.solved()
    shares: Array = x / x.sum()
    return shares


@dataclass(frozen=True, eq=False)
class _Barrier:
    """The objective, slopes . (x - center) for slopes . x, with walls -barrier log(distance)."""

    weights: Array
    slopes: Array
    center: Array
    log_anchor: Array
    kl: float
    caps: Array

    def solved(self) -> Array:
        """The optimum for ever fainter walls, each from the one before."""
        x = self.center
        for barrier in (1.0 + self.kl) * np.geomspace(1.0, FAINTEST, 21):
            for _ in range(50):
                step, fall = self.newton(x, barrier)
                if fall <= 1e-3 * barrier:
                    break
                x = self.moved(x, step, fall, barrier)
        return x

    def terms(self, x: Array) -> Array:
        """r_j exp(t_j . x) (V,); exponents are cut where a step is refused anyway."""
        out: Array = self.weights * np.exp(np.minimum(self.slopes @ (x - self.center), 600.0))
        return out

    def value(self, x: Array, barrier: float) -> float:
        gaps = np.concatenate([x, (self.caps - x)[np.isfinite(self.caps)]])
        loss = float(self.terms(x).sum())
        divergence = self.kl * (x @ (np.log(x) - self.log_anchor))
        return float(loss + divergence - barrier * np.log(gaps).sum())

    def newton(self, x: Array, barrier: float) -> tuple[Array, float]:
        """The Newton step (S,), whose entries sum to 0, and twice the fall that it promises."""
        terms = self.terms(x)
        gap = self.caps - x
        gradient = self.slopes.T @ terms + self.kl * (np.log(x) - self.log_anchor + 1.0)
        gradient -= barrier * (1.0 / x - 1.0 / gap)
        curve = (self.slopes.T * terms) @ self.slopes
        curve[np.diag_indices(len(x))] += self.kl / x + barrier * (x**-2 + gap**-2)
        down, ones = np.linalg.solve(curve, np.stack([gradient, np.ones_like(x)], axis=1)).T
        step = ones * (down.sum() / ones.sum()) - down
        return step, -float(gradient @ step)

    def moved(self, x: Array, step: Array, fall: float, barrier: float) -> Array:
        """x after as much of the step as stays inside the walls and keeps a tenth of its promise."""
        room = np.where(step < 0.0, x, self.caps - x)
        with np.errstate(divide="ignore"):
            rate = min(1.0, 0.99 * float(np.min(room / np.abs(step))))
        now = self.value(x, barrier)
        while rate > 1e-10 and self.value(x + rate * step, barrier) > now - 0.1 * rate * fall:
            rate *= 0.5
        return x + rate * step
