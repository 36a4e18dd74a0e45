"""RQ2, written down before the runs.

The curve of a method on a capability: final score of the student trained for it, against the logarithm
of the budget. The best rival is chosen by its mean over seeds, once for each statistic.
"""

from studies.common.claim import Claim
from studies.common.worlds import ISOLATED
from studies.tables.sweep import WORLDS

SOURCE = "Figure 3, RQ2 (R86)"

CLAIMS = (
    Claim(
        id="area-above",
        source=SOURCE,
        text="ReAD's curve lies above every baseline's",
        statistic="area between the curves over the logarithm of the budget, divided by its range, mean over "
        "capabilities: ReAD minus the best rival",
        unit="points",
        holds=WORLDS,
        fails=(ISOLATED,),
    ),
    Claim(
        id="area-above-utility",
        source=SOURCE,
        text="ReAD's curve of task utility lies above every baseline's",
        statistic="as area-above, of the utility of the task instead of the score of its capability",
        unit="points",
        holds=(*WORLDS, ISOLATED),
    ),
    Claim(
        id="above-everywhere",
        source=SOURCE,
        text="At equal budget ReAD is higher",
        statistic="smallest over capabilities and budgets of: ReAD minus the best rival there",
        unit="points",
        holds=WORLDS,
        fails=(ISOLATED,),
    ),
    Claim(
        id="best-trend",
        source=SOURCE,
        text="ReAD has the best scaling trend",
        statistic="least-squares slope over the doublings of the budget, mean over capabilities: ReAD "
        "minus the steepest rival",
        unit="points a doubling",
        holds=WORLDS,
        fails=(ISOLATED,),
    ),
    Claim(
        id="fewer-tokens",
        source=SOURCE,
        text="A baseline needs more tokens to match ReAD",
        statistic="log2 of the budget at which the most frugal rival reaches ReAD's score, over ReAD's "
        "budget; log-linear interpolation; mean over capabilities and inner budgets; a rival outside the "
        "range counts as at its end",
        unit="doublings",
        holds=WORLDS,
        fails=(ISOLATED,),
    ),
)
