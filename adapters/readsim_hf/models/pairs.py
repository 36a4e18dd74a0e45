"""A teacher and a student that train together, from a name or from two sources."""

import copy
from dataclasses import dataclass, field
from typing import Literal

from transformers import PreTrainedConfig, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError, unknown
from readsim_hf.models import catalogue
from readsim_hf.models.loading import load_model, load_tokenizer, moved, resolve_device
from readsim_hf.models.tokens import check_same_tokenizer, same_tokenizer, shared_vocabulary

NAMES = ("nano", *catalogue.ALIASES, *catalogue.CATALOGUE)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two models and how they read text.

    teacher             in evaluation mode, without gradients
    student             the student to train; `fresh_student` gives another one
    tokenizer           the student's
    library_name        of the prompts that suit the pair
    context             T, the longest sequence that both read
    vocabulary          V, the columns that both logits share (cut to [..., :V]); None where the
                        tokenizers differ, so that only text can pass from teacher to student
    """

    name: str
    teacher: PreTrainedModel
    student: PreTrainedModel
    teacher_tokenizer: Tokenizer
    tokenizer: Tokenizer
    library_name: Literal["nano", "text"]
    context: int
    vocabulary: int | None
    _start: PreTrainedModel = field(repr=False)  # the student as it was loaded, on the CPU

    def fresh_student(self) -> PreTrainedModel:
        """The starting student again: equal to the last bit, whatever was done to `student` (R65)."""
        return moved(copy.deepcopy(self._start), self.teacher.device)

    def shared_vocabulary(self) -> int:
        """V, for objectives that need the teacher's distributions; ConfigError where it is None."""
        if self.vocabulary is None:
            check_same_tokenizer(self.teacher_tokenizer, self.tokenizer)
            raise ConfigError(f"the pair {self.name!r} was loaded without a shared vocabulary")
        return self.vocabulary


def load_pair(
    name: str | None = None,
    *,
    teacher: str | None = None,
    student: str | None = None,
    layers: int = catalogue.DEFAULT_LAYERS,
    device: str = "cpu",
    teacher_precision: str | None = None,
    student_precision: str = "fp32",
    context: int | None = None,
) -> Pair:
    """Load a pair: `nano` (the default), `smollm2`, or any two sources that `load_model` accepts.

    layers              of the `smollm2` student
    teacher_precision   fp32 for `nano`, otherwise bf16, unless given
    student_precision   of the weights that train
    context             tokens of the longest sequence, at most what both models read (None)
    """
    title, teacher, student = sources(name, teacher, student, layers)
    nano = title == "nano"
    resolve_device(device)
    student_model = load_model(student, precision=student_precision)
    precision = teacher_precision or ("fp32" if nano else "bf16")
    teacher_model = load_model(teacher, precision=precision, device=device)
    teacher_model.requires_grad_(False)
    tokenizer = load_tokenizer(student)
    of_teacher = load_tokenizer(teacher)
    configs = teacher_model.config, student_model.config
    same = same_tokenizer(of_teacher, tokenizer)
    return Pair(
        name=title,
        teacher=teacher_model,
        student=moved(copy.deepcopy(student_model), teacher_model.device),
        teacher_tokenizer=of_teacher,
        tokenizer=tokenizer,
        library_name="nano" if nano else "text",
        context=common_context(teacher_model.config, student_model.config, context),
        vocabulary=shared_vocabulary(*configs, tokenizer) if same else None,
        _start=student_model,
    )


def sources(
    name: str | None, teacher: str | None, student: str | None, layers: int
) -> tuple[str, str, str]:
    """Title, teacher source, student source. Raises ConfigError, UnknownNameError for a pair that is none."""
    if teacher is None and student is None:
        name = name or "nano"
        if name not in NAMES:
            raise unknown("pair", name, NAMES)
        if name == "nano":
            return "nano", "nano/teacher", "nano/student"
        return name, f"{name}/teacher", f"{name}/student-{layers}"
    if name is not None or teacher is None or student is None:
        raise ConfigError(
            f"pair is {name!r}, teacher is {teacher!r}, student is {student!r}; "
            "accepted: the name of a pair alone, or teacher and student"
        )
    return f"{teacher} -> {student}", teacher, student


def common_context(
    teacher: PreTrainedConfig, student: PreTrainedConfig, wanted: int | None = None
) -> int:
    """Positions that both models read, `wanted` if given; ConfigError where that is more than they do."""
    most = min(map(_positions, (teacher, student)))
    if wanted is not None and wanted > most:
        raise ConfigError(f"pair.context = {wanted!r}: at most {most}, which both models read")
    return most if wanted is None else wanted


def _positions(config: PreTrainedConfig) -> int:
    """ConfigError where a configuration states no length."""
    length = getattr(config.get_text_config(decoder=True), "max_position_embeddings", None)
    if not isinstance(length, int):
        raise ConfigError(f"the configuration {type(config).__name__} states no context length")
    return length
