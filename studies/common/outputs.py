"""Findings to files: tables (CSV), figures, verdicts.csv, and study.json, which names them all."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from readsim.errors import ConfigError
from readsim.plots.style import save, sober
from readsim.runs.log_file import git_revision
from readsim.tree_file import write_atomic, write_frame
from studies.common.claim import ClaimVerdict
from studies.common.study import Findings, Study


def verdict_table(verdicts: Sequence[ClaimVerdict]) -> pd.DataFrame:
    """One row per claim and case."""
    return pd.DataFrame(verdicts, columns=list(ClaimVerdict._fields))


def refuse_other_results(out: Path, command: str) -> None:
    """ConfigError if `out` holds what another command found: it is not overwritten."""
    path = out / "study.json"
    if not path.is_file():
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))["command"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is not of a study ({error!r}): choose another --out") from error
    if before.replace("python -m studies.", "python -m studies ") != command:  # as it was once
        raise ConfigError(
            f"{out} holds the results of `{before}`, which are not overwritten: choose another --out, "
            "or move them away"
        )


def write_findings(study: Study, findings: Findings, command: str, out: Path) -> list[ClaimVerdict]:
    """Write everything into `out`, study.json last; the verdicts."""
    out.mkdir(parents=True, exist_ok=True)
    verdicts = study.verdicts(findings)
    write_frame(out / "verdicts.csv", verdict_table(verdicts))
    for stem, (_, table) in findings.tables.items():
        write_frame(out / f"{stem}.csv", table)
    with sober():
        for stem, drawing in findings.figures.items():
            save(drawing.figure, out / stem)
    about = _about(study, findings, verdicts, command)
    write_atomic(out / "study.json", json.dumps(about, indent=1, allow_nan=False).encode())
    return verdicts


def _about(
    study: Study, findings: Findings, verdicts: Sequence[ClaimVerdict], command: str
) -> dict[str, Any]:
    return {
        "name": study.name,
        "title": study.title,
        "source": study.source,
        "question": study.question,
        "command": command,
        "claims": [asdict(claim) for claim in study.claims],
        "verdicts": [
            {**{k: _number(x) for k, x in v._asdict().items()}, "as_expected": v.as_expected}
            for v in verdicts
        ],
        "tables": [
            {"title": title, "file": f"{stem}.csv"} for stem, (title, _) in findings.tables.items()
        ],
        "figures": [
            {"title": d.title, "file": f"{stem}.svg", "alt": d.alt}
            for stem, d in findings.figures.items()
        ],
        "notes": list(findings.notes),
        "provenance": {"git": git_revision()},
    }


def _number(value: object) -> object:
    """JSON has no NaN: what is not known is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
