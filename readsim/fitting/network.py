"""The law with its gradient: concave gain curves of effective tokens that sources share.

    y_m = sum_i F_im x_i        t_j = sum_m A_mj u(y_m) - sum_m H_mj (y_m - u(y_m))       F, A, H >= 0

x_i are tokens in units of the largest run; `readsim.fitting.heads` says how t becomes a loss or a
score. This is a `potential` world with `feeds` F (see `readsim.worlds.world`). What is minimised:

    sum_j mean_n ((T(bad_nj) - T(measured_nj)) / spread_j)^2
        + l1 sum_mj (A_mj + H_mj) + ridge K mean_im (ln F_im - first ln F_im)^2 + 0.1 l1 mean_j e_j^2

with T = ln for losses and T = 1 for scores, spread the standard deviation of T(measured), and
E_j = (least measured bad) sigmoid(e_j).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.fitting.heads import head, offset_of_start, sigmoid
from readsim.worlds.gains import Gain, gain

TIE = 0.1  # of l1: keeps E in the middle of its range where nothing says where it is
FARTHEST = 14.0  # of the logarithms: L-BFGS-B's bounds
TINY = 1e-12


@dataclass(frozen=True)
class LawConfig:
    """What cross-validation chooses. `reach` is the first guess of 1 / F: tokens in units of a run."""

    gain: str = "log"
    link: str = "exponential"
    curves: int = 1
    harm: bool = False
    l1: float = 1e-2
    ridge: float = 1e-3
    reach: float = 0.02


@dataclass(frozen=True, eq=False)
class Data:
    """What is fitted.

    x (n, S)      scaled tokens
    bad (n, K)    what is left to gain: the loss (`logs`), or 1 - score; nan where missing
    start (K,)    bad before training, or None: fitted
    weight (n, K) of the cells, or (n,) of the rows; None: equal
    rest (K,)     E, or None: fitted
    """

    x: Array
    bad: Array
    start: Array | None = None
    weight: Array | None = None
    logs: bool = True
    rest: Array | None = None

    def rows(self, kept: NDArray[np.bool_]) -> "Data":
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[kept]
        return replace(self, x=self.x[kept], bad=self.bad[kept], weight=weight)

    @cached_property
    def known(self) -> Array:
        """Weight of a cell (n, K): each capability's sum to 1."""
        there = np.isfinite(self.bad).astype(float)
        if self.weight is not None:
            there = there * (self.weight if self.weight.ndim == 2 else self.weight[:, None])
        there /= np.maximum(there.sum(axis=0), TINY)
        return there

    @cached_property
    def wanted(self) -> Array:
        """T(bad), 0 where missing."""
        filled = np.where(np.isfinite(self.bad), self.bad, 1.0)
        return np.log(filled) if self.logs else filled

    @cached_property
    def spread(self) -> Array:
        """Standard deviation of T(bad), (K,)."""
        mean = (self.known * self.wanted).sum(axis=0)
        sd = np.sqrt((self.known * (self.wanted - mean) ** 2).sum(axis=0))
        return np.where(sd > 0.0, sd, 1.0)

    @cached_property
    def least(self) -> Array:
        """The least bad of each capability, with the start (K,)."""
        rows = self.bad if self.start is None else np.vstack([self.bad, self.start])
        low: Array = np.nanmin(rows, axis=0)
        return low


class LawParameters(NamedTuple):
    """The parameters: offset c (K,), E (K,), feeds (S, M), help (M, K), harm (M, K)."""

    offset: Array
    rest: Array
    feeds: Array
    help: Array
    harm: Array


class Network:
    """The objective of one choice on one data set; `flat` is (offset?, e, ln F, ln A, ln H?)."""

    def __init__(self, data: Data, choice: LawConfig, first: Array) -> None:
        self.data, self.choice, self.first = data, choice, first
        self.curve: Gain = gain(choice.gain)
        self.linear = choice.gain.startswith("power")
        self.s, self.m = first.shape
        self.k = data.bad.shape[1]
        sizes = [0 if data.start is not None else self.k, self.k, self.s * self.m, self.m * self.k]
        sizes.append(self.m * self.k if choice.harm else 0)
        self.ends = np.cumsum(sizes)
        self.places = [slice(end - n, end) for n, end in zip(sizes, self.ends, strict=True)]

    def split(self, flat: Array) -> list[Array]:
        """offset, e, ln F, ln A, ln H as vectors."""
        return [flat[place] for place in self.places]

    def parts(self, flat: Array) -> LawParameters:
        """What the parameters are, without logarithms."""
        offset, e, f, a, h = self.split(flat)
        rest = self.data.least * sigmoid(e)
        if self.data.rest is not None:
            rest = self.data.rest
        if self.data.start is not None:
            offset = offset_of_start(self.choice.link, self.data.start, rest)[0]
        shape = (self.m, self.k)
        harm = np.exp(h).reshape(shape) if h.size else np.zeros(shape)
        return LawParameters(
            offset, rest, np.exp(f).reshape(self.s, self.m), np.exp(a).reshape(shape), harm
        )

    def value(self, flat: Array) -> tuple[float, Array]:
        """The objective and its gradient."""
        data, link = self.data, self.choice.link
        parts = self.parts(flat)
        y = data.x @ parts.feeds
        u, slope = self.curve.value(y), self.curve.slope(np.maximum(y, TINY))
        spent = y if self.linear else y - u
        t = u @ parts.help
        if self.choice.harm:
            t -= spent @ parts.harm
        out = head(link, t, parts.offset, parts.rest)
        error = np.log(np.maximum(out.bad, TINY)) if data.logs else out.bad
        error = (error - data.wanted) / data.spread
        pull = 2.0 * data.known * error / data.spread
        if data.logs:
            pull /= np.maximum(out.bad, TINY)
        loss = float((data.known * error**2).sum())

        by_t = pull * out.by_t
        by_offset = (pull * out.by_c).sum(axis=0)
        by_rest = (pull * out.by_rest).sum(axis=0)
        if data.start is not None:
            by_rest = by_rest + by_offset * offset_of_start(link, data.start, parts.rest)[1]
            by_offset = by_offset[:0]
        by_help = u.T @ by_t
        by_y = (by_t @ parts.help.T) * slope
        by_harm = np.zeros(0)
        if self.choice.harm:
            by_harm = -(spent.T @ by_t)
            by_y -= (by_t @ parts.harm.T) * (1.0 if self.linear else 1.0 - slope)
        by_feeds = data.x.T @ by_y

        _, e, f, _, _ = self.split(flat)
        c = self.choice
        moved = f - self.first.ravel()
        loss += TIE * c.l1 * float((e**2).mean())
        loss += c.l1 * float(parts.help.sum() + parts.harm.sum())
        loss += c.ridge * self.k * float((moved**2).mean())
        share = sigmoid(e)
        by_e = 0.0 if data.rest is not None else by_rest * data.least * share * (1.0 - share)
        gradient = [
            by_offset,
            by_e + 2.0 * TIE * c.l1 * e / self.k,
            (by_feeds * parts.feeds).ravel() + 2.0 * c.ridge * self.k * moved / moved.size,
            ((by_help + c.l1) * parts.help).ravel(),
        ]
        if self.choice.harm:
            gradient.append(((by_harm + c.l1) * parts.harm).ravel())
        return loss, np.concatenate(gradient)
