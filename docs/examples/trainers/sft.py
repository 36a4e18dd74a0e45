"""TRL's SFTTrainer as a backend: it trains, an allocator decides on what.

    readsim run --backend sft:make --allocator doremi --task sums=0.6,order=0.4 --budget 20k --out runs
    readsim run --backend sft:make+student=MODEL+teacher=MODEL ...     (folders, or names on a hub)

The teacher is only what `doremi` and its kin compare losses with.
"""

from tiny_task import arguments, data, models
from trl import SFTConfig, SFTTrainer

from readsim_hf.trainers.backend import TrainerBackend


def make(student: str = "", teacher: str = "", rate: float = 3e-3) -> TrainerBackend:
    tokenizer, start, reference = models(student, teacher)
    args = SFTConfig(
        **arguments(rate),
        dataset_kwargs={"skip_prepare_dataset": True},  # the rows are token ids already
        bf16=False,
    )

    def trainer(**given: object) -> SFTTrainer:
        return SFTTrainer(args=args, processing_class=tokenizer, **given)

    return TrainerBackend(trainer, start, teacher=reference, **data(tokenizer))
