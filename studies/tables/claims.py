"""RQ1 and Appendix D, written down before the runs.

D(m, i) is the final score on capability i of the student that method m trained for i (D26): the
diagonal. Points; paired by seed. One-hot rows stand for the paper's six baselines.
"""

from studies.common.claim import Claim
from studies.common.worlds import ISOLATED
from studies.tables.sweep import HELP, WORLDS, help_case

SOURCE = "Tables 1, 4, 5, 6 (R82-R85)"
ORDER = f"{WORLDS[0]} ~ {WORLDS[1]}"

CLAIMS = (
    Claim(
        id="best-in-every-column",
        source=f"{SOURCE}, R110",
        text="ReAD is best on every capability, at both budgets",
        statistic="smallest over capabilities and budgets of: D(ReAD, i) minus that of the best one-hot "
        "row, chosen by its mean over seeds",
        unit="points",
        holds=WORLDS,
        fails=(ISOLATED,),
    ),
    Claim(
        id="one-run-in-every-column",
        source=f"{SOURCE}, D26",
        text="One student by ReAD (r even) is ahead of every specialist on its own capability",
        statistic="smallest over capabilities and budgets of: score of the one run minus D(one-hot, i)",
        unit="points",
        holds=(),
        fails=(*WORLDS, ISOLATED),
    ),
    Claim(
        id="one-run-over-students",
        source=f"{SOURCE}, D26",
        text="One student by ReAD (r even) is ahead of the average one-hot student in every column",
        statistic="smallest over capabilities and budgets of: score of the one run minus the mean over "
        "the one-hot students of all targets",
        unit="points",
        holds=WORLDS,
        fails=(ISOLATED,),
    ),
    Claim(
        id="bottlenecks-by-gap",
        source=f"{SOURCE}, D47",
        text="ReAD is further ahead on the four capabilities with the largest gap to the teacher",
        statistic="mean D(ReAD, i) - best one-hot D over the four largest gaps, minus over the others, mean "
        "over budgets",
        unit="points",
        holds=WORLDS,
        fails=(ISOLATED,),
    ),
    Claim(
        id="bottlenecks-by-name",
        source=SOURCE,
        text="ReAD is further ahead on steerability, math, tool use and long context than elsewhere",
        statistic="as bottlenecks-by-gap, over the four that the paper names",
        unit="points",
        holds=WORLDS,
        fails=(ISOLATED,),
    ),
    Claim(
        id="tokens-help-all",
        source="Tables 4-6 (R83-R85)",
        text="A larger budget helps every method",
        statistic="smallest over methods of: mean over capabilities of D at the largest budget minus at the "
        "smallest",
        unit="points",
        holds=(*WORLDS, ISOLATED),
    ),
    Claim(
        id="read-more-consistent",
        source="Tables 4-6 (R83-R85)",
        text="A larger budget helps ReAD more consistently than the baselines",
        statistic="smallest over capabilities of D at the largest budget minus at the smallest: ReAD's "
        "minus that of the best one-hot row",
        unit="points",
        holds=WORLDS,
        fails=(ISOLATED,),
    ),
    Claim(
        id="margin-grows",
        source="Tables 1, 4-6 (R108)",
        text="ReAD's margin is larger at the larger budget",
        statistic="mean over capabilities of D(ReAD, i) minus the best one-hot row's, at the largest budget "
        "minus at the smallest",
        unit="points",
        holds=WORLDS,
        fails=(ISOLATED,),
    ),
    Claim(
        id="same-order",
        source="Tables 5, 6 (R109)",
        text="Qwen shows the same ordering of the methods",
        statistic="Spearman correlation over methods of the mean D of the two pairs, mean over budgets; "
        "above .5",
        unit="",
        holds=(ORDER,),
        least=0.5,
    ),
    Claim(
        id="specialist-can-be-beaten",
        source="R82, Lemma L2",
        text="Some mixture beats the specialist on every capability",
        statistic="smallest over capabilities of: score of the best static mixture minus the specialist's",
        unit="points",
        holds=(help_case(HELP[-1]),),
        fails=(help_case(0),),
        least=1e-6,
    ),
)
