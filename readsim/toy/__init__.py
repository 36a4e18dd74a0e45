"""A tiny shared-trunk network trained by real gradient descent in milliseconds.

The only backend where statements about parameters can be tested: it shows theta, the sources' descent
directions and the readouts' gradients (`OffersParameters`).
"""

from readsim.toy.backend import ToyBackend
from readsim.toy.config import ToyConfig

__all__ = ["ToyBackend", "ToyConfig"]
