"""The study of Figure 4."""

from studies.figure4.analysis import analyse
from studies.figure4.claims import CLAIMS
from studies.figure4.sweep import cases
from studies.paper.study import Study

STUDY = Study(
    name="figure4",
    title="Figure 4: what each component of ReAD is worth",
    source="S6, R89",
    question="Which component of ReAD matters most?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
