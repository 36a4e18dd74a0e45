"""Train the nano pair and write its weights."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from readsim_hf.models.char_tokenizer import char_tokenizer
from studies.nano.data import Mix
from studies.nano.make import make_pair
from studies.nano.train import Stage, config

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


Steps = Annotated[int | None, typer.Option(help="The teacher trains for this many steps.")]
StudentSteps = Annotated[int | None, typer.Option(help="The student trains for this many steps.")]
Only = Annotated[
    Literal["teacher", "student"] | None, typer.Option(help="Only this one of the two is trained.")
]
Seed = Annotated[
    int, typer.Option(help="Weights, data and learned tokens are drawn from this seed.")
]
Asked = Annotated[
    int, typer.Option("--questions", help="Each capability is asked this many questions.")
]
Folder = Annotated[Path, typer.Option(help="The weights go into this folder.")]


def main(
    steps: Steps = None,
    student_steps: StudentSteps = None,
    only: Only = None,
    seed: Seed = 0,
    asked: Asked = 200,
    out: Folder = OUT,
) -> None:
    """Train the nano pair and write its weights."""
    counts = {TEACHER: steps, STUDENT: student_steps}
    chosen = {stage: n for stage, n in counts.items() if only in {None, stage.name}}
    make_pair(chosen, config, char_tokenizer(), seed, asked, out)
