"""The study of the local proxy validation."""

from studies.paper.study import Study
from studies.proxy.analysis import analyse
from studies.proxy.claims import CLAIMS
from studies.proxy.sweep import cases

STUDY = Study(
    name="proxy",
    title="Proxy validation: predicted and observed next-step rewards",
    source="S3.3, S6, R49-R50, R90",
    question="Do ReAD's predictions of its next step come true, and does its proxy point the right way?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
    seeds=8,
)
