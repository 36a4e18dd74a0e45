"""The study of ReAD's settings."""

from studies.paper.study import Study
from studies.sensitivity.analysis import analyse
from studies.sensitivity.claims import CLAIMS
from studies.sensitivity.sweep import cases

STUDY = Study(
    name="sensitivity",
    title="Sensitivity: ReAD's settings, one at a time",
    source="S3.3, S5, S6, R44-R50, R111, D5-D7, D16",
    question="Which of ReAD's settings change what it reaches, and do they do what they are for?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=8,
)
