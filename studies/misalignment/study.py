"""The study of misalignment."""

from studies.misalignment.analysis import analyse
from studies.misalignment.claims import CLAIMS
from studies.misalignment.sweep import cases
from studies.paper.study import Study

STUDY = Study(
    name="misalignment",
    title="Misalignment: a wrong requirement, biased probes",
    source="S7, R19, R26, R93",
    question="What do a wrong requirement and biased probes cost, and whom?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=8,
)
