"""A teacher and a student that train together, from a name or from two sources."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import CapabilityMissingError, ConfigError, unknown
from readsim.files import AnyPath
from readsim_hf.models import catalogue
from readsim_hf.models.chat_template import (
    DATE,
    PromptSettings,
    check_arguments,
    fixed_tokenizer,
    with_settings,
)
from readsim_hf.models.loading import (
    DeviceMap,
    copied_to,
    load_model,
    load_tokenizer,
    resolve_device,
    source_dtype,
)
from readsim_hf.models.quantised import QUANTISED
from readsim_hf.models.teacher_source import TeacherSource, load_teacher_source
from readsim_hf.models.tokens import stated_length, vocabulary_size
from readsim_hf.teachers.connection import Server, ServerSettings
from readsim_hf.teachers.encoding import encode, end_ids, start_ids

NAMES = (*catalogue.OURS, *catalogue.ALIASES, *catalogue.CATALOGUE)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two models and how they read text.

    teacher             in evaluation mode, without gradients; None where `server` answers
    teacher_tokenizer   the teacher's; the student's stands in for a server's that is not known
    student             the student as it starts, on the CPU, held once: it is read, and never changed;
                        `fresh_student` gives one to train
    tokenizer           the student's: its teacher's where both have the same ids, so that the student
                        trains on, is probed with and is saved with the teacher's chat template, start
                        token and end tokens (these in its generation config)
    library_name        of the prompts that suit the pair
    context             T, the longest sequence that both read
    vocabulary          V, the columns that both logits share (cut to [..., :V]); None where the
                        tokenizers differ, so that only text can pass from teacher to student
    known               whether `teacher_tokenizer` is the teacher's own
    others              teachers of single capabilities; `teacher` is asked for the rest
    place               the student's device; None: the teacher's
    prompts             what stands around each prompt beside the models' own templates
    stored              the type that the student's weights are stored in, before and after the run
    """

    name: str
    teacher: PreTrainedModel | None
    student: PreTrainedModel
    teacher_tokenizer: Tokenizer
    tokenizer: Tokenizer
    library_name: Literal["nano", "text"]
    context: int
    vocabulary: int | None
    server: Server | None = None
    known: bool = True
    others: Mapping[str, TeacherSource] = field(default_factory=dict)
    place: torch.device | None = None
    prompts: PromptSettings = field(default_factory=PromptSettings)
    stored: torch.dtype = torch.float32

    @property
    def device(self) -> torch.device:
        """Where the student trains."""
        beside = self.student if self.teacher is None else self.teacher
        return beside.device if self.place is None else self.place

    @property
    def teacher_sources(self) -> tuple[TeacherSource, ...]:
        """The teacher, then those of `others`."""
        tokenizer = self.teacher_tokenizer
        main = TeacherSource(
            self.name, self.teacher, self.server, tokenizer, self.known, self.vocabulary
        )
        return main, *self.others.values()

    def local_teacher(self) -> PreTrainedModel:
        """The one teacher. CapabilityMissingError where it is a server, or one of several."""
        if self.teacher is None or self.others:
            why = "its teacher is a server" if self.server else "its replies are given"
            why = "several teachers answer" if self.others else why
            raise CapabilityMissingError(f"the pair {self.name!r} has no teacher model: {why}")
        return self.teacher

    def fresh_student(self, place: torch.device | None = None) -> PreTrainedModel:
        """A copy of the starting student where it trains, or elsewhere, equal to the last bit."""
        return copied_to(self.student, place or self.device)

    def shared_vocabulary(self) -> int:
        """V, for objectives that need the teachers' distributions; ConfigError where there is none."""
        return min(teacher.shared_vocabulary(self.tokenizer) for teacher in self.teacher_sources)


def load_pair(
    name: str | None = None,
    *,
    teacher: AnyPath | None = None,
    student: AnyPath | None = None,
    layers: int = catalogue.DEFAULT_LAYERS,
    device: str = "cpu",
    teacher_precision: str | None = None,
    student_precision: str | None = None,
    teacher_model: str | None = None,
    teacher_tokenizer: str | None = None,
    teachers: Mapping[str, str] | None = None,
    device_map: DeviceMap | None = None,
    server: ServerSettings | None = None,
    context: int | None = None,
    system_prompt: str | None = None,
    chat_template: str | None = None,
    chat_template_kwargs: Mapping[str, Any] | None = None,
    date: str = DATE,
    training: int = 0,
) -> Pair:
    """Load a pair: `nano` (the default), `micro`, `smollm2`, or any two sources that `load_model` accepts.

    A teacher may also be the address of an OpenAI-compatible server.

    layers              of the `smollm2` student
    teacher_precision   fp32 for `nano` and `micro`, otherwise bf16, unless given
    student_precision   fp32, unless given; others are for weights that stay as they are (LoRA)
    teacher_model, teacher_tokenizer   of servers: the served model, and where its tokenizer is known
    teachers            capability -> source, for those that have a teacher of their own
    device_map          of the teachers that are loaded here, over several devices
    server              how servers are asked
    training            GPUs, from the first, that several processes train on: no teacher is loaded there
    context             tokens of the longest sequence, at most what both models read (None)
    system_prompt, chat_template, chat_template_kwargs, date   see `PromptSettings`
    """
    prompts = PromptSettings(system_prompt, chat_template, chat_template_kwargs or {}, date)
    title, teacher, student = sources(name, teacher, student, layers)
    if not teacher:
        raise ConfigError(
            f"pair is None, teacher is None, student is {student!r}; accepted: the name of a pair alone, or "
            "teacher and student"
        )
    place = resolve_device(device)
    precision = student_precision or "fp32"
    # quantised weights stay where they are loaded
    beside: dict[str, Any] = {"device": device} if precision in QUANTISED else {}
    start = load_model(student, precision=precision, **beside)
    tokenizer = load_tokenizer(student)
    load = partial(
        load_teacher_source,
        student=start,
        tokenizer=tokenizer,
        precision=teacher_precision or ("fp32" if title in catalogue.OURS else "bf16"),
        device=device,
        device_map=device_map,
        served=teacher_model,
        served_tokenizer=teacher_tokenizer,
        settings=server,
        prompts=prompts,
        training=training,
    )
    main = load(teacher)
    if main.server is not None:
        title = f"{main.source} -> {student}"  # the same model elsewhere is the same teacher
    loaded = {teacher: main}
    for source in (teachers or {}).values():
        loaded[source] = loaded.get(source) or load(source)
    others = {capability: loaded[source] for capability, source in (teachers or {}).items()}
    all_teachers = tuple(loaded.values())
    _check_names(all_teachers)
    taken: list[str] = []
    if main.vocabulary is None:
        tokenizer = fixed_tokenizer(tokenizer, prompts, student)
    else:
        taken = _differences(tokenizer, main.tokenizer, prompts)
        tokenizer = copy.deepcopy(main.tokenizer)
        check_rows(tokenizer, start, student)
    check_arguments(
        prompts, [tokenizer, *(v.tokenizer for v in all_teachers)], main.server is not None
    )
    taken += _take_ends(start, tokenizer, all_teachers)
    if taken:
        warnings.warn(
            f"the student {student!r} takes its teacher's {', '.join(taken)}: it trains on, is probed with "
            "and is saved with them",
            stacklevel=2,
        )
    models = [teacher.model for teacher in all_teachers if teacher.model is not None]
    limits = [v.server.context for v in all_teachers if v.server is not None]
    return Pair(
        name=title,
        teacher=main.model,
        student=start,
        teacher_tokenizer=main.tokenizer if main.known else tokenizer,
        tokenizer=tokenizer,
        library_name=catalogue.prompts_for(student),
        context=common_context([m.config for m in (start, *models)], context, limits),
        vocabulary=main.vocabulary,
        server=main.server,
        known=main.known,
        others=others,
        place=place,
        prompts=prompts,
        stored=source_dtype(student),
    )


def load_student(
    name: str | None,
    teacher: str | None,
    student: str | None,
    layers: int,
    precision: str | None = None,
) -> PreTrainedModel:
    """The starting student alone, on the CPU: its weights are those that `load_pair` reads."""
    _, _, source = sources(name, teacher, student, layers)
    return load_model(source, precision=precision or "fp32")


def _differences(own: Tokenizer, teacher: Tokenizer, prompts: PromptSettings) -> list[str]:
    """In words, what stands around a prompt of the teacher and not around one of the student."""
    template = own.chat_template
    if isinstance(template, Mapping):  # several with names
        template = template.get("default", "")
    if template is not None and prompts.chat_template is None:
        template = with_settings(str(template), prompts)
    found = []
    if template != teacher.chat_template and prompts.chat_template is None:
        found.append(
            "chat template" if teacher.chat_template else "prompts without a chat template"
        )
    if teacher.chat_template is None and start_ids(own) != start_ids(teacher):
        found.append("start token" if start_ids(teacher) else "prompts without a start token")
    return found


def check_rows(tokenizer: Tokenizer, student: PreTrainedModel, source: str) -> None:
    """ConfigError where prompts have tokens that the student has no embedding of."""
    size = vocabulary_size(student.config)
    beyond = sorted({i for i in encode(tokenizer, "a") if i >= size})
    if beyond:
        raise ConfigError(
            f"the teacher's chat template has tokens {tokenizer.convert_ids_to_tokens(beyond)!r} that the "
            f"student {source!r} has no embedding of (vocab_size {size}): give [pair] chat_template, a file "
            "or 'none', or a student whose embedding has been resized"
        )


def _take_ends(
    student: PreTrainedModel, tokenizer: Tokenizer, all_teachers: Sequence[TeacherSource]
) -> list[str]:
    """Let the student's generation config end a reply where a teacher of the same ids ends one; in words,
    what it did not end at before."""
    size = vocabulary_size(student.config)
    own = set(end_ids(student.generation_config, tokenizer))
    shared = {end for v in all_teachers if v.vocabulary is not None for end in v.ends}
    ends = sorted(end for end in own | shared if end < size)
    named = student.generation_config.eos_token_id
    before = set(named if isinstance(named, list) else [named])
    if set(ends) <= before:
        return []
    student.generation_config.eos_token_id = ends if len(ends) > 1 else ends[0]
    new = [end for end in ends if end not in before | {tokenizer.eos_token_id}]
    return [f"end token {token!r}" for token in tokenizer.convert_ids_to_tokens(new)]


def _check_names(all_teachers: Sequence[TeacherSource]) -> None:
    """ConfigError if two servers' models have one name: their replies would be taken for each other's."""
    urls: dict[str, str] = {}
    for server in (teacher.server for teacher in all_teachers if teacher.server is not None):
        if urls.setdefault(server.model, server.url) != server.url:
            raise ConfigError(
                f"teachers at {urls[server.model]} and {server.url} both serve {server.model!r}: a "
                "served model needs a name of its own (vLLM: --served-model-name)"
            )


def sources(
    name: str | None, teacher: AnyPath | None, student: AnyPath | None, layers: int
) -> tuple[str, str, str]:
    """Title, teacher source ("" for a student alone), student source. Raises ConfigError, UnknownNameError
    for a pair that is none."""
    if teacher is None and student is None:
        name = name or "nano"
        if name not in NAMES:
            raise unknown("pair", name, NAMES)
        if name in catalogue.OURS:
            return name, f"{name}/teacher", f"{name}/student"
        return name, f"{name}/teacher", f"{name}/student-{layers}"
    if name is not None or student is None:
        raise ConfigError(
            f"pair is {name!r}, teacher is {teacher!r}, student is {student!r}; accepted: the name of a pair "
            "alone, or teacher and student, or a student alone whose replies are all given"
        )
    if teacher is None:
        return str(student), "", str(student)
    return f"{teacher} -> {student}", str(teacher), str(student)


def common_context(
    configs: Sequence[PreTrainedConfig],
    wanted: int | None = None,
    limits: Sequence[int | None] = (),
) -> int:
    """Positions that all models read, `wanted` if given; ConfigError where that is more than they do, and
    where neither `wanted` nor a model states a length.

    `limits` are those of servers, where they are known.
    """
    stated = [n for n in (*map(stated_length, configs), *limits) if n is not None]
    most = min(stated, default=wanted)
    if most is None:
        kinds = ", ".join(sorted({config.model_type for config in configs}))
        raise ConfigError(
            f"pair.context = None: no configuration here ({kinds}) states a context length; give the "
            "longest sequence in tokens, such as [pair] context = 1024"
        )
    if wanted is not None and wanted > most:
        raise ConfigError(f"pair.context = {wanted!r}: at most {most}, which all models read")
    return most if wanted is None else wanted
