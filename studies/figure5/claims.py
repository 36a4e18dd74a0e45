"""Figure 5's claim in two halves, and Lemma L2, written down before the runs.

Where nothing helps others, a specialist is the best there is on its target (L2): ReAD can be level
with it only by being it. With help from other sources, or a gate that another source opens, it need
not be. A case is a world and a budget, the smaller or the larger one.
"""

from studies.common.claim import Claim
from studies.common.worlds import ISOLATED
from studies.figure5.sweep import GATEWAY, WORLDS

SOURCE = "Figure 5, RQ4 (R92, R110); D50: at every budget"
SIZES = ("small", "large")
MARGIN = 0.5  # points that count as level


def both(*worlds: str) -> tuple[str, ...]:
    """The cases of these worlds."""
    return tuple(f"{world}, {size}" for world in worlds for size in SIZES)


CLAIMS = (
    Claim(
        id="never-worse",
        source=SOURCE,
        text="ReAD is never worse than a specialist on its target, by more than half a point",
        statistic="smallest over the three targets of: score of the target, ReAD minus specialist; above "
        "-.5",
        unit="points",
        holds=(),
        fails=both("read8-llama", "read8-qwen", "nano-measured", ISOLATED),
        least=-MARGIN,
    ),
    Claim(
        id="target-mean",
        source=SOURCE,
        text="ReAD is better on the target, mean of the three",
        statistic="score of the target, ReAD minus specialist, mean over targets",
        unit="points",
        holds=(f"{GATEWAY}, large",),
        fails=both(ISOLATED),
    ),
    Claim(
        id="elsewhere",
        source=SOURCE,
        text="ReAD is better on the other capabilities",
        statistic="mean score of all but the target, ReAD minus specialist, mean over targets",
        unit="points",
        holds=both(*WORLDS),
    ),
    Claim(
        id="specialist-bound",
        source="Lemma L2",
        text="No run of ReAD ends above the specialist on the target",
        statistic="smallest over the three targets of: score of the target, specialist minus ReAD; at "
        "least 0",
        unit="points",
        holds=both(ISOLATED),
        fails=(f"{GATEWAY}, large",),
        least=-1e-9,
    ),
)
