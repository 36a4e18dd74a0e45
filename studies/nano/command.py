"""Train the nano pair and write its weights."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.progress import Progress
from transformers import LlamaForCausalLM

from readsim.cli.common import need_target
from readsim_hf.models.char_tokenizer import char_tokenizer
from readsim_hf.prompts.nano.library import nano_library
from studies.nano.data import Mix
from studies.nano.score import questions, scores
from studies.nano.train import Stage, config, fresh_model, train

OUT = Path(__file__).parents[2] / "adapters" / "readsim_hf" / "models" / "nano"

TEACHER = Stage(
    name="teacher",
    path=0,
    layers=4,
    width=128,
    steps=9500,
    rows=10,
    rate=2e-3,
    mix=Mix(
        {
            "general": 0.7,
            "steerability": 1.0,
            "reasoning": 1.5,
            "math": 2.5,
            "code": 1.2,
            "tool_use": 0.6,
            "long_context": 1.5,
            "multilingual": 1.0,
        }
    ),
)
# The start of a distillation is a checkpoint from the middle of training: the learning rate was not
# lowered, so what comes next still moves all eight.
STUDENT = Stage(
    name="student",
    path=1,
    layers=2,
    width=64,
    steps=5000,
    rows=8,
    rate=3e-3,
    mix=Mix(
        {
            "general": 0.5,
            "steerability": 0.7,
            "reasoning": 1.5,
            "math": 3.0,
            "code": 0.7,
            "tool_use": 0.35,
            "long_context": 2.0,
            "multilingual": 0.7,
        },
        answers=0.75,
    ),
    last=1.0,
)


def save(model: LlamaForCausalLM, folder: Path) -> None:
    """Write beside, then move into place: an interrupted run leaves the old weights."""
    beside = folder.with_name(folder.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    model.save_pretrained(beside)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def main(
    steps: Annotated[int | None, typer.Option(help="Of the teacher.")] = None,
    student_steps: Annotated[int | None, typer.Option(help="Of the student.")] = None,
    only: Annotated[
        Literal["teacher", "student"] | None, typer.Option(help="One of the two.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of weights and data.")] = 0,
    asked: Annotated[int, typer.Option("--questions", help="Of each capability.")] = 200,
    out: Annotated[Path, typer.Option(help="Folder for the weights.")] = OUT,
) -> None:
    """Train the nano pair and write its weights."""
    torch.set_num_threads(1)
    need_target(out / STUDENT.name / "config.json")
    tokenizer, library = char_tokenizer(), nano_library()
    for stage, count in ((TEACHER, steps), (STUDENT, student_steps)):
        if only not in {None, stage.name}:
            continue
        model = fresh_model(config(tokenizer, stage.layers, stage.width), seed)
        with Progress() as progress:
            train(
                model,
                tokenizer,
                library,
                replace(stage, steps=count or stage.steps),
                seed,
                progress,
            )
        save(model, out / stage.name)
        items = questions(library, asked, seed)
        for name, row in scores(model, tokenizer, library, items).items():
            print(
                f"{stage.name:8} {name:14}", *(f"{form} {rate:.3f}" for form, rate in row.items())
            )
