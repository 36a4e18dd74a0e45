"""Train the micro pair and write its weights."""

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
import typer
from transformers import GPTNeoXConfig, PreTrainedTokenizerFast

from readsim_hf.prompts.nano.library import nano_library
from studies.micro.tokenizer import byte_pairs
from studies.nano.command import STUDENT as NANO_STUDENT
from studies.nano.command import TEACHER as NANO_TEACHER
from studies.nano.make import make_pair
from studies.nano.train import Stage

OUT = Path(__file__).parents[2] / "adapters" / "readsim_hf" / "models" / "micro"

TEACHER = Stage(
    name="teacher",
    path=0,
    layers=4,
    width=224,
    steps=9000,
    rows=6,
    rate=1.5e-3,
    mix=NANO_TEACHER.mix,
    dtype=torch.float16,
)
# As in nano the rate is not lowered: what comes next still moves all eight.
STUDENT = Stage(
    name="student",
    path=1,
    layers=2,
    width=112,
    steps=5000,
    rows=5,
    rate=3e-3,
    mix=NANO_STUDENT.mix,
    last=1.0,
)


def config(tokenizer: PreTrainedTokenizerFast, layers: int, width: int) -> GPTNeoXConfig:
    """Four heads, inner width four times the outer, attention and inner layer side by side."""
    made: GPTNeoXConfig = cast(Any, GPTNeoXConfig)(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        rotary_pct=0.5,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return made


def main(
    steps: Annotated[
        int | None, typer.Option(help="The teacher trains for this many steps.")
    ] = None,
    student_steps: Annotated[
        int | None, typer.Option(help="The student trains for this many steps.")
    ] = None,
    only: Annotated[
        Literal["teacher", "student"] | None,
        typer.Option(help="Only this one of the two is trained."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Tokens, weights and data are drawn from this seed.")
    ] = 0,
    asked: Annotated[
        int, typer.Option("--questions", help="Each capability is asked this many questions.")
    ] = 200,
    out: Annotated[Path, typer.Option(help="The weights go into this folder.")] = OUT,
) -> None:
    """Train the micro pair and write its weights."""
    counts = {TEACHER: steps, STUDENT: student_steps}
    chosen = {stage: n for stage, n in counts.items() if only in {None, stage.name}}
    tokenizer = byte_pairs(nano_library(), seed)
    make_pair(chosen, config, tokenizer, seed, asked, out, with_tokenizer=True)
