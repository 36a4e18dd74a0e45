"""What finished runs show, from their logs alone: one row a run, and the shares that each method trained."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from readsim.runs.read_logs import read_log
from readsim.runs.trained_shares import TrainedShare, achieved_shares
from studies.methods.forms import Ends

TEACHER = ("teacher_prompt", "teacher_generated", "teacher_scored", "judge", "expansion")
EFFECTS = ("utility", "forgetting")  # in points, with intervals over seeds
AMOUNTS = ("tokens", "teacher_tokens", "rollout_tokens", "seconds")


def row_of(case: str, method: str, seed: int, logs: Sequence[Path], ends: Ends) -> dict[str, Any]:
    """One finished run: its test profiles and what all of its logs (specialists have their own) counted.

    utility      mean test score of all capabilities at the end, `start` before, in points
    forgetting   mean over capabilities of max(0, start - end) on the test items; noise adds to it
    tokens       supervised; `teacher_tokens` read and written by teachers and judges; `rollout_tokens`
                 written, and read for scores, by the student
    seconds      of training and of waiting for replies, probes left out
    """
    start, end = ends
    totals: dict[str, int] = {}
    seconds = 0.0
    for path in logs:
        for kind, n in read_log(path).finals[0].totals.items():
            totals[kind] = totals.get(kind, 0) + n
        spent = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["seconds"]
        seconds += spent["train"] + spent["teacher"]
    return {
        "case": case,
        "method": method,
        "seed": seed,
        "utility": 100 * float(end.mean()),
        "start": 100 * float(start.mean()),
        "forgetting": 100 * float(np.maximum(start - end, 0.0).mean()),
        "tokens": totals["student"],
        "teacher_tokens": sum(totals.get(kind, 0) for kind in TEACHER),
        "rollout_tokens": totals.get("student_rollout", 0),
        "seconds": seconds,
    }


def shares_of_run(case: str, method: str, seed: int, log: Path) -> Iterator[dict[str, Any]]:
    """Of each source the share of prompts, tokens, loss and gradient over a run; None where not measured."""
    steps = [step.trained for step in read_log(log).steps if step.trained is not None]
    if not steps:
        return
    whole = [_sum([step[n] for step in steps]) for n in range(len(steps[0]))]
    shares = achieved_shares(whole)
    for n, share in enumerate(whole):
        parts = {kind: None if s is None else float(s[n]) for kind, s in shares.items()}
        yield {"case": case, "method": method, "seed": seed, "source": share.source, **parts}


def _sum(parts: Sequence[TrainedShare]) -> TrainedShare:
    """One source over several intervals: sums, the mean loss a token, the mean gradient."""
    tokens = sum(part.tokens for part in parts)
    losses = [part.loss * part.tokens for part in parts if part.loss is not None]
    seen = [part.gradient for part in parts if part.gradient is not None]
    return TrainedShare(
        parts[0].source,
        sum(part.prompts for part in parts),
        tokens,
        sum(losses) / tokens if tokens and losses else None,
        float(np.mean(seen)) if seen else None,
    )


def effects(claim: str, case: str, rows: pd.DataFrame, shares: pd.DataFrame) -> list[float]:
    """The effect that a claim is about, one number a seed that has both runs; [] where none has."""
    here = rows[rows["case"] == case]
    utility = here.pivot(index="seed", columns="method", values="utility")
    forgetting = here.pivot(index="seed", columns="method", values="forgetting")
    start = here.pivot(index="seed", columns="method", values="start")
    pairs = {
        "distributions-above-words": (utility, "logit-kd", utility, "resp-sft"),
        "own-text-above-words": (utility, "gkd", utility, "logit-kd"),
        "own-text-forgets-less": (forgetting, "logit-kd", forgetting, "opd"),
        "form-is-what-is-trained": (utility, "cot-sft", utility, "resp-sft"),
        "several-traces-above-one": (utility, "several-traces", utility, "cot-sft"),
        "informative-above-likeliest": (utility, "informative-fit", utility, "likeliest-fit"),
        "self-shown-learns": (utility, "answer-shown", start, "answer-shown"),
        "merged-below-mixed": (utility, "merge", utility, "resp-sft"),
    }
    if claim in pairs:
        a, one, b, other = pairs[claim]
        if one not in a or other not in b:
            return []
        return [float(v) for v in (a[one] - b[other]).dropna()]
    kd = shares[(shares["case"] == case) & (shares["method"] == "logit-kd")]
    apart = 100 * (kd["prompts"] - kd["gradient"].astype(float)).abs()
    return [float(v) - 5 for v in apart.groupby(kd["seed"]).mean().dropna()]
