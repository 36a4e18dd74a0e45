"""The study of Table 2."""

from studies.paper.study import Study
from studies.table2.analysis import analyse
from studies.table2.claims import CLAIMS
from studies.table2.sweep import cases

STUDY = Study(
    name="table2",
    title="Table 2: spillover and utility of five methods",
    source="S6, R87-R88, R108, R111",
    question="Does ReAD keep the target, spare the rest, and end highest, more so with more tokens?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
