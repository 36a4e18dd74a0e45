"""Observation 2, written down before the runs; in worlds without saturation the paper's way must mislead.

A replicate takes each budget from a seed of its own (a third of the seeds a budget), so that their noise
is independent, as in three real runs: one seed has the same luck at every budget, which would cancel it.
g1 and g2 are the gains of a target from the first to the second and to the third budget.
"""

from studies.common.claim import Claim
from studies.common.worlds import ISOLATED
from studies.figure1.sweep import WORLDS
from studies.figure2.sweep import LINEAR

RETURNS = "Figure 2(a), Observation 2 (R14, D43)"
SPILLOVER = "Figure 2(b), Observation 2 (R15, R107, D43)"
CONCAVE = (*WORLDS, ISOLATED)
HARMING = ("read8-llama", "read8-qwen", "conflict")

CLAIMS = (
    Claim(
        id="saturates-paper",
        source=RETURNS,
        text="As the paper counts: the strongest-improving targets gain less in the second window",
        statistic="g1 - g2 in points, windows as they are, mean over the 3 targets with the largest g1 of "
        "the replicate itself; expected to hold falsely where gains are linear",
        unit="points",
        holds=(*CONCAVE, *LINEAR),
    ),
    Claim(
        id="saturates",
        source=RETURNS,
        text="Corrected: a token is worth less in the second window",
        statistic="slopes s = g / tokens of the window; s1 - s2, mean over all targets, over the mean s1 "
        "of all targets and replicates",
        unit="",
        holds=CONCAVE,
        fails=LINEAR,
        least=0.1,
    ),
    Claim(
        id="saturates-split",
        source=RETURNS,
        text="Corrected: so it is for the strongest-improving targets",
        statistic="the same over the 3 targets with the largest mean g1 of the other half of the replicates",
        unit="",
        holds=CONCAVE,
        fails=LINEAR,
        least=0.1,
    ),
    Claim(
        id="selection-bias",
        source=RETURNS,
        text="The paper's count reports saturation more often than the corrected one",
        statistic="100 if g1 > g2 as the paper counts, minus 100 if s1 > s2 as in saturates-split; mean "
        "over replicates",
        unit="% of replicates",
        holds=LINEAR,
        fails=("related-web", "conflict"),
    ),
    Claim(
        id="harm-raw",
        source=SPILLOVER,
        text="As the paper counts: training on a target lowers others",
        statistic="mean over targets of NS_i at the largest budget; expected to hold falsely where "
        "nothing spills over",
        unit="points",
        holds=(*WORLDS, ISOLATED, *LINEAR),
        least=0.1,
    ),
    Claim(
        id="harm",
        source=SPILLOVER,
        text="Corrected: training on a target lowers others",
        statistic="the same minus what noise alone gives",
        unit="points",
        holds=WORLDS,
        fails=(ISOLATED, *LINEAR),
        least=0.1,
    ),
    Claim(
        id="harm-grows",
        source=SPILLOVER,
        text="Average harm grows with the target's budget",
        statistic="NS_i minus what noise alone gives, at the largest budget minus at the smallest, same seed",
        unit="points",
        holds=WORLDS,
        fails=(ISOLATED, *LINEAR),
    ),
)
