"""The study of Figure 2."""

from studies.figure2.analysis import analyse
from studies.figure2.claims import CLAIMS
from studies.figure2.sweep import cases
from studies.paper.study import Study

STUDY = Study(
    name="figure2",
    title="Figure 2: diminishing returns and negative spillover",
    source="S2.3, App. B, R14-R15, D43",
    question="Do gains saturate and harm grow with the budget, and would the paper's counts tell?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=150,
)
