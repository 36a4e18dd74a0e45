"""Where Eq. (6) ends with its entropy term, and where it ends with standardised changes (`requirement`).

2 lambda_max(Sigma) is sufficient for corners, not necessary: with Sigma = 1e-4 I, g = (.4, .3, .2, .1)
lambda_H = 1e-4 ends at (1, 0, 0, 0) though the bound is 2e-4. So Eq. (6) is minimised here.
"""

import numpy as np

from readsim.allocators.exponentiated.core import softmax
from readsim.arrays import Array
from readsim.envs.requirement_modes import positive_part
from readsim.theory.lemmas.requirement import corner_entropy, objective
from readsim.theory.result import PaperStatement, Result

LOG_LEAST = 1e-300
CLOSE = 0.05  # total variation between requirements that counts as the same


def descend(g: Array, sigma: Array, entropy: float, start: Array) -> Array:
    """Where softmax logits end from `start` (K,): a local minimum of (r-g)^T Sigma (r-g) + lambda_H H(r).

    Quasi-Newton on the objective over its scale. Near corners logits diverge, so that entries come
    within about 1e-3 of 0 and 1 and no closer.
    """
    from scipy.optimize import minimize

    size = max(corner_entropy(sigma) / 2.0 * max(float(g @ g), 1.0), entropy)

    def value(logits: Array) -> tuple[float, Array]:
        r = softmax(logits)
        slope = 2.0 * sigma @ (r - g) - entropy * (np.log(np.maximum(r, LOG_LEAST)) + 1.0)
        return float(objective(r, g, sigma, entropy)) / size, r * (slope - r @ slope) / size

    done = minimize(value, start, jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 2000})
    return softmax(np.asarray(done.x, dtype=np.float64))


def standardise(g: Array, sigma: Array, noise: float = 0.0) -> tuple[Array, Array]:
    """g and Sigma of Dp_j / sd_j and DU / sd_U, each sd_j > 0; DU has noise variance `noise`.

    g'_j = g_j sd_j / sd_U, Sigma'_jk = Sigma_jk / (sd_j sd_k), sd_U^2 = g^T Sigma g + noise. For centred
    changes; for others the root mean square takes the place of the standard deviation.
    """
    sd = np.sqrt(np.diag(sigma))
    return g * sd / float(np.sqrt(g @ sigma @ g + noise)), sigma / np.outer(sd, sd)


def scaled_minimum(g: Array, sigma: Array, entropy: float) -> tuple[Array, float]:
    """argmin over r and s > 0 of (s r - g)^T Sigma (s r - g) + lambda_H H(r): r, s.

    s = [r^T Sigma g]_+ / r^T Sigma r. Descends from the best w = s r >= 0 without entropy (convex,
    non-negative least squares); uniform and s = 0 where that is 0. For lambda_H = 0, Sigma = I it
    is [g]_+ normalised. In the standardised problem r follows g_j sd_j: with unequal
    spreads it ranks contributions, not slopes.
    """
    from scipy.optimize import minimize, nnls

    root = np.linalg.cholesky(sigma).T
    fit, _ = nnls(root, root @ g)
    if fit.sum() <= 0.0:
        return positive_part(np.zeros(len(g))), 0.0

    def value(logits: Array) -> tuple[float, Array]:
        r = softmax(logits)
        s = max(float(r @ sigma @ g), 0.0) / float(r @ sigma @ r)
        slope = 2.0 * s * sigma @ (s * r - g)
        slope = slope - entropy * (np.log(np.maximum(r, LOG_LEAST)) + 1.0)
        loss = float(objective(s * r, g, sigma, 0.0)) + float(objective(r, r, sigma, entropy))
        return loss, r * (slope - r @ slope)

    start = np.log(np.maximum(fit / fit.sum(), 1e-4))
    done = minimize(value, start, jac=True, method="BFGS", options={"gtol": 1e-10})
    r = softmax(np.asarray(done.x, dtype=np.float64))
    return r, max(float(r @ sigma @ g), 0.0) / float(r @ sigma @ r)


def check(g: Array, sigma: Array, entropy: float, subject: str) -> Result:
    """Total variation between what Eq. (6) ends at, from uniform, and [g]_+ normalised.

    Small by luck of scale only: Sigma = s^2 I, sum [g_i]_+ = 1 and lambda_H far below
    2 lambda_max(Sigma). Corrected: `detail["standardised"]`, on the same g and Sigma.
    """
    meant, learnt = positive_part(g), descend(g, sigma, entropy, np.zeros(len(g)))
    repaired = scaled_minimum(*standardise(g, sigma), entropy)[0] if g.any() else meant
    return Result(
        statement=PaperStatement.REQUIREMENT_LOSS,
        subject=subject,
        measure="total variation between the learnt requirement and the beneficial gradient",
        statistic=0.5 * float(np.abs(learnt - meant).sum()),
        bound=CLOSE,
        sense="<=",
        advice="standardise Dp and DU per task and learn a scale",
        detail={
            "learnt": learnt,
            "meant": meant,
            "standardised": repaired,
            "standardised distance": 0.5 * float(np.abs(repaired - meant).sum()),
        },
    )
