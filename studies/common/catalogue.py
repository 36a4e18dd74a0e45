"""The studies, in the order of the paper."""

from importlib import import_module

from readsim.errors import unknown
from studies.common.study import Study

NAMES = (
    "figure1",
    "figure2",
    "tables",
    "figure3",
    "table2",
    "figure4",
    "proxy",
    "figure5",
    "table7",
    "misalignment",
    "sensitivity",
    "artifact_quirks",
    "sim_to_real",
)


def load_study(name: str) -> Study:
    """The `STUDY` of `studies.NAME.study`. Raises UnknownNameError."""
    if name not in NAMES:
        raise unknown("study", name, NAMES)
    study: Study = import_module(f"studies.{name}.study").STUDY
    return study
