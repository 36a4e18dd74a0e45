"""docs/reference/settings.md: each field of each table of settings, with the value that holds without it."""

import json
import re
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

import pytest

from tests.support.hf import NEEDS
from tests.support.paths import ROOT

pytestmark = pytest.mark.extra(*NEEDS)


def test_the_tables_of_settings_are_those_of_the_code() -> None:
    """No field is missing or made up, and what holds without it is what the table says."""
    from readsim_hf import config as c
    from readsim_hf.data_config import DataConfig
    from readsim_hf.elicitation.base import ElicitationConfig
    from readsim_hf.probes.own.config import JudgeConfig, TaskConfig
    from readsim_hf.requirement.config import IdentifierConfig
    from readsim_hf.sampling_config import SamplingConfig
    from readsim_hf.sources.config import SourceConfig
    from readsim_hf.teachers.connection import ServerSettings
    from readsim_hf.training.recipe import Recipe
    from readsim_hf.training.served import StudentServerConfig

    tables: dict[str, list[Any]] = {
        "Top of the file": [c.RunConfig],
        "`[pair]`": [c.PairConfig],
        "`[data]`": [DataConfig],
        "`[[data.sources]]`": [SourceConfig],
        "`[probes]`": [c.ProbeConfig],
        "`[[probes.tasks]]`": [TaskConfig],
        "`[probes.judge]`": [JudgeConfig],
        "`[[probes.benchmarks]]`": [c.BenchmarkConfig],
        "`[training]`": [Recipe],
        "`[sampling]`": [SamplingConfig],
        "`[decoding]`, `[soft]`": [c.DecodingConfig, c.SoftConfig],
        "`[elicitation]`": [ElicitationConfig],
        "`[server]`": [ServerSettings],
        "`[student_server]`": [StudentServerConfig],
        "`[identifier]`": [IdentifierConfig],
    }
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    sections = {part.splitlines()[0]: part for part in page.split("\n## ")[1:]}
    assert set(sections) == set(tables)
    for title, classes in tables.items():
        told = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", sections[title], flags=re.MULTILINE))
        known = {f.name: f for made in classes for f in fields(made) if f.name != "allow_code"}
        known = {name: f for name, f in known.items() if not _is_table(f)}
        assert set(told) - {"sources", "tasks", "judge", "benchmarks", "server"} == set(known)
        for name, f in known.items():
            if isinstance(f.default, str | int | float) and name != "rubric":
                assert told[name] == f"`{json.dumps(f.default)}`", (title, name)
            elif f.default is MISSING and f.default_factory is MISSING:
                assert told[name] == "needed", (title, name)
            else:
                assert told[name] in ("none", "all", "a text"), (title, name)


def _is_table(known: Field[Any]) -> bool:
    """Whether a field is a table of its own, or a list of tables."""
    made = known.default_factory() if known.default_factory is not MISSING else known.default
    return is_dataclass(made) or known.name in ("sources", "tasks", "benchmarks")
