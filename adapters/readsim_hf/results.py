"""What a finished run leaves: a table on the terminal, curves, the student's weights."""

import copy
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.files.json_text import digest_of
from readsim.plots.profile import draw_profile
from readsim.plots.style import save, sober
from readsim.plots.trained_shares import draw_trained_shares
from readsim.runs.read_logs import Log, read_log
from readsim.token_counts import show_tokens
from readsim.tree_file import save_facts, write_atomic, write_frame
from readsim_hf.backend import HFBackend
from readsim_hf.config import RunConfig, run_name
from readsim_hf.model_card.card import model_card
from readsim_hf.model_card.measured import score_rows
from readsim_hf.models.loading import no_progress_bars
from readsim_hf.models.pairs import Pair
from readsim_hf.probes.refusals import refusal_rates
from readsim_hf.requirement.identified import Identified
from readsim_hf.teachers.base import PAID, TeacherCounts
from readsim_hf.teachers.ids import prompt_facts
from readsim_hf.teachers.judging import Reason
from readsim_hf.training.divergence import in_words
from readsim_hf.training.saved import writing
from readsim_hf.training.student import Student

BEST = (
    "This student was the best one on the dev split of its run, after {spent} training tokens. How it was "
    "made, on what, and how to load it is in ../{last}/README.md; the scores there are those of the last "
    "student, the scores of this one are under `best` in the results beside these folders."
)


def save_results(
    out: Path, config: RunConfig, backend: HFBackend, agreement: Mapping[str, Any]
) -> None:
    """Curves, shares of the sources (.png, .pdf, .svg), the trained student with its tokenizer and model
    card; and (.json) agreement, what teacher and prompt streams counted in this run, rejected replies by
    reason, what was trained on (`TrainedSource`); with data sets of the user's, the numbers of their rows in
    the order of training (.rows.csv). A run that was resumed has the same facts as one that was not, but for
    `seconds` and `paid`: what the teacher really computed depends on its cache, and what was done between
    the last checkpoint and an interruption is in neither.

    The .json comes last: where it is, the others are whole. Raises RunLogError for a full disk.
    """
    name = run_name(config)
    log = read_log(out / "runs" / f"{name}.jsonl")
    with sober(), writing(out / "runs" / f"{name}.png"):
        save(draw_profile(log), out / "runs" / f"{name}.png")
        shares = draw_trained_shares(log.header.sources, log.steps, log.header.scene)
        save(shares, out / "runs" / f"{name}.shares.png")
    folder = out / "runs" / f"{name}.student"
    with no_progress_bars(), writing(folder):
        _save_student(folder, backend)
        parts, counts = backend.components, backend.prompt_counts
        prompts = shown_prompts(parts.pair)
        model_card(config, parts, log, counts, agreement, prompts).save(folder / "README.md")
    suite = backend.components.suite
    tested = backend.tested
    if tested is None:  # the process that measured it ended before it could write
        tested = backend.test_both()
        backend.test_best()
    best = {} if backend.best is None else _best(out / "runs" / f"{name}.best", backend)
    refusals, counts_of = refusals_of(backend), asdict(backend.asked.counts)
    facts = {
        "test": {
            "benchmarks": {b.name: [b.capability, b.family] for b in suite.benchmarks},
            "ids": {n: digest_of(list(ids)) for n, ids in tested[1].ids.items()},
            "before": {n: scores.tolist() for n, scores in tested[0].scores.items()},
            "after": {n: scores.tolist() for n, scores in tested[1].scores.items()},
        },
        "seconds": backend.seconds,
        "agreement": dict(agreement),
        "teacher": {key: n for key, n in counts_of.items() if key not in PAID},
        "paid": {key: counts_of[key] for key in PAID},
        "rejected": backend.asked.rejections.table(),
        "prompts": {name: dict(counts) for name, counts in backend.prompt_counts.items()},
        "trained": backend.trained,
        **({"best": best} if best else {}),
        **({"refusals": refusals} if refusals else {}),
        **({"diverged": diverged} if (diverged := backend.divergence.found) else {}),
    }
    if backend.components.datasets:
        each = [(s, np.array(rows)) for s, rows in backend.trained_rows.items()]
        names = np.repeat([s for s, _ in each], [len(rows) for _, rows in each])
        table = {"source": names, "row": np.concatenate([rows for _, rows in each])}
        write_frame(out / "runs" / f"{name}.rows.csv", pd.DataFrame(table))
    save_facts(out / "runs" / f"{name}.json", facts)


def _save_student(folder: Path, backend: HFBackend) -> None:
    """The student as it is now, with its tokenizer."""
    pair = backend.components.pair
    to_save(backend.student, pair).save_pretrained(folder)
    pair.tokenizer.save_pretrained(folder)
    pair.student.generation_config.save_pretrained(folder)  # PEFT leaves it out


def _best(folder: Path, backend: HFBackend) -> dict[str, Any]:
    """What is known of the student that did best on the dev split, which is saved in `folder` where it is
    not the last."""
    best, tested = backend.best, backend.best_tested
    assert best is not None
    found: dict[str, Any] = {"spent": best.spent, "dev_utility": best.score}
    if backend.is_last(best) or tested is None:
        return {**found, "last": True}
    with no_progress_bars(), writing(folder), best.put_in(backend.student):
        _save_student(folder, backend)
    last = folder.with_suffix(".student").name
    write_atomic(folder / "README.md", f"{BEST.format(spent=best.spent, last=last)}\n".encode())
    scores = {n: scores.tolist() for n, scores in tested.scores.items()}
    return {**found, "last": False, "test": scores, "profile": tested.profile.tolist()}


def show_best(console: Console, backend: HFBackend, weights: Array) -> None:
    """Which student was best on the dev split, on one line, where that was asked for.

    `weights` (K,) are the task's, of a linear utility.
    """
    best, tested = backend.best, backend.best_tested
    if best is None:
        return
    said = "the last student is the best one on the dev split"
    if not backend.is_last(best) and tested is not None and backend.tested is not None:
        last = float(weights @ backend.tested[1].profile)
        said = (
            f"the student after {show_tokens(best.spent)} tokens is the best one on the dev split; its test "
            f"utility is {100 * float(weights @ tested.profile):.2f} points, the last one's {100 * last:.2f}"
        )
    console.print(said, highlight=False)


def teacher_words(
    counts: TeacherCounts, by_reason: Mapping[Reason, int] | Mapping[str, int]
) -> str:
    """What the teacher's replies were worth, on one line."""
    why = ", ".join(f"{reason} {n}" for reason, n in by_reason.items())
    many = sum(by_reason.values())
    words = f"teacher's replies: {many} rejected" + (f" ({why})" if why else "")
    if counts.judged:
        share = 100 * counts.wrong / counts.judged
        words += (
            f"; {counts.wrong} of {counts.judged} held to a gold answer are wrong ({share:.1f} %)"
        )
    return words


def source_words(name: str, counts: Mapping[str, float]) -> str:
    """How often a data set was gone through, and what of it was passed by, on one line."""
    passed = [
        f"{counts[key]:.0f} {words}"
        for key, words in (
            ("leaked", "hold held-out items"),
            ("too_long", "are too long"),
            ("wrong", "have a reply without the gold answer"),
        )
        if counts[key]
    ]
    return (
        f"source {name}: {counts['drawn']:.0f} prompts from {counts['rows']:.0f} rows, "
        f"{counts['epochs']:.2f} epochs, {counts['repeated']:.0f} repeated"
        + (f"; left out: {', '.join(passed)}" if passed else "")
    )


def shown_prompts(pair: Pair) -> dict[str, Any]:
    """How a text becomes the student's ids, in words."""
    facts = prompt_facts(pair.student, pair.tokenizer)
    chat = facts["chat_template"] is not None
    return {
        "chat template": "the tokenizer's own, with the settings of this run in it"
        if chat
        else "none: the text stands as it is",
        "end tokens": ", ".join(map(str, pair.tokenizer.convert_ids_to_tokens(facts["ends"]))),
        **pair.prompts.table(),
    }


def to_save(student: Student, pair: Pair) -> Any:
    """What is written of a trained student: with LoRA its adapters alone; else a copy in the precision that
    its source is stored in (float32 weights of a bfloat16 source are rounded), on the CPU."""
    if student.recipe.lora:
        return student.model
    made = copy.deepcopy(pair.student)
    weights = student.weights()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name in weights:
                parameter.copy_(weights[name])
    module: nn.Module = made
    return module.to(pair.stored)


def refusals_of(backend: HFBackend) -> dict[str, dict[str, float]]:
    """What XSTest showed at the end (`refusal_rates`) of the student `before` and `after`; {} without."""
    if backend.tested is None:
        return {}
    before, after = (refusal_rates(measured.scores) for measured in backend.tested)
    return {"before": before, "after": after} if before and after else {}


def is_worse(change: Array, sd: Array) -> bool:
    """Whether the mean change over capabilities is below 0 by more than 1.96 of its standard errors, and no
    capability is better."""
    error = float(np.linalg.norm(sd)) / len(change)
    return bool(change.max() <= 0 and change.mean() < -1.96 * error)


def show_identified(console: Console, env: DistillEnv, found: Identified) -> None:
    """What the task is found to require, how sure that is, and a warning where it is not known."""
    names = env.episode.visible
    shown = "  ".join(f"{n} {r:.2f}" for n, r in zip(names, found.requirement, strict=True))
    console.print(f"requirement: {shown}", highlight=False)
    console.print(
        f"identifier: R2 of utility changes {found.fit['r2']:.2f} (permuted {found.fit['null']:.2f}), "
        f"on held-out cards {found.held_out['r2']:.2f}, with an error of {found.held_out_tv:.2f} in total "
        f"variation; its members agree with cosine {found.cosine:.3f}, on the top 3 with {found.top3:.2f}",
        highlight=False,
    )
    if found.source == "uniform":
        console.print(
            f"the card is like none that the identifier was trained on (cosine of words "
            f"{found.likeness:.2f}, training cards have {found.least:.2f}): the requirement is uniform",
            style="bold",
            highlight=False,
        )


def show_results(
    console: Console,
    log: Log,
    refusals: Mapping[str, Mapping[str, float]] | None = None,
    diverged: Mapping[str, float] | None = None,
) -> None:
    """Each capability on the test split, before and after; refusals; utility; tokens by kind; where
    training diverged, and where the student ended worse than it started."""
    final = log.finals[-1]
    table = Table("capability", "start", "end", "change", "tokens", title="test split, points")
    for row in score_rows(log):
        table.add_row(*row)
    for column in table.columns[1:]:
        column.justify = "right"
    console.print(table)
    if refusals:
        before, after = refusals["before"], refusals["after"]
        console.print(
            f"refusals of safe prompts {100 * before['safe_refusal']:.1f} -> "
            f"{100 * after['safe_refusal']:.1f} % (lower is better), of unsafe ones "
            f"{100 * before['unsafe_refusal']:.1f} -> {100 * after['unsafe_refusal']:.1f} % (higher is "
            f"better); ((1 - safe) + unsafe) / 2: {100 * after['utility']:.1f}"
        )
    if diverged:
        console.print(in_words(diverged), style="bold", highlight=False)
    if is_worse(final.final_change, final.final_change_sd):
        console.print(
            "the student is worse than its start: lower training.learning_rate, or look at the "
            "teacher's replies",
            style="bold",
            highlight=False,
        )
    totals = ", ".join(f"{k} {show_tokens(v)}" for k, v in final.totals.items() if v)
    console.print(f"utility {100 * final.utility:.2f} points; tokens: {totals}")
