"""RQ2 and RQ3, written down before the runs.

On, Off, Neg as in D18 on the test split: change of the most required capability; mean change, and mean
drop (>= 0), of all others. Table 2(a) is read at the largest budget. A claim about drops asks for more than
.1 points, so that worlds without spillover can fail it.
"""

from studies.common.claim import Claim
from studies.common.worlds import ISOLATED
from studies.table2.sweep import CONFLICT, GATEWAY, LLAMA, SATED

A, B = "Table 2(a) (R87)", "Table 2(b), RQ3 (R88)"
HARM = (LLAMA, CONFLICT)

CLAIMS = (
    Claim(
        id="single-strong-on-target",
        source=A,
        text="One-hot distillation is stronger on the target than the task-static mixture",
        statistic="On of one-hot minus On of task-static",
        unit="points",
        holds=(LLAMA, CONFLICT, ISOLATED),
        fails=(SATED,),
    ),
    Claim(
        id="single-harms-more",
        source=A,
        text="One-hot distillation loses more off the target than ReAD",
        statistic="Neg of one-hot minus Neg of ReAD",
        unit="points",
        holds=HARM,
        fails=(ISOLATED, SATED),
        least=0.1,
    ),
    Claim(
        id="static-harms-less",
        source=A,
        text="The task-static mixture loses less off the target than one-hot distillation",
        statistic="Neg of one-hot minus Neg of task-static",
        unit="points",
        holds=HARM,
        fails=(ISOLATED, SATED),
        least=0.1,
    ),
    Claim(
        id="read-keeps-target",
        source=A,
        text="ReAD keeps the gain on the target",
        statistic="On of ReAD over On of one-hot; above .9",
        unit="of one-hot's",
        holds=(LLAMA, CONFLICT, ISOLATED, SATED),
        least=0.9,
    ),
    Claim(
        id="read-harms-least",
        source=A,
        text="ReAD loses least off the target",
        statistic="Neg of the baseline with the smallest mean Neg (of one-hot, task-static, greedy, grid) "
        "minus Neg of ReAD",
        unit="points",
        holds=HARM,
        fails=(ISOLATED, SATED),
        least=0.1,
    ),
    Claim(
        id="read-first",
        source=B,
        text="ReAD has the highest utility at both budgets",
        statistic="smallest over budgets of: utility of ReAD minus that of the best rival there (uniform, "
        "task-static, greedy, grid)",
        unit="points",
        holds=HARM,
        fails=(SATED, GATEWAY),
    ),
    Claim(
        id="margin-grows",
        source=f"{B}, R108",
        text="ReAD's margin is larger at the larger budget",
        statistic="utility of ReAD minus that of the best rival, at the largest budget minus at the smallest",
        unit="points",
        holds=HARM,
        fails=(SATED, GATEWAY),
    ),
    Claim(
        id="above-static-bound",
        source="R88, Lemma L1",
        text="ReAD ends above the best static mixture, at the larger budget",
        statistic="utility of ReAD minus that of oracle-static",
        unit="points",
        holds=(),
        fails=(LLAMA, CONFLICT, ISOLATED, SATED, GATEWAY),
    ),
    Claim(
        id="greedy-behind",
        source=f"{B}, R111",
        text="The greedy choice falls behind ReAD, at the larger budget",
        statistic="utility of ReAD minus that of greedy",
        unit="points",
        holds=HARM,
        fails=(SATED,),
    ),
)
