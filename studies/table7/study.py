"""The study of Table 7."""

from studies.paper.study import Study
from studies.table7.analysis import analyse
from studies.table7.claims import CLAIMS
from studies.table7.sweep import cases

STUDY = Study(
    name="table7",
    title="Table 7: a capability that no probe shows",
    source="S6 RQ4, App. D, R91",
    question="Does ReAD harm what it cannot see more than the best baseline does?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
