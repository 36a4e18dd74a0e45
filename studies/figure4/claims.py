"""The component ablation, written down before the runs.

What a component is worth: utility of ReAD minus that of ReAD without it, mean over tasks and budgets.
"""

from studies.common.claim import Claim
from studies.figure4.sweep import CONFLICT, LLAMA, MISALIGNED, STRAIGHT

SOURCE = "Figure 4 (R89, D19)"
WORTH = "utility of ReAD minus that of"

CLAIMS = (
    Claim(
        id="identification",
        source=SOURCE,
        text="Identification matters: r = 1/K with the bandit on is worse",
        statistic=f"{WORTH} read-no-identification",
        unit="points",
        holds=(LLAMA, CONFLICT, STRAIGHT),
        fails=(MISALIGNED,),
    ),
    Claim(
        id="uniform",
        source=f"{SOURCE}, the literal reading",
        text="Identification matters: a uniform allocation is worse",
        statistic=f"{WORTH} uniform",
        unit="points",
        holds=(LLAMA, CONFLICT, STRAIGHT),
        fails=(MISALIGNED,),
    ),
    Claim(
        id="adaptation",
        source=SOURCE,
        text="Adaptation matters: keeping the first choice is worse",
        statistic=f"{WORTH} read-no-adaptation",
        unit="points",
        holds=(LLAMA, CONFLICT),
        fails=(STRAIGHT,),
    ),
    Claim(
        id="interaction",
        source=SOURCE,
        text="Interaction matters: without the spillover penalty it is worse",
        statistic=f"{WORTH} read-no-interaction",
        unit="points",
        holds=(LLAMA, CONFLICT),
        fails=(STRAIGHT,),
    ),
    Claim(
        id="history",
        source="Eq. (16); not in Figure 4",
        text="History in the context matters",
        statistic=f"{WORTH} read-no-history",
        unit="points",
        holds=(),
    ),
    Claim(
        id="two-matter-most",
        source=SOURCE,
        text="Identification and adaptation matter most",
        statistic="the smaller worth of identification and adaptation minus that of interaction, means over "
        "tasks and budgets",
        unit="points",
        holds=(LLAMA, CONFLICT),
        fails=(MISALIGNED,),
    ),
)
