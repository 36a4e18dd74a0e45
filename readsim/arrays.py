"""The array types of the simulator."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def half_of(covariance: Array) -> Array:
    """A matrix H (K, K) with H H' = covariance; small negative eigenvalues are rounding."""
    values, vectors = np.linalg.eigh(covariance)
    out: Array = vectors * np.sqrt(np.maximum(values, 0.0))
    return out
