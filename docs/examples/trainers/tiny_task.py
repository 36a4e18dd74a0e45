"""What the examples train: two sources of prompts with completions, which are also what is measured."""

import random
from tempfile import mkdtemp
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer

from readsim_hf.models.char_tokenizer import char_tokenizer
from readsim_hf.models.tiny import tiny_model
from readsim_hf.trainers.rows import completion_rows

rng = random.Random(0)
NUMBERS = [(rng.randrange(100), rng.randrange(100)) for _ in range(400)]
WORDS = ["".join(rng.choices("abcdefgh", k=5)) for _ in range(400)]
DATA = {  # (prompt, completion) pairs by source
    "sums": [(f"{a}+{b}=", str(a + b)) for a, b in NUMBERS],
    "order": [(f"sort {word}: ", "".join(sorted(word))) for word in WORDS],
}
SPLITS = {"probe": slice(0, 20), "dev": slice(20, 40), "test": slice(40, 80)}


def models(student: str, teacher: str) -> tuple[Any, Any, Any]:
    """Tokenizer, student, teacher: of these names or folders, or tiny random ones where none is given."""
    if student and teacher:
        pair = [AutoModelForCausalLM.from_pretrained(name) for name in (student, teacher)]
        return AutoTokenizer.from_pretrained(student), *pair
    tokenizer = char_tokenizer()
    sizes = ((1, 16), (2, 32))  # layers, width
    pair = [tiny_model("llama", len(tokenizer), *size, seed=0, eos_token_id=1) for size in sizes]
    return tokenizer, *pair


def arguments(rate: float) -> dict[str, Any]:
    """What transformers' TrainingArguments are told in each example: eight rows a batch, no reports."""
    return {
        "output_dir": mkdtemp(),
        "per_device_train_batch_size": 8,
        "learning_rate": rate,
        "lr_scheduler_type": "constant",
        "report_to": "none",
        "logging_strategy": "no",
        "save_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def data(tokenizer: Any) -> dict[str, Any]:
    """`sources` and `capabilities` of a TrainerBackend: no row is in two of them."""
    rows = {name: completion_rows(tokenizer, pairs) for name, pairs in DATA.items()}
    return {
        "sources": {name: found[80:] for name, found in rows.items()},
        "capabilities": {n: {s: r[at] for s, at in SPLITS.items()} for n, r in rows.items()},
    }
