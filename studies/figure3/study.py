"""The study of Figure 3."""

from studies.figure3.analysis import analyse
from studies.figure3.claims import CLAIMS
from studies.figure3.sweep import cases
from studies.paper.study import Study

STUDY = Study(
    name="figure3",
    title="Figure 3: score by token budget",
    source="S6, R86",
    question="Is ReAD ahead at equal budget, and how many tokens do others need to match it?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
