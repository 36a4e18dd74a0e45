"""The study of the public code's traps."""

from studies.artifact_quirks.analysis import analyse
from studies.artifact_quirks.claims import CLAIMS
from studies.artifact_quirks.sweep import cases
from studies.paper.study import Study

STUDY = Study(
    name="artifact_quirks",
    title="Traps of the public code, one switch each",
    source="R112, D46",
    question="What does each trap of the public code cost?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
