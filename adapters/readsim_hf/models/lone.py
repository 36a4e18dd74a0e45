"""Students whose teacher is not loaded: all replies are given, or a store holds what it said."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from readsim.errors import ConfigError
from readsim.files import AnyPath
from readsim_hf.models import catalogue
from readsim_hf.models.chat_template import (
    DATE,
    PromptSettings,
    check_arguments,
    fixed_tokenizer,
)
from readsim_hf.models.loading import (
    load_model,
    load_stored_tokenizer,
    load_tokenizer,
    resolve_device,
    source_dtype,
)
from readsim_hf.models.pairs import Pair, check_rows, common_context, sources
from readsim_hf.models.quantised import QUANTISED
from readsim_hf.models.tokens import first_difference, vocabulary_size


def load_lone_student(
    *,
    student: str,
    device: str = "cpu",
    student_precision: str | None = None,
    context: int | None = None,
    system_prompt: str | None = None,
    chat_template: str | None = None,
    chat_template_kwargs: Mapping[str, Any] | None = None,
    date: str = DATE,
    **of_teachers: Any,
) -> Pair:
    """A student whose replies are all given: there is no teacher. See `load_pair`."""
    prompts = PromptSettings(system_prompt, chat_template, chat_template_kwargs or {}, date)
    place, precision = resolve_device(device), student_precision or "fp32"
    beside: dict[str, Any] = {"device": device} if precision in QUANTISED else {}
    start = load_model(student, precision=precision, **beside)
    tokenizer = fixed_tokenizer(load_tokenizer(student), prompts, str(student))
    check_arguments(prompts, [tokenizer], False)
    return Pair(
        name=str(student),
        teacher=None,
        student=start,
        teacher_tokenizer=tokenizer,
        tokenizer=tokenizer,
        library_name=catalogue.prompts_for(student),
        context=common_context([start.config], context),
        vocabulary=vocabulary_size(start.config),
        place=place,
        prompts=prompts,
        stored=source_dtype(student),
    )


class StoredTokens(NamedTuple):
    """What a teach store says of the tokens that its records are in.

    folder      of the tokenizer, which is the student's with all that stands around its prompts
    ends, vocabulary   what ends a reply, and V
    library     of the prompts
    where       the store, in words
    """

    folder: Path
    ends: tuple[int, ...]
    vocabulary: int
    library: Literal["nano", "text"]
    where: str


def load_stored_pair(
    stored: StoredTokens,
    name: str | None = None,
    *,
    teacher: AnyPath | None = None,
    student: AnyPath | None = None,
    layers: int = catalogue.DEFAULT_LAYERS,
    device: str = "cpu",
    student_precision: str | None = None,
    context: int | None = None,
    system_prompt: str | None = None,
    chat_template_kwargs: Mapping[str, Any] | None = None,
    date: str = DATE,
    **of_teachers: Any,
) -> Pair:
    """The student of a pair, whose teacher has said all in a store: `teacher` is a name in its title.

    See `load_pair`. ConfigError where the student's tokens are not the store's.
    """
    title, _, student = sources(name, teacher, student, layers)
    place = resolve_device(device)
    precision = student_precision or "fp32"
    beside: dict[str, Any] = {"device": device} if precision in QUANTISED else {}
    start = load_model(student, precision=precision, **beside)
    tokenizer = load_stored_tokenizer(stored.folder)
    difference = first_difference(tokenizer, load_tokenizer(student))
    size = vocabulary_size(start.config)
    if difference is None and size < stored.vocabulary:
        difference = (
            f"its distributions are over {stored.vocabulary} ids and the student has {size}"
        )
    if difference is not None:
        raise ConfigError(
            f"data.store = {stored.where!r} is in other tokens than those of the student {student!r}: "
            f"{difference}; teach another store for this student"
        )
    check_rows(tokenizer, start, student)
    ends = list(stored.ends)
    start.generation_config.eos_token_id = ends if len(ends) > 1 else ends[0]
    return Pair(
        name=title,
        teacher=None,
        student=start,
        teacher_tokenizer=tokenizer,
        tokenizer=tokenizer,
        library_name=stored.library,
        context=common_context([start.config], context),
        vocabulary=stored.vocabulary,
        place=place,
        prompts=PromptSettings(system_prompt, None, chat_template_kwargs or {}, date),
        stored=source_dtype(student),
    )
