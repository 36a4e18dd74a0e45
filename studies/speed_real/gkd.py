"""readsim's step with a live teacher against TRL's `GKDTrainer` with `lmbda=0, beta=0`: forward KL.

Both read the same texts, score them with the same teacher and train the same student with clipping and
fused AdamW. TRL gets its batches as ready tensors, so its templating and tokenizing are left out. In
ours are the scoring, the records, their stacking and the step: what a run without a cache does.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from torch import nn
from transformers import PrinterCallback, TrainerCallback

from readsim_hf.models.char_tokenizer import char_tokenizer
from readsim_hf.probes.lm import quiet
from readsim_hf.teachers.record import SoftKind
from readsim_hf.teachers.scoring import Passage, SoftSettings, score
from studies.speed_real.bare_loop import RATE, our_student
from studies.speed_real.sizes import LARGE, NANO, Size, examples, record, texts
from studies.speed_real.timing import Row


class Call(NamedTuple):
    """Seconds of one training call, of each of its steps, and the student at its end."""

    whole: float
    steps: list[float]
    student: nn.Module


class _Clock(TrainerCallback):
    """Seconds of each step; the fetching of its batch is between steps and not in them."""

    def __init__(self) -> None:
        self.steps: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._start = perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.steps.append(perf_counter() - self._start)


def trl_call(size: Size, teacher: Any, windows: Sequence[np.ndarray]) -> Call:
    """One `train()` over the windows. The trainer is made before the clock starts."""
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    from datasets import Dataset
    from trl.experimental.gkd import GKDConfig, GKDTrainer

    rows = np.concatenate(windows).astype(np.int64)
    clock = _Clock()
    with TemporaryDirectory() as folder, catch_warnings(), quiet():
        simplefilter("ignore", FutureWarning)  # of TRL's own settings
        config: dict[str, Any] = {
            "output_dir": folder,
            "lmbda": 0.0,
            "beta": 0.0,
            "per_device_train_batch_size": size.batch,
            "max_steps": len(windows),
            "learning_rate": RATE,
            "lr_scheduler_type": "constant",
            "weight_decay": 0.0,
            "max_grad_norm": 1.0,
            "optim": "adamw_torch_fused",
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
            "train_sampling_strategy": "sequential",
            "report_to": "none",
            "logging_strategy": "no",
            "save_strategy": "no",
            "disable_tqdm": True,
        }
        trainer = GKDTrainer(
            model=size.student(),
            teacher_model=teacher,
            args=GKDConfig(**config),
            data_collator=partial(_stacked, half=size.half),
            train_dataset=Dataset.from_dict({"row": list(range(len(rows)))}).with_transform(
                lambda asked: {"ids": [rows[n] for n in asked["row"]]}
            ),
            processing_class=char_tokenizer(),
            callbacks=[clock],
        )
        trainer.remove_callback(PrinterCallback)
        start = perf_counter()
        trainer.train()
        whole = perf_counter() - start
        assert isinstance(trainer.model, nn.Module)
        return Call(whole, clock.steps, trainer.model)


def _stacked(rows: Sequence[dict[str, Any]], half: int) -> dict[str, torch.Tensor]:
    """TRL's batch: nothing is padded, prompts are not scored."""
    ids = torch.from_numpy(np.stack([row["ids"] for row in rows]))
    labels = ids.clone()
    labels[:, :half] = -100
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def our_call(size: Size, teacher: Any, windows: Sequence[np.ndarray], kind: SoftKind) -> Call:
    """Teacher scoring and a step, window after window, of a student made before the clock starts."""
    student = our_student(size)
    soft = SoftSettings(kind, size.k)
    steps = []
    for window in windows:
        start = perf_counter()
        passages = [Passage(ids[: size.half], ids[size.half :], (0, size.half)) for ids in window]
        softs = score(teacher, passages, soft, vocab=size.vocabulary, batch_size=size.batch)
        made = [record(size, ids, one) for ids, one in zip(window, softs, strict=True)]
        student.train_window(examples(made), 0.5)
        steps.append(perf_counter() - start)
    return Call(sum(steps), steps, student.model)


def measure(size: Size, steps: int, rounds: int) -> dict[str, list[Call]]:
    """Calls of TRL, of ours with full and with top-k distributions, in turn; a first round is left out."""
    teacher = size.teacher()
    windows = [texts(size, seed) for seed in range(steps)]
    ways: dict[str, Callable[[], Call]] = {
        "trl": lambda: trl_call(size, teacher, windows),
        "full": lambda: our_call(size, teacher, windows, "full"),
        "topk": lambda: our_call(size, teacher, windows, "topk"),
    }
    calls: dict[str, list[Call]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name in sorted(ways, reverse=bool(number % 2)):
            call = ways[name]()
            if number:
                calls[name].append(call._replace(student=nn.Identity()))
    return calls


def rows() -> list[Row]:
    """Per step (median) and per call, full and top-k, both sizes."""
    out = []
    for size, steps, rounds in ((NANO, 20, 7), (LARGE, 3, 5)):
        calls = measure(size, steps, rounds)
        tokens = size.batch * size.length * steps
        for kind in ("full", "topk"):
            targets = "full" if kind == "full" else f"top-{size.k}"
            both = list(zip(calls[kind], calls["trl"], strict=True))
            step = median(median(b.steps) / median(a.steps) for a, b in both)
            whole = median(b.whole / a.whole for a, b in both)
            rate, theirs = (tokens / median(c.whole for c in calls[k]) for k in (kind, "trl"))
            out.append(
                Row(
                    f"live teacher and step, {size.name}, {targets}, beside TRL's GKDTrainer",
                    f"{rate:.0f} for {theirs:.0f} tokens/s",
                    f"{step:.2f} of its speed a step, {whole:.2f} a call of {steps}",
                    ">= 1",
                )
            )
    return out
