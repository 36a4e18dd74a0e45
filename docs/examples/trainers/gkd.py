"""TRL's GKDTrainer as a backend: on-policy distillation, an allocator decides on what.

    readsim run --backend gkd:make --allocator read+pool=20 --task sums=0.6,order=0.4 --budget 20k --out runs
    readsim run --backend gkd:make+student=MODEL+teacher=MODEL+lmbda=0.5 ...

With `lmbda` above 0 that part of the batches are the student's own replies, which need not be as long as the
rows whose tokens are counted; their prompts are those of the rows.
"""

from typing import Any

import torch
from tiny_task import arguments, data, models
from trl.experimental.gkd import GKDConfig, GKDTrainer

from readsim_hf.trainers.backend import TrainerBackend
from readsim_hf.trainers.rows import prompts_of


def make(
    student: str = "", teacher: str = "", rate: float = 3e-3, lmbda: float = 0.5
) -> TrainerBackend:
    tokenizer, start, reference = models(student, teacher)
    args = GKDConfig(
        **arguments(rate),
        lmbda=lmbda,
        beta=0.0,  # forward KL
        max_new_tokens=8,
        dataset_kwargs={"skip_prepare_dataset": True},  # the rows are token ids already
        bf16=False,
    )

    def trainer(data_collator: Any, **given: Any) -> GKDTrainer:
        def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
            return data_collator(rows) | prompts_of(rows, tokenizer.pad_token_id)

        return GKDTrainer(
            teacher_model=reference,
            args=args,
            data_collator=collate,
            processing_class=tokenizer,
            **given,
        )

    return TrainerBackend(trainer, start, teacher=reference, **data(tokenizer))
