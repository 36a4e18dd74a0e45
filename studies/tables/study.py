"""The study of Tables 1 and 4-6."""

from studies.paper.study import Study
from studies.tables.analysis import analyse
from studies.tables.claims import CLAIMS
from studies.tables.sweep import cases

STUDY = Study(
    name="tables",
    title="Tables 1, 4-6: capability profiles",
    source="S6, App. D, R82-R85, R108-R110",
    question="Is ReAD best in every column, and where is it furthest ahead?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
