"""The study of Figure 5."""

from studies.figure5.analysis import analyse
from studies.figure5.claims import CLAIMS
from studies.figure5.sweep import cases
from studies.paper.study import Study

STUDY = Study(
    name="figure5",
    title="Figure 5: specialists on one capability beside ReAD",
    source="S6, App. D, R92, R110, Lemma L2",
    question="Is ReAD never worse than a specialist on its target, and better elsewhere?",
    claims=CLAIMS,
    cases=cases,
    analyse=analyse,
)
