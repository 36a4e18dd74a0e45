"""Train the nano pair and write its weights: `python -m studies.nano [--steps N] [--out FOLDER]`."""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch
from rich.progress import Progress
from transformers import LlamaForCausalLM

from readsim_hf.models.char_tokenizer import char_tokenizer
from readsim_hf.prompts.nano.library import nano_library
from studies.nano.data import Mix
from studies.nano.model import config, fresh_model
from studies.nano.score import questions, scores
from studies.nano.train import Stage, train

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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m studies.nano", description=__doc__)
    parser.add_argument("--steps", type=int, help="of the teacher")
    parser.add_argument("--student-steps", type=int)
    parser.add_argument("--only", choices=("teacher", "student"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer, library = char_tokenizer(), nano_library()
    for stage, steps in ((TEACHER, given.steps), (STUDENT, given.student_steps)):
        if given.only not in {None, stage.name}:
            continue
        model = fresh_model(config(tokenizer, stage.layers, stage.width), given.seed)
        with Progress() as progress:
            train(
                model,
                tokenizer,
                library,
                replace(stage, steps=steps or stage.steps),
                given.seed,
                progress,
            )
        save(model, given.out / stage.name)
        asked = questions(library, given.questions, given.seed)
        for name, row in scores(model, tokenizer, library, asked).items():
            print(
                f"{stage.name:8} {name:14}", *(f"{form} {rate:.3f}" for form, rate in row.items())
            )


if __name__ == "__main__":
    main()
