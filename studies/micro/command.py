"""Train the micro pair and write its weights."""

from pathlib import Path
from typing import Any, cast

import torch
from transformers import GPTNeoXConfig, PreTrainedTokenizerFast

from readsim_hf.prompts.nano.library import nano_library
from studies.micro.tokenizer import byte_pairs
from studies.nano.command import STUDENT as NANO_STUDENT
from studies.nano.command import TEACHER as NANO_TEACHER
from studies.nano.command import Asked, Folder, Only, Seed, Steps, StudentSteps
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
    steps: Steps = None,
    student_steps: StudentSteps = None,
    only: Only = None,
    seed: Seed = 0,
    asked: Asked = 200,
    out: Folder = OUT,
) -> None:
    """Train the micro pair and write its weights."""
    counts = {TEACHER: steps, STUDENT: student_steps}
    chosen = {stage: n for stage, n in counts.items() if only in {None, stage.name}}
    tokenizer = byte_pairs(nano_library(), seed)
    make_pair(chosen, config, tokenizer, seed, asked, out, with_tokenizer=True)
