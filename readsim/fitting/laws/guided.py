"""A Gaussian process around what a world fitted elsewhere says, believed as far as the runs bear it out.

    wanted_j = t_j g_j + a Gaussian process,   g_j the guide's prediction, brought to the runs' spread

t_j, the trust of capability j, goes over TRUSTS. Each value has a marginal likelihood; how often each is
right is learned over all capabilities together (an expectation-maximisation of the common prior over t), so
that a guide that is wrong everywhere is believed nowhere, and one that is right is believed also where a
capability's own runs say little. The size of the guide's effects does not count, only their pattern.
"""

from collections.abc import Sequence

import numpy as np

from readsim.arrays import Array
from readsim.fitting.laws.features import Predictor
from readsim.fitting.laws.gaussian_process import GaussianProcess, Joint, Posterior

TRUSTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
ROUNDS = 50
DOUBT = 2.0  # capabilities' worth of belief that no trust is as likely as all others together


class Guided:
    """Fitted to runs, see the module; `guide` predicts x (m, S) as (m, K), nan for what it knows nothing of.

    share (K, T) is the weight of each trust, `trust` (K,) the mean trust.
    """

    def __init__(
        self,
        x: Array,
        wanted: Array,
        weight: Array,
        guide: Predictor,
        trusts: Sequence[float] = TRUSTS,
    ) -> None:
        self.guide, self.trusts = guide, np.array(trusts)
        self.capabilities = wanted.shape[1]
        said = guide(x)
        with np.errstate(invalid="ignore"):
            self.mean, spread = said.mean(axis=0), said.std(axis=0)
            own = np.nanstd(wanted, axis=0)
            self.known = np.isfinite(spread) & (spread > 0.0)
            self.factor = np.where(self.known, own / np.where(self.known, spread, 1.0), 0.0)
        shift = self._shift(x)
        each = [wanted - t * shift for t in self.trusts]
        self.process = GaussianProcess(x, np.hstack(each), np.tile(weight, len(self.trusts)))
        evidence = self.process.log_evidence.reshape(len(self.trusts), self.capabilities).T
        self.share = common_shares(evidence, self.known, self.trusts)

    @property
    def trust(self) -> Array:
        """The mean trust (K,); 0 for what the guide knows nothing of."""
        out: Array = np.where(self.known, self.share @ self.trusts, 0.0)
        return out

    def __call__(self, at: Array) -> Array:
        """The mean (m, K) at `at` (m, S)."""
        mean = self.process(at).reshape(len(at), len(self.trusts), self.capabilities)
        out: Array = np.einsum("mtk,kt->mk", mean, self.share) + self.trust * self._shift(at)
        return out

    def posterior(self, at: Array) -> Posterior:
        """As the Gaussian process's own, averaged over trusts."""
        shape = len(at), len(self.trusts), self.capabilities
        parts = (p.reshape(shape) for p in self.process.posterior(at))
        mean, sd, measured = parts
        mean = mean + self.trusts[:, None] * self._shift(at)[:, None]
        whole = np.einsum("mtk,kt->mk", mean, self.share)
        between = np.einsum("mtk,kt->mk", (mean - whole[:, None]) ** 2, self.share)
        both = (np.einsum("mtk,kt->mk", v**2, self.share) + between for v in (sd, measured))
        return Posterior(whole, *map(np.sqrt, both))

    def joint(self, at: Array) -> Joint:
        """As the Gaussian process's own, at the likeliest trust of each capability."""
        every, k = self.process.joint(at), self.capabilities
        best = self.share.argmax(axis=1)
        places = best * k + np.arange(k)
        mean = every.mean[:, places] + self.trusts[best] * self._shift(at)
        return Joint(mean, every.covariance[places], every.noise[places])

    def _shift(self, at: Array) -> Array:
        """g (m, K): what the guide says, centred and brought to the spread of the runs."""
        said = np.where(self.known, self.guide(at), 0.0)
        out: Array = np.where(self.known, (said - np.where(self.known, self.mean, 0.0)), 0.0)
        return out * self.factor


def common_shares(evidence: Array, known: Array, trusts: Array) -> Array:
    """Weights (K, T) of `trusts` (T,) from their log evidence (K, T), with a prior over T that all K share."""
    k = len(evidence)
    likely = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    likely[~known] = 1.0
    none = trusts == 0.0
    first = np.where(none, 0.5 / max(none.sum(), 1), 0.5 / max((~none).sum(), 1))
    first, prior = first / first.sum(), first / first.sum()
    share = np.tile(prior, (k, 1))
    for _ in range(ROUNDS):
        share = likely * prior
        share /= share.sum(axis=1, keepdims=True)
        prior = share[known].sum(axis=0) + DOUBT * first
        prior /= prior.sum()
    return share
