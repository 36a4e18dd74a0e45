"""A plain transformers Trainer as a backend: it trains, an allocator decides on what.

readsim run --backend plain:make --allocator exp3 --task sums=0.6,order=0.4 --budget 20k --out runs
"""

from tiny_task import arguments, data, models
from transformers import Trainer, TrainingArguments

from readsim_hf.trainers.backend import TrainerBackend


def make(student: str = "", teacher: str = "", rate: float = 3e-3) -> TrainerBackend:
    tokenizer, start, reference = models(student, teacher)
    args = TrainingArguments(**arguments(rate))

    def trainer(**given: object) -> Trainer:
        return Trainer(args=args, **given)

    return TrainerBackend(trainer, start, teacher=reference, **data(tokenizer))
