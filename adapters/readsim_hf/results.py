"""What a finished run leaves: a table on the terminal, curves, the student's weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from readsim.envs.env import DistillEnv
from readsim.plots.profile import draw_profile
from readsim.plots.style import save, sober
from readsim.runs.identity import digest_of
from readsim.runs.read_logs import Log, read_log
from readsim.token_counts import show_tokens
from readsim.tree_file import write_atomic
from readsim_hf.backend import HFBackend
from readsim_hf.models.loading import no_progress_bars
from readsim_hf.probes.refusals import refusal_rates
from readsim_hf.requirement.identified import Identified
from readsim_hf.teachers.base import TeacherCounts
from readsim_hf.teachers.judging import Rejections
from readsim_hf.training.logits import bare
from readsim_hf.training.saved import writing


def save_results(out: Path, name: str, backend: HFBackend, agreement: Mapping[str, Any]) -> None:
    """Curves (.png, .pdf, .svg), the trained student with its tokenizer, and (.json) seconds,
    agreement, what teacher and prompt streams counted in this process, rejected replies by reason.

    The .json comes last: where it is, the others are whole. Raises RunLogError for a full disk.
    """
    log = read_log(out / "runs" / f"{name}.jsonl")
    with sober(), writing(out / "runs" / f"{name}.png"):
        save(draw_profile(log), out / "runs" / f"{name}.png")
    model: Any = backend.student.model
    folder = out / "runs" / f"{name}.student"
    with no_progress_bars(), writing(folder):
        # with LoRA its adapters alone
        (model if hasattr(model, "peft_config") else bare(model)).save_pretrained(folder)
        backend.components.pair.tokenizer.save_pretrained(folder)
    suite = backend.components.suite
    if backend.tested is None:  # the process that measured it ended before it could write
        suite.open_test()
        before = backend.measure("test", backend.components.pair.fresh_student())
        backend.tested = before, backend.measure("test")
    refusals = refusals_of(backend)
    facts = {
        "test": {
            "benchmarks": {b.name: [b.capability, b.family] for b in suite.benchmarks},
            "ids": {n: digest_of(list(ids)) for n, ids in backend.tested[1].ids.items()},
            "before": {n: scores.tolist() for n, scores in backend.tested[0].scores.items()},
            "after": {n: scores.tolist() for n, scores in backend.tested[1].scores.items()},
        },
        "seconds": backend.seconds,
        "agreement": dict(agreement),
        "teacher": asdict(backend.components.teacher.counts),
        "rejected": backend.components.teacher.rejections.table(),
        "prompts": backend.prompt_counts,
        **({"refusals": refusals} if refusals else {}),
    }
    write_atomic(out / "runs" / f"{name}.json", json.dumps(facts, indent=1).encode())


def teacher_words(counts: TeacherCounts, rejections: Rejections) -> str:
    """What the teacher's replies were worth, on one line."""
    why = ", ".join(f"{reason} {n}" for reason, n in rejections.by_reason().items())
    words = f"teacher's replies: {counts.rejected} rejected" + (f" ({why})" if why else "")
    if counts.judged:
        share = 100 * counts.wrong / counts.judged
        words += (
            f"; {counts.wrong} of {counts.judged} held to a gold answer are wrong ({share:.1f} %)"
        )
    return words


def refusals_of(backend: HFBackend) -> dict[str, dict[str, float]]:
    """What XSTest showed at the end (`refusal_rates`) of the student `before` and `after`; {} without."""
    if backend.tested is None:
        return {}
    before, after = (refusal_rates(measured.scores) for measured in backend.tested)
    return {"before": before, "after": after} if before and after else {}


def show_identified(console: Console, env: DistillEnv, found: Identified) -> None:
    """What the task is found to require, how sure that is, and a warning where it is not known."""
    names = env.episode.visible
    shown = "  ".join(f"{n} {r:.2f}" for n, r in zip(names, found.requirement, strict=True))
    console.print(f"requirement: {shown}", markup=False, highlight=False)
    console.print(
        f"identifier: R2 of utility changes {found.fit['r2']:.2f} (permuted {found.fit['null']:.2f}), "
        f"on held-out cards {found.held_out['r2']:.2f}, where it is {found.held_out_tv:.2f} off in total "
        f"variation; members agree to a cosine of {found.cosine:.3f}, top 3 to {found.top3:.2f}",
        highlight=False,
    )
    if found.source == "uniform":
        console.print(
            f"[bold]the card is like none that the identifier was trained on[/] (cosine of words "
            f"{found.likeness:.2f}, training cards have {found.least:.2f}): the requirement is uniform",
            highlight=False,
        )


def show_results(
    console: Console,
    log: Log,
    refusals: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Each capability on the test split, before and after; refusals; utility; tokens by kind."""
    final, header = log.finals[-1], log.header
    spent = dict.fromkeys(header.sources, 0.0)
    for row in log.steps:
        for name, share in zip(header.sources, row.allocation, strict=True):
            spent[name] += share * row.tokens
    table = Table("capability", "start", "end", "change", "tokens", title="test split, points")
    each = (header.capabilities, final.final_profile, final.final_change)
    for name, score, change, sd in zip(*each, final.final_change_sd, strict=True):
        tokens = show_tokens(round(spent[name])) if name in spent else "-"
        table.add_row(
            name,
            f"{100 * (score - change):.1f}",
            f"{100 * score:.1f}",
            f"{100 * change:+.1f}" + (f" ± {196 * sd:.1f}" if sd else ""),  # 0: no item changed
            tokens,
        )
    for column in table.columns[1:]:
        column.justify = "right"
    console.print(table)
    if refusals:
        before, after = refusals["before"], refusals["after"]
        console.print(
            f"refused of safe prompts {100 * before['safe_refusal']:.1f} -> "
            f"{100 * after['safe_refusal']:.1f} % (lower is better), of unsafe ones "
            f"{100 * before['unsafe_refusal']:.1f} -> {100 * after['unsafe_refusal']:.1f} % (higher is "
            f"better); ((1 - safe) + unsafe) / 2: {100 * after['utility']:.1f}"
        )
    totals = ", ".join(f"{k} {show_tokens(v)}" for k, v in final.totals.items() if v)
    console.print(f"utility {100 * final.utility:.2f} points; tokens: {totals}")
