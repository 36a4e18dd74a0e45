"""The public fine-tuning runs of ADMIRE-BayesOpt (CC BY-NC-SA 4.0): read where they are, never copied."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.files import read_sheet
from readsim.streams import generator

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "admire"
FILE = "sft_qwen2.5_0.5b.csv"
CAPABILITIES = {  # means of benchmarks, by the start of their columns
    "math": ("minerva_math", "gsm8k"),
    "code": ("codex_humaneval:", "codex_humanevalplus"),
    "reasoning": ("bbh", "drop"),
    "knowledge": ("mmlu", "popqa", "triviaqa"),
    "if": ("ifeval",),
    "truth": ("truthfulqa",),
}


def load(path: Path) -> tuple[tuple[str, ...], Array, Array]:
    """Sources (S,), shares (n, S) that sum to 1, scores (n, K). Raises ConfigError for a missing file."""
    if not path.is_file():
        raise ConfigError(f"{path}: not there; it is in xo28/ADMIRE-BayesOpt on GitHub")
    sheet = read_sheet(path)
    sources = [c for c in sheet.header if c.startswith("ratio_")]
    shares = sheet.numbers(sources)
    scores = [
        sheet.numbers(
            [
                c
                for c in sheet.header
                if c.removeprefix("metric_").startswith(parts) and c != c.removeprefix("metric_")
            ]
        ).mean(axis=1)
        for parts in CAPABILITIES.values()
    ]
    return (
        tuple(c.removeprefix("ratio_") for c in sources),
        shares / shares.sum(axis=1, keepdims=True),
        np.stack(scores, axis=1),
    )


def folds_of(n: int, folds: int, seed: int) -> NDArray[np.int64]:
    """A fold (n,) for each run."""
    out: NDArray[np.int64] = generator(seed, "data", 5_000_000).permutation(n) % folds
    return out
