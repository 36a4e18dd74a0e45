"""Who teaches whom in a run on paper: configurations and tokenizers, no weights, no server asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from transformers import PreTrainedConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError
from readsim_hf.config import PairConfig
from readsim_hf.models import catalogue
from readsim_hf.models.chat_template import PromptSettings, check_arguments, fixed_tokenizer
from readsim_hf.models.loading import torch_dtype
from readsim_hf.models.meta import config_of, tokenizer_of
from readsim_hf.models.pairs import common_context, sources
from readsim_hf.models.tokens import (
    check_same_tokenizer,
    same_tokenizer,
    shared_vocabulary,
    vocabulary_size,
)
from readsim_hf.teachers.connection import is_server
from readsim_hf.text_lengths import Reader, reader

# Where no tokenizer is at hand: measured with SmolLM2's on the shipped templates.
PROMPT_BYTES, REPLY_BYTES, WRAPPER = 3.2, 2.2, 31


@dataclass(frozen=True, eq=False)
class PaperModels:
    """The models of a pair.

    teachers    sources, each once, the main one first
    local       configurations of those that are loaded here; the others are servers
    served      configurations of servers' models, where teacher_tokenizer names one
    tokenizers  of each teacher; the student's stands in for a server's that is not named
    student, own   the student's configuration, and its tokenizer
    precision   of the weights of teachers that are loaded here
    A tokenizer is None where there is none at hand: `read` then counts bytes.
    """

    title: str
    pair: PairConfig
    teachers: tuple[str, ...]
    local: Mapping[str, PreTrainedConfig]
    served: Mapping[str, PreTrainedConfig]
    tokenizers: Mapping[str, Tokenizer | None]
    source: str
    student: PreTrainedConfig
    own: Tokenizer | None
    precision: str

    @property
    def context(self) -> int:
        """Positions that all models here read, at most those of the pair."""
        return common_context([*self.local.values(), self.student], self.pair.context)

    @property
    def library_name(self) -> Literal["nano", "text"]:
        """Of the prompts that suit the pair."""
        return catalogue.prompts_for(self.source)

    @property
    def unread(self) -> tuple[str, ...]:
        """Sources without a tokenizer at hand."""
        own = {**self.tokenizers, self.source: self.own}
        return tuple(source for source, tokenizer in own.items() if tokenizer is None)

    @property
    def readers(self) -> dict[str, Reader]:
        """How each teacher counts tokens."""
        return {source: read(tokenizer) for source, tokenizer in self.tokenizers.items()}

    def columns(self, *, needed: bool) -> int | None:
        """Columns that the logits of all models share, None where tokenizers differ; ConfigError where
        they are `needed` and there are none. A server has the student's where its tokenizer is named."""
        found: list[int | None] = []
        for source in self.teachers:
            named = source in self.local or self.pair.teacher_tokenizer is not None
            if not named and needed:
                raise ConfigError(
                    f"teacher_tokenizer is None: distributions of {source!r} need the tokenizer that it "
                    "shares with the student, and a server with vLLM's completions; without them use "
                    "resp-sft or cot-sft, or uld or gold with the teacher loaded here"
                )
            theirs = self.local.get(source) or self.served.get(source) or self.student
            both = theirs, self.student
            tokenizers = self.tokenizers[source], self.own
            found.append(_columns(both, tokenizers, needed=needed) if named else None)
        sizes = [size for size in found if size is not None]
        return min(sizes) if len(sizes) == len(found) else None


def paper_models(pair: PairConfig) -> PaperModels:
    """Raises ConfigError for a source without a configuration."""
    title, teacher, student = sources(pair.name, pair.teacher, pair.student, pair.layers)
    if is_server(
        teacher
    ):  # called by its model, as in the run, or by its address where that is not known
        title = f"{teacher.partition('#')[2] or pair.teacher_model or teacher} -> {student}"
    precision = pair.teacher_precision or ("fp32" if title in catalogue.OURS else "bf16")
    torch_dtype(precision)
    teachers = tuple(dict.fromkeys((teacher, *pair.teachers.values())))
    local = {source: config_of(source) for source in teachers if not is_server(source)}
    served = _served(pair, [source for source in teachers if source not in local])
    config, prompts = config_of(student), prompt_settings(pair)
    named = {s: s if s in local else pair.teacher_tokenizer for s in teachers}
    theirs = {s: None if at is None else _tokenizer(at, prompts) for s, at in named.items()}
    bare, main = tokenizer_of(student), theirs[teacher]
    if main is not None and bare is not None and same_tokenizer(main, bare):
        own: Tokenizer | None = main  # as in a run, the student reads prompts as its teacher does
    else:
        own = _tokenizer(student, prompts)
    tokenizers = {s: own if named[s] is None else theirs[s] for s in teachers}
    here = [t for t in (*tokenizers.values(), own) if t is not None]
    unknown = None in (*theirs.values(), own)
    check_arguments(prompts, here, unknown)
    return PaperModels(
        title, pair, teachers, local, served, tokenizers, student, config, own, precision
    )


def _served(pair: PairConfig, sources: Sequence[str]) -> dict[str, PreTrainedConfig]:
    """What servers serve, where the source of their tokenizer says: of a tokenizer alone nothing is known."""
    if pair.teacher_tokenizer is None or not sources:
        return {}
    try:
        return dict.fromkeys(sources, config_of(pair.teacher_tokenizer))
    except ConfigError:
        return {}


def prompt_settings(pair: PairConfig) -> PromptSettings:
    """What stands around each prompt."""
    return PromptSettings(
        pair.system_prompt, pair.chat_template, pair.chat_template_kwargs, pair.date
    )


def _tokenizer(source: str, prompts: PromptSettings) -> Tokenizer | None:
    found = tokenizer_of(source)
    return None if found is None else fixed_tokenizer(found, prompts, source)


def read(tokenizer: Tokenizer | None) -> Reader:
    """How a model counts tokens: by its tokenizer, or from bytes."""
    if tokenizer is not None:
        return reader(tokenizer)
    return Reader(
        lambda text: WRAPPER + round(len(text.encode()) / PROMPT_BYTES),
        lambda text: max(1, round(len(text.encode()) / REPLY_BYTES)),
        lambda text: text.encode(),
        1.0 / PROMPT_BYTES,
    )


def _columns(
    configs: tuple[PreTrainedConfig, PreTrainedConfig],
    tokenizers: tuple[Tokenizer | None, Tokenizer | None],
    *,
    needed: bool,
) -> int | None:
    """Columns that both models' logits share, None for two tokenizers; ConfigError where they are
    `needed` and there are none.

    Without tokenizers the same kind of model with the same number of columns counts as the same.
    """
    teacher, student = tokenizers
    if teacher is not None and student is not None:
        if same_tokenizer(teacher, student):
            return shared_vocabulary(*configs, student)
        if needed:
            check_same_tokenizer(teacher, student)
        return None
    kinds = [(c.model_type, vocabulary_size(c)) for c in configs]
    if kinds[0] == kinds[1]:
        return kinds[0][1]
    if needed:
        raise ConfigError(
            f"the teacher is a {kinds[0][0]} with vocab_size {kinds[0][1]}, the student a {kinds[1][0]} "
            f"with {kinds[1][1]}: the teacher's distributions need one tokenizer; accepted: models "
            "that share it, a signal of text alone (resp-sft, cot-sft), or the methods uld and gold with "
            "a teacher that is loaded here"
        )
    return None
