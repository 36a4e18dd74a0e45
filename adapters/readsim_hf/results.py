"""What a finished run leaves: a table on the terminal, curves, the student's weights."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from readsim.amounts import show_tokens
from readsim.checkpoint import write_atomic
from readsim.plots.profile import draw_profile
from readsim.plots.style import save, sober
from readsim.runlog import read_runlog
from readsim_hf.backend import HFBackend
from readsim_hf.models.loading import no_progress_bars
from readsim_hf.probes.refusals import refusal_rates
from readsim_hf.training.logits import bare
from readsim_hf.training.saved import writing


def save_results(out: Path, name: str, backend: HFBackend, agreement: Mapping[str, Any]) -> None:
    """Curves (.png, .pdf), the trained student with its tokenizer, and (.json) seconds,
    agreement, what teacher and prompt streams counted in this process.

    The .json comes last: where it is, the others are whole. Raises RunLogError for a full disk.
    """
    header, rows = read_runlog(out / "runs" / f"{name}.jsonl")
    with sober(), writing(out / "runs" / f"{name}.png"):
        save(draw_profile(rows, header["config"]), out / "runs" / f"{name}.png")
    model: Any = backend.student.model
    folder = out / "runs" / f"{name}.student"
    refusals = refusals_of(backend)
    with no_progress_bars(), writing(folder):
        # with LoRA its adapters alone
        (model if hasattr(model, "peft_config") else bare(model)).save_pretrained(folder)
        backend.parts.pair.tokenizer.save_pretrained(folder)
    facts = {
        "seconds": backend.seconds,
        "agreement": dict(agreement),
        "teacher": asdict(backend.parts.teacher.counts),
        "prompts": backend.prompt_counts,
        **({"refusals": refusals} if refusals else {}),
    }
    write_atomic(out / "runs" / f"{name}.json", json.dumps(facts, indent=1).encode())


def refusals_of(backend: HFBackend) -> dict[str, dict[str, float]]:
    """What XSTest showed at the end (`refusal_rates`) of the student `before` and `after`; {} without.

    Measured again where the run was finished by a process that is gone: the same numbers.
    """
    if not backend.hidden:
        return {}
    if not backend.ends:
        backend.final_eval()
    each = {when: refusal_rates(measured.scores) for when, measured in backend.ends.items()}
    return each if all(each.values()) else {}


def show_results(
    console: Console,
    rows: Sequence[Mapping[str, Any]],
    config: Mapping[str, Any],
    refusals: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Each capability on the test split, before and after; refusals; utility; tokens by kind."""
    final = rows[-1]
    spent = dict.fromkeys(config["sources"], 0.0)
    for row in rows:
        if row["kind"] == "step":
            for name, share in zip(config["sources"], row["allocation"], strict=True):
                spent[name] += share * row["tokens"]
    table = Table("capability", "start", "end", "change", "tokens", title="test split, points")
    each = (config["capabilities"], final["final_profile"], final["final_change"])
    for name, score, change, sd in zip(*each, final["final_change_sd"], strict=True):
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
    totals = ", ".join(f"{k} {show_tokens(v)}" for k, v in final["totals"].items() if v)
    console.print(f"utility {100 * final['utility']:.2f} points; tokens: {totals}")
