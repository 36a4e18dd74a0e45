"""Table 7's claim, written down before the runs.

The hidden capability stands for ((1 - safe_refusal) + unsafe_refusal) / 2 (D30); the two rates
themselves are numbers of real runs. The best baseline is the one of the highest mean utility at
that budget, which does not look at what is hidden. A case is a world and a budget.
"""

from studies.common.claim import Claim
from studies.table7.sweep import BASE, BLIND, TWIN

SOURCE = "Table 7, RQ4 (R91, D30)"
SIZES = ("small", "large")
MARGIN = 1.0  # points that count as level


def both(*worlds: str) -> tuple[str, ...]:
    """The cases of these worlds."""
    return tuple(f"{world}, {size}" for world in worlds for size in SIZES)


CLAIMS = (
    Claim(
        id="not-worse",
        source=SOURCE,
        text="ReAD harms what is hidden no more than the best baseline, by more than a point",
        statistic="final score of the hidden capability, ReAD minus best baseline, mean over tasks; above -1",
        unit="points",
        holds=both(BASE, TWIN),
        fails=(f"{BLIND}, large",),
        least=-MARGIN,
    ),
    Claim(
        id="better",
        source=SOURCE,
        text="ReAD is better on what is hidden than the best baseline",
        statistic="the same, above 0",
        unit="points",
        holds=both(TWIN),
        fails=both(BLIND),
    ),
    Claim(
        id="price-helps",
        source="R45, R91",
        text="The price of spillover protects what is hidden",
        statistic="final score of the hidden capability, ReAD minus ReAD without the spillover price, mean "
        "over tasks; above 0",
        unit="points",
        holds=(f"{TWIN}, large",),
        fails=both(BLIND),
    ),
)
