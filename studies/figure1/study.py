"""The study of Figure 1."""

from studies.figure1.analysis import analyse
from studies.figure1.claims import CLAIMS
from studies.figure1.sweep import cases
from studies.paper.study import Study

STUDY = Study(
    name="figure1",
    title="Figure 1: transfer between capabilities, by budget",
    source="S2.3, App. B, R12-R13",
    question="What does training on one capability do to the others, and how does it grow?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=16,
)
