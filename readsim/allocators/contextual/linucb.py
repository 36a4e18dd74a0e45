"""LinUCB with one model for all allocations."""

from dataclasses import dataclass

from readsim.allocators.base import Context
from readsim.allocators.configured import number
from readsim.allocators.contextual.linear import LinearBandit
from readsim.allocators.contextual.ridge import Posterior
from readsim.arrays import Array


@dataclass(frozen=True)
class LinUCB(LinearBandit):
    """argmax over candidates of theta . x + alpha sqrt(x' V^-1 x), V = ridge I + sum x x' (LinUCB).

    Li, Chu, Langford, Schapire, arXiv 1003.0146, Algorithm 1, with parameters shared by all arms, for
    an arm here is an allocation and new ones come with every step: so it is the linear bandit of
    Abbasi-Yadkori, Pal, Szepesvari (OFUL, "Improved Algorithms for Linear Stochastic Bandits",
    NeurIPS 2011) with a constant alpha, where OFUL's radius grows with ln det V. The reward is that
    of Eq. (9); x = [allocation w; w . prior; w . shares of the required loss; budget left; |w|^2], all
    in [0, 1] (`linear_features` says why). Among equals the first candidate, "stay", is taken.

    alpha        width of the bonus. Standardised, 1 is one standard deviation of the rewards so far
                 at |x|_V^-1 = 1
    ridge        lambda, 1e-6 to 1e6. A direction x never tried has the bonus alpha |x| / sqrt(ridge)
    curvature    whether x has |w|^2, without which only corners of the candidates win
    standardise  regress (reward - mean) / deviation, of the rewards so far. False: rewards as they
                 are, as published; then alpha is in reward units, and 1 explores for ever
    pool         transitions of an offline pool to start from, reported as offline tokens

    The mean is as good as a linear model is: what it cannot say, state dependence beyond the
    features for one, is averaged, and with decisions the width shrinks all the same. The width is
    longest at the corners of the simplex, so exploring is training on one source at a time, which
    is dear where steps are large and gains are concave (studies/LOG.md).
    """

    alpha: float = number(
        1.0, "ours: ReAD's kappa; paper: 1 + sqrt(ln(2/delta)/2), 2.4 at delta .05", low=0.0
    )

    def bonus(self, model: Posterior, x: Array, context: Context) -> Array:
        return self.alpha * model.width(x)
