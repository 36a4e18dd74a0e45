"""What can be combined with what, as a page: each cell and each sentence is what the code says when asked."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from readsim.errors import ReadsimError
from readsim.tree_file import write_atomic
from readsim_hf.beside import BESIDE, refusal
from readsim_hf.config import RunConfig, SoftConfig
from readsim_hf.methods.table import METHODS
from readsim_hf.objectives.table import SIGNALS, TABLE
from readsim_hf.supervision import supervision
from readsim_hf.teachers.record import SoftKind

COMBINED = "combinations.md"
_KINDS: tuple[SoftKind, ...] = ("full", "topk", "sampled")
_SHARES = {"teacher's text": 0.0, "half of each": 0.5, "student's text": 1.0}
_HEAD = """# What can be combined

This page is written by `readsim models methods --write docs`; each cell is what the code says to these
settings. `--signal` says what is asked for, `--objective` what is minimised on it, `--soft` what is kept of
the teacher's distributions (`none`: nothing is kept), and `--on-policy` on what share of prompts the student
answers itself. The [methods](methods.md) are such combinations with a name.

## Objectives

On each signal that is listed, with these kinds of distributions. Groups of the student's replies (`mopd` and
those below it) have one share of the student's text, which the objective sets.

| objective | signals | teacher's text | half of each | student's text |
|---|---|---|---|---|
"""
_BESIDE = """
## Methods

Whether a method goes with what stands beside it; what is said where it does not names what would work.
LoRA and micro-batches go with all. `--objective` and `--signal` of your own are judged alike.

| method | {columns} |
|---|{lines}|
"""
_REFUSED = """
## What is refused

| settings | what is said |
|---|---|
"""
# Settings that do not go together, each for another reason.
REFUSED: tuple[Mapping[str, Any], ...] = (
    {"signal": "logit", "objective": "sft"},
    {"signal": "cot", "objective": "sft", "on_policy": 0.5},
    {"signal": "cot", "objective": "sft", "on_policy": 1.0},
    {"signal": "logit", "objective": "kd", "on_policy": 0.5},
    {"signal": "logit", "objective": "rkl", "soft": {"kind": "sampled"}},
    {"signal": "step-by-step", "objective": "fkl"},
    {"signal": "corrected", "objective": "fkl"},
    {"signal": "answer-shown", "objective": "sft"},
    {"signal": "resp", "objective": "mopd", "on_policy": 1.0},
    {"signal": "cot", "objective": "k1"},
    {"signal": "logit", "objective": "span", "soft": {"kind": "full"}},
    {"signal": "logit", "objective": "fkl(on=own)"},
    {"signal": "cot", "objective": "sft + 0.1*hidden + hidden(kind=cka)"},
    {"signal": "cot", "objective": "dpo + kdrl"},
    {"signal": "cot", "objective": "rrhf + pro"},
    {"signal": "cot", "objective": "kdrl + 0.1*sft(on=teacher)", "on_policy": 1.0},
    {"method": "corrected", "on_policy": 0.5},
    {"method": "mopd", "on_policy": 0.5},
    {"method": "dpo", "on_policy": 0.5},
    {"method": "logit-kd", "sampling": {"samples": 4}},
    {"method": "kdrl", "sampling": {"samples": 1}},
    {"method": "mopd", "sampling": {"reward": "judge"}},
    {"method": "dpo", "sampling": {"weights": "dn"}},
    {"method": "dn-mopd", "sampling": {"weights": "label"}},
    {"method": "cot-sft", "soft": {"kind": "sampled"}},
    {"method": "cot-sft", "elicitation": {"traces": 8}},
    {"method": "opd", "decoding": {"temperature": 0.2}},
    {"method": "mopd", "decoding": {"student_temperature": 0.2}},
    {"method": "logit-kd", "decoding": {"student_temperature": 0.2}},
    {"method": "new-prompts", "decoding": {"temperature": 0.0}},
    {"method": "own-right", "decoding": {"student_temperature": 0.0}},
    {"method": "pkd", "training": {"packing": True}},
    {"method": "dpo", "training": {"lora": 8, "lora_dropout": 0.1}},
    {"method": "mopd", "training": {"lora": 8, "lora_dropout": 0.1}},
    {"method": "gkd", "objective_settings": {"beta": 0.1}},
    {"method": "TinyBERT"},
)


def answer(table: Mapping[str, Any]) -> str:
    """What is said to these settings; "" where they are taken."""
    try:
        supervision(RunConfig.of(table))
    except ReadsimError as error:
        return str(error)
    return ""


def combinations_page() -> str:
    """The page in Markdown."""
    rows = [_row(name) for name in TABLE]
    beside = [_beside(name) for name, method in METHODS.items() if not method.command]
    said = [f"| `{_shown(table)}` | {answer(table).replace('|', '&#124;')} |" for table in REFUSED]
    head = _BESIDE.format(columns=" | ".join(BESIDE), lines="|".join("---" for _ in BESIDE))
    parts = (_HEAD, *rows), (head, *beside), (_REFUSED, *said)
    return "".join(start + "\n".join(lines) + "\n" for start, *lines in parts)


def _beside(method: str) -> str:
    cells = ["no" if refusal(method, column) else "yes" for column in BESIDE]
    return f"| `{method}` | {' | '.join(cells)} |"


def _row(objective: str) -> str:
    signals = [s for s in SIGNALS if any(_kinds(s, objective, x) for x in _SHARES.values())]
    cells = []
    for share in _SHARES.values():
        found = dict.fromkeys(_kinds(signal, objective, share) for signal in signals)
        cells.append(" or ".join(each for each in found if each) or "no")
    return f"| `{objective}` | {', '.join(signals)} | {' | '.join(cells)} |"


def _kinds(signal: str, objective: str, share: float) -> str:
    """The kinds of distributions that are taken, "none" where none is kept, "" where nothing is taken."""
    given = replace(RunConfig(), method="", signal=signal, objective=objective, on_policy=share)
    taken = [kind for kind in _KINDS if _keeps(replace(given, soft=SoftConfig(kind))) is True]
    return ", ".join(taken) or ("none" if _keeps(given) is False else "")


def _keeps(config: RunConfig) -> bool | None:
    """Whether distributions are kept with these settings; None where they are refused."""
    try:
        return supervision(config)[2] is not None
    except ReadsimError:
        return None


def _shown(table: Mapping[str, Any]) -> str:
    """Settings in one line, as TOML would have them without their tables."""
    parts = []
    for name, value in table.items():
        if isinstance(value, Mapping):
            parts += [f"{name}.{_shown({key: one})}" for key, one in value.items()]
        else:
            told = str(value).lower() if isinstance(value, bool) else value
            parts.append(
                f"{name} = {told}" if not isinstance(value, str) else f'{name} = "{value}"'
            )
    return ", ".join(parts)


def write_combinations(folder: Path) -> None:
    """The page, in a folder."""
    write_atomic(folder / COMBINED, combinations_page().encode())
