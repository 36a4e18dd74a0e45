"""Train the two models of a pair, one after the other, and write each when it is done."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from readsim.cli.common import need_target
from readsim_hf.prompts.nano.library import nano_library
from studies.nano.score import questions, scores
from studies.nano.train import Stage, fresh_model, train


def save(
    model: PreTrainedModel, folder: Path, tokenizer: PreTrainedTokenizerFast | None = None
) -> None:
    """Write beside, then move into place: an interrupted run leaves the old weights."""
    beside = folder.with_name(folder.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    model.save_pretrained(beside)
    if tokenizer is not None:
        tokenizer.save_pretrained(beside)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def make_pair(
    stages: Mapping[Stage, int | None],
    shape: Callable[[PreTrainedTokenizerFast, int, int], PreTrainedConfig],
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    asked: int,
    out: Path,
    *,
    with_tokenizer: bool = False,
) -> None:
    """Train, write and score each stage with its number of steps (None: the stage's own).

    shape    the configuration for (tokenizer, layers, width)
    asked    questions of each capability that are printed as scores
    """
    torch.set_num_threads(1)
    need_target(out / "student" / "config.json")
    library = nano_library()
    for stage, steps in stages.items():
        model = fresh_model(shape(tokenizer, stage.layers, stage.width), seed)
        wanted = replace(stage, steps=steps or stage.steps)
        with Progress() as progress:
            train(model, tokenizer, library, wanted, seed, progress)
        as_written: Any = model
        as_written.to(stage.dtype)
        save(model, out / stage.name, tokenizer if with_tokenizer else None)
        as_written.float()
        items = questions(library, asked, seed)
        for name, row in scores(model, tokenizer, library, items).items():
            print(
                f"{stage.name:8} {name:14}", *(f"{form} {rate:.3f}" for form, rate in row.items())
            )
