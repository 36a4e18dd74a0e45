"""A Gaussian process on shares: a sum of curves of single sources, and what they do together.

    wanted = c + f(x) + noise,   cov f = a straight(z) + b single(z) + c joint(z)

    straight   z z' / P, z the scaled shares and log shares
    single     mean_i exp(-(s_i - s_i')^2 / (2 l^2)), s the scaled shares or log shares: additive
    joint      exp(-mean_i (s_i - s_i')^2 / (2 l^2)): anything smooth

KERNELS lists the sums that are tried. For each of them, size and noise go over a grid; all are averaged
with their marginal likelihoods as weights (Rasmussen and Williams 2006, chapter 5), capability by
capability. One eigendecomposition serves every noise, every size and every capability.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.fitting.laws.features import Alike, ScaledColumns, alike, amounts, logs

NOISES = np.logspace(-4.0, 1.0, 16)  # noise variance over the variance of f
KERNELS = (
    # (straight, single on shares, its l, single on logs, its l, joint on logs, its l)
    (1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0),
    (1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0),
    (0.2, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0),
    (0.5, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0),
    (0.5, 0.0, 1.0, 1.0, 0.5, 0.0, 1.0),
    (0.5, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0),
    (0.5, 0.0, 1.0, 0.0, 1.0, 1.0, 3.0),
    (0.3, 0.0, 1.0, 1.0, 1.0, 1.0, 2.0),
    (0.3, 1.0, 1.0, 0.0, 1.0, 0.3, 1.0),
    (0.1, 0.5, 0.5, 1.0, 0.5, 1.0, 1.0),
)
KINDS = ("shares", "logs", "joint")
FEW = 1e-3  # posterior weight below which a kernel is left out


class ProcessPosterior(NamedTuple):
    """Of f at m places: mean (m, K), standard deviation (m, K); that of a measurement there (m, K)."""

    mean: Array
    sd: Array
    measured_sd: Array


class Joint(NamedTuple):
    """Of f at m places: mean (m, K), covariance (K, m, m); noise variance (K,) of one measurement."""

    mean: Array
    covariance: Array
    noise: Array


class KernelPart(NamedTuple):
    """One kernel with one noise for one group of capabilities: weight (G,) of each, scale (G,)."""

    kernel: int
    noise: float
    weight: Array
    size: Array  # variance of f, (G,)
    inverse: Array  # of the scaled kernel plus noise, (n, n)
    dual: Array  # (n, G)
    group: Alike


class GaussianProcess:
    """Fitted to runs; see the module. `x` (n, S), `wanted` and `weight` (n, K)."""

    def __init__(self, x: Array, wanted: Array, weight: Array) -> None:
        self.x, self.capabilities = x, wanted.shape[1]
        self.shares, self.logs = ScaledColumns.of(amounts(x)), ScaledColumns.of(logs(amounts(x)))
        self.level, self.spread = np.zeros(self.capabilities), np.ones(self.capabilities)
        self.log_evidence = np.zeros(
            self.capabilities
        )  # averaged over kernels, sizes at their best
        self.parts: list[KernelPart] = []
        kernels = list(self._kernels(x, x))
        for group in alike(wanted, weight):
            y = wanted[np.ix_(group.rows, group.places)]
            mean = np.average(y, axis=0, weights=group.weight)
            sd = y.std(axis=0)
            sd = np.where(sd > 0.0, sd, 1.0)
            self.level[group.places], self.spread[group.places] = mean, sd
            inside = [k[np.ix_(group.rows, group.rows)] for k in kernels]
            parts, evidence = _parts(inside, (y - mean) / sd, group)
            self.parts += parts
            self.log_evidence[group.places] = evidence - len(y) * np.log(sd)

    def __call__(self, at: Array) -> Array:
        """The mean (m, K) at `at` (m, S)."""
        return self.posterior(at, spread=False).mean

    def posterior(self, at: Array, *, spread: bool = True) -> ProcessPosterior:
        """Mean and, with `spread`, standard deviations at `at` (m, S)."""
        shape = (len(at), self.capabilities)
        mean, second, noise = (np.zeros(shape) for _ in range(3))
        cross = list(self._kernels(at, self.x))
        own = self._diagonals(at) if spread else []
        for part in self.parts:
            k = cross[part.kernel][:, part.group.rows] * np.sqrt(part.group.weight)
            here = k @ part.dual
            places, w = part.group.places, part.weight
            mean[:, places] += w * here
            if spread:
                left = np.maximum(own[part.kernel] - ((k @ part.inverse) * k).sum(axis=1), 0.0)
                second[:, places] += w * (here**2 + left[:, None] * part.size)
                noise[:, places] += w * part.noise * part.size
        variance = np.maximum(second - mean**2, 0.0)
        out = self.level + self.spread * mean
        return ProcessPosterior(
            out, self.spread * np.sqrt(variance), self.spread * np.sqrt(variance + noise)
        )

    def joint(self, at: Array) -> "Joint":
        """Of f at all m places together, by the likeliest kernel and noise of each capability."""
        m = len(at)
        mean, noise = np.zeros((m, self.capabilities)), np.zeros(self.capabilities)
        covariance = np.zeros((self.capabilities, m, m))
        best = np.zeros(self.capabilities)
        cross, own = list(self._kernels(at, self.x)), list(self._kernels(at, at))
        for part in self.parts:
            k = cross[part.kernel][:, part.group.rows] * np.sqrt(part.group.weight)
            for g in np.flatnonzero(part.weight > best[part.group.places]):
                j = part.group.places[g]
                size = part.size[g] * self.spread[j] ** 2
                best[j], noise[j] = part.weight[g], part.noise * size
                mean[:, j] = self.level[j] + self.spread[j] * (k @ part.dual[:, g])
                covariance[j] = size * (own[part.kernel] - k @ part.inverse @ k.T)
        return Joint(mean, covariance, noise)

    def prior(self, at: Array) -> Array:
        """The covariance (m, m) before any run, by the second of KERNELS, mean variance 1."""
        whole = list(self._kernels(at, at))[1]
        out: Array = whole / np.diagonal(whole).mean()
        return out

    def _views(self, x: Array) -> tuple[Array, Array]:
        table = amounts(x)
        return self.shares.scaled(table), self.logs.scaled(logs(table))

    def _kernels(self, a: Array, b: Array) -> Iterator[Array]:
        """Each of KERNELS between a (m, S) and b (n, S): (m, n)."""
        (share_a, log_a), (share_b, log_b) = self._views(a), self._views(b)
        p = max(share_a.shape[1] + log_a.shape[1], 1)
        straight = (share_a @ share_b.T + log_a @ log_b.T) / p
        made: dict[tuple[str, float], Array] = {}
        for by_line, *sizes in KERNELS:
            out = by_line * straight
            for kind, size, width in zip(KINDS, sizes[::2], sizes[1::2], strict=True):
                if size == 0.0:
                    continue
                if (kind, width) not in made:
                    one, other = (share_a, share_b) if kind == "shares" else (log_a, log_b)
                    make = _joint if kind == "joint" else _single
                    made[kind, width] = make(one, other, width)
                out = out + size * made[kind, width]
            yield out

    def _diagonals(self, at: Array) -> list[Array]:
        """k(x, x) of each of KERNELS at `at` (m, S): (m,)."""
        share, log = self._views(at)
        p = max(share.shape[1] + log.shape[1], 1)
        line = ((share**2).sum(axis=1) + (log**2).sum(axis=1)) / p
        return [k[0] * line + k[1] + k[3] + k[5] for k in KERNELS]


def _single(a: Array, b: Array, width: float) -> Array:
    total = np.zeros((len(a), len(b)))
    for i in range(a.shape[1]):
        step = (a[:, i, None] - b[:, i]) / width
        total += np.exp(-0.5 * step * step)
    out: Array = total / max(a.shape[1], 1)
    return out


def _joint(a: Array, b: Array, width: float) -> Array:
    square = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2.0 * a @ b.T
    out: Array = np.exp(-0.5 * np.maximum(square, 0.0) / (max(a.shape[1], 1) * width**2))
    return out


def _parts(kernels: list[Array], y: Array, group: Alike) -> tuple[list[KernelPart], Array]:
    """The kernels and noises that a group of capabilities with targets y (n, G) has weight on, and the
    logarithm of their mean evidence (G,)."""
    n, root = len(y), np.sqrt(group.weight)
    target = root[:, None] * y
    evidence = np.empty((len(kernels), len(NOISES), y.shape[1]))
    sizes = np.empty_like(evidence)
    found = []
    for q, kernel in enumerate(kernels):
        values, vectors = np.linalg.eigh(root[:, None] * kernel * root)
        values = np.maximum(values, 0.0)
        turned = vectors.T @ target
        found.append((values, vectors, turned))
        for r, noise in enumerate(NOISES):
            total = values + noise
            sizes[q, r] = (turned**2 / total[:, None]).sum(
                axis=0
            ) / n  # the likeliest variance of f
            evidence[q, r] = -0.5 * (n * np.log(sizes[q, r]) + np.log(total).sum())
    most = evidence.max(axis=(0, 1))
    weight = np.exp(evidence - most)
    whole = weight.sum(axis=(0, 1))
    weight /= whole
    out = []
    for q, r in np.argwhere((weight > FEW).any(axis=2)):
        values, vectors, turned = found[q]
        total = values + NOISES[r]
        inverse = (vectors / total) @ vectors.T
        out.append(
            KernelPart(
                int(q),
                float(NOISES[r]),
                weight[q, r],
                sizes[q, r],
                inverse,
                vectors @ (turned / total[:, None]),
                group,
            )
        )
    return out, most + np.log(whole / weight[..., 0].size)
