"""What the tests of the real-run adapter share: tiny models, records, a run in miniature."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from readsim_hf.models.pairs import Pair
    from readsim_hf.teachers.record import Soft, TeacherRecord

_PARTS: list[Any] = []
NEEDS = ("torch", "transformers", "lm_eval", "safetensors", "pydantic")


def tiny(
    vocabulary: int = 40, seed: int = 0, width: int = 16, layers: int = 2
) -> "PreTrainedModel":
    """A random Llama."""
    from readsim_hf.models.tiny import tiny_model

    return tiny_model("llama", vocabulary, layers, width, seed, context=128, eos_token_id=1)


def char_pair(width: int = 16, teacher_seed: int = 1, student_seed: int = 2) -> "Pair":
    """Two random models that read characters."""
    from readsim_hf.models.char_tokenizer import char_tokenizer
    from readsim_hf.models.pairs import Pair

    tokenizer = char_tokenizer()
    teacher = tiny(len(tokenizer), teacher_seed, width)
    teacher.requires_grad_(False)
    student = tiny(len(tokenizer), student_seed, width)
    return Pair(
        name="tiny",
        teacher=teacher,
        student=student,
        teacher_tokenizer=tokenizer,
        tokenizer=tokenizer,
        library_name="nano",
        context=128,
        vocabulary=len(tokenizer),
    )


def served_pair(address: str) -> "Pair":
    """The student of `char_pair`, whose teacher is the model of a server."""
    from readsim_hf.teachers.connection import Server, ServerSettings

    server = Server(address, None, ServerSettings())
    return replace(char_pair(), teacher=None, server=server, known=False, vocabulary=None)


def record(
    prompt: list[int], completion: list[int], span: tuple[int, int] | None = None, soft: Any = None
) -> "TeacherRecord":
    """A record made by hand; the whole completion is supervised unless a span is given."""
    from readsim_hf.teachers.record import TeacherRecord

    ids = [np.array(part, dtype=np.int32) for part in (prompt, completion)]
    return TeacherRecord("math", ids[0], ids[1], span or (0, len(completion)), soft)


def full_soft(length: int, vocabulary: int, seed: int = 0) -> "Soft":
    """Random distributions over the whole vocabulary."""
    from readsim_hf.teachers.record import Soft

    logits = np.random.default_rng(seed).normal(size=(length, vocabulary))
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return Soft("full", np.zeros((length, 0), dtype=np.int32), logp.astype(np.float32))


def tiny_run(**settings: Any) -> Any:
    """A backend on the tiny pair: a few items, a few tokens; `settings` go over the preset's."""
    from readsim_hf.backend import HFBackend
    from readsim_hf.components import build_components
    from readsim_hf.config import RunConfig, preset_table

    small = {
        "budget": 300,
        "steps": 3,
        "probes": {"probe": 4, "dev": 3, "test": 5, "max_new_tokens": 4},
        "decoding": {"max_new_tokens": 8},
        "training": {"batch": 8, "learning_rate": 0.02},
        "data": {"group": 4, "keep_cut": True},  # random teachers seldom end a reply
        "pool_runs": 2,
    }
    pair = settings.pop("pair", None)
    config = RunConfig.of(preset_table("nano"), small, settings)
    if settings or pair is not None:
        return HFBackend(build_components(config, pair or char_pair()), config.budget)
    if not _PARTS:  # they take longer to make than a run, and no run changes them
        _PARTS.append(build_components(config, char_pair()))
    return HFBackend(_PARTS[0], config.budget)
