"""TRL's SFTTrainer as a backend: it trains, an allocator decides on what.

    readsim run --backend sft:make --allocator doremi --task sums=0.6,order=0.4 --budget 20k --out runs
    readsim run --backend sft:make+student=MODEL+teacher=MODEL ...     (folders, or names on a hub)

The teacher is only what `doremi` and its kin compare losses with.
"""

from tempfile import mkdtemp

from tiny_task import data, models
from trl import SFTConfig, SFTTrainer

from readsim_hf.trainers.backend import TrainerBackend


def make(student: str = "", teacher: str = "", rate: float = 3e-3) -> TrainerBackend:
    tokenizer, start, reference = models(student, teacher)
    args = SFTConfig(
        output_dir=mkdtemp(),
        per_device_train_batch_size=8,
        learning_rate=rate,
        lr_scheduler_type="constant",
        dataset_kwargs={"skip_prepare_dataset": True},  # the rows are token ids already
        report_to="none",
        logging_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
        bf16=False,
        dataloader_pin_memory=False,
    )

    def trainer(**given: object) -> SFTTrainer:
        return SFTTrainer(args=args, processing_class=tokenizer, **given)

    return TrainerBackend(trainer, start, teacher=reference, **data(tokenizer))
