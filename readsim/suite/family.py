"""Worlds drawn from the random family, spread over its knobs."""

import numpy as np

# knob: (least, most, whether it is drawn on a log scale)
KNOBS: dict[str, tuple[float, float, bool]] = {
    "coupling": (0.0, 0.4, False),
    "negative": (0.0, 0.8, False),
    "curvature": (0.3, 6.0, True),
    "noise": (0.25, 2.0, False),
}
SIZES = (4, 6, 8)
DYNAMICS = ("potential", "flow", "potential", "flow", "separable")  # in turn
BUDGET = 60_000_000  # tokens; `curvature` is this budget over the gain scale


def draw_family(count: int, seed: int = 0) -> list[str]:
    """`count` worlds as text for `load_world`: knobs from a Latin hypercube, dynamics and sizes in turn.

    Every knob's range is cut into `count` parts, and each part is used once. World n is drawn with
    seed n, so that it has a name of its own.
    """
    from scipy.stats.qmc import LatinHypercube

    if count < 1:
        return []
    points = LatinHypercube(len(KNOBS), rng=np.random.default_rng(seed)).random(count)
    worlds = []
    for n, point in enumerate(points):
        parts = [f"seed={n}", f"capabilities={SIZES[n % len(SIZES)]}"]
        for share, (name, (low, high, is_log)) in zip(point, KNOBS.items(), strict=True):
            value = low * (high / low) ** share if is_log else low + share * (high - low)
            parts.append(f"{name}={value:.3g}")
        worlds.append(f"random:{','.join(parts)},dynamics={DYNAMICS[n % len(DYNAMICS)]}")
    return worlds
