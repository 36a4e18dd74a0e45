"""A run on paper: every check that needs no weights, and the sizes that its costs follow from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal

import numpy as np
from transformers import PreTrainedConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, unknown
from readsim.runs.loop import setup_for
from readsim_hf.benchmark_factory import benchmarks_of, hidden_of
from readsim_hf.config import RunConfig
from readsim_hf.costs.shape import ModelShape, shape_of
from readsim_hf.generation.template_cap import TemplateShares
from readsim_hf.models.loading import torch_dtype
from readsim_hf.models.meta import config_of, tokenizer_of
from readsim_hf.models.pairs import common_context, sources
from readsim_hf.models.tokens import (
    check_same_tokenizer,
    same_tokenizer,
    shared_vocabulary,
    vocabulary_size,
)
from readsim_hf.plan.dry_backend import DryBackend
from readsim_hf.probes.benchmark import Benchmark
from readsim_hf.probes.splits import SPLITS, Split, Splits
from readsim_hf.prompt_selection import leaves_room, library_of, suffixes_of
from readsim_hf.prompts.length_filter import filter_by_length
from readsim_hf.prompts.library import Library
from readsim_hf.supervision import supervision
from readsim_hf.teachers.connection import is_server
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.token_estimate import (
    Lengths,
    Reader,
    TokenEstimate,
    estimate_tokens,
    item_counts,
    lengths,
    probe_lengths,
    reader,
    shares_of,
)

# Where no tokenizer is at hand: measured with SmolLM2's on the shipped templates.
PROMPT_BYTES, REPLY_BYTES, WRAPPER = 3.2, 2.2, 31
LENGTHS = ("prompt", "reply")


@dataclass(frozen=True)
class PlannedTeacher:
    """One teacher: its `shape`, None for a server; its `share` of the prompts, and the mean tokens of one
    that it is `asked` and of what is `said`, in its tokens."""

    source: str
    shape: ModelShape | None
    share: float
    asked: float
    said: float


@dataclass(frozen=True, eq=False)
class DryRun:
    """A checked run.

    teachers    who answers, the main teacher first
    precision   of the weights of teachers that are loaded here
    items, each   questions of a split, all and by capability
    asked       tokens of the longest prompt that is trained on, by the templates
    assumed     sources without a tokenizer here, whose tokens are counted from bytes
    columns     of the logits that all share; None where they have tokenizers of their own
    kept        numbers that are kept of a distribution; 0 without distributions
    """

    config: RunConfig
    title: str
    teachers: tuple[PlannedTeacher, ...]
    student: ModelShape
    precision: str
    library: Library
    left_out: tuple[str, ...]
    context: int
    asked: int
    items: Mapping[str, int]
    each: Mapping[Split, tuple[int, ...]]
    spent: TokenEstimate
    assumed: tuple[str, ...]
    columns: int | None
    kept: int

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence that is trained on."""
        return min(self.context, self.asked + self.config.decoding.max_new_tokens)

    @property
    def loaded(self) -> tuple[ModelShape, ...]:
        """The teachers that are loaded here, each model once."""
        return tuple(teacher.shape for teacher in self.teachers if teacher.shape is not None)

    @property
    def served(self) -> tuple[float, float]:
        """Tokens of prompts and of replies that servers are paid for."""
        count = (1.0 - self.spent.own) * self.spent.examples
        mine = [t for t in self.teachers if t.shape is None]
        asked, said = (sum(t.share * getattr(t, part) for t in mine) for part in ("asked", "said"))
        return count * asked, count * said


def stand_in() -> Reader:
    """Token counts from bytes."""
    return Reader(
        lambda text: WRAPPER + round(len(text.encode()) / PROMPT_BYTES),
        lambda text: max(1, round(len(text.encode()) / REPLY_BYTES)),
    )


def dry_run(config: RunConfig) -> DryRun:
    """All that a run would check, but weights, and tokenizers that are not here.

    Raises ConfigError and its kin as the run would.
    """
    pair = config.pair
    title, of_teacher, of_student = sources(pair.name, pair.teacher, pair.student, pair.layers)
    if is_server(of_teacher):
        title = f"{_served_model(of_teacher, pair.teacher_model)} -> {of_student}"
    precision = pair.teacher_precision or ("fp32" if title == "nano" else "bf16")
    torch_dtype(precision)
    Decoding(**asdict(config.decoding))
    who = tuple(dict.fromkeys((of_teacher, *pair.teachers.values())))
    local = {source: config_of(source) for source in who if not is_server(source)}
    student = config_of(of_student)
    own = tokenizer_of(of_student)
    tokenizers = {s: tokenizer_of(s) for s in local}
    for source in who:
        if (
            source not in local
        ):  # a server: the student's tokenizer stands in where its own is not known
            named = pair.teacher_tokenizer
            tokenizers[source] = own if named is None else tokenizer_of(named)
    readers = {s: stand_in() if t is None else reader(t) for s, t in tokenizers.items()}
    read = stand_in() if own is None else reader(own)
    context = common_context([*local.values(), student], pair.context)
    name: Literal["nano", "text"] = "text"
    if title == "nano" or of_student == "nano/student":
        name = "nano"
    whole = library_of(config.data, name, tokenizers[of_teacher])
    for capability in pair.teachers:
        if capability not in whole.capabilities:
            raise unknown("capability in [pair.teachers]", capability, whole.capabilities)
    signal, _, kept = supervision(config)
    if config.on_policy > 0 and (len(who) > 1 or not local):
        raise ConfigError(
            f"on_policy = {config.on_policy!r}: the student's own text is scored by one teacher that is "
            "loaded here, not by servers or several teachers; use on_policy = 0"
        )
    suffixes = suffixes_of(config, whole.style, signal)
    counts = [read.ask, *(r.ask for r in readers.values())]
    library, left_out = filter_by_length(
        whole, partial(leaves_room, config, context, counts, suffixes)
    )
    columns = _columns_of(config, who, local, tokenizers, student, own, needed=kept is not None)
    most = vocabulary_size(student) if columns is None else columns
    if kept is not None and (kept.entries or 0) > most:
        raise ConfigError(f"k is {kept.k}: it must be at most the vocabulary, {most}")
    for templates in library.templates.values():
        TemplateShares([t.id for t in templates], config.data.cap)
    benchmarks, splits = benchmarks_of(config.probes, library)
    allocator = load_allocator(config.allocator, dict(config.allocator_settings))
    backend = DryBackend(library.capabilities, config.budget, hidden_of(benchmarks))
    env = DistillEnv(backend=backend, task=config.task, steps=config.steps)
    setup_for(env, allocator, config.seed)
    said = config.decoding.max_new_tokens
    answering = [pair.teachers.get(c, of_teacher) for c in library.capabilities]
    each = {s: lengths(library, signal.form, r, said) for s, r in readers.items()}
    asked = Lengths(
        *(np.array([getattr(each[s], f)[j] for j, s in enumerate(answering)]) for f in LENGTHS),
        max(one.longest for one in each.values()),
    )
    trained = lengths(library, signal.form, read, said)
    items = item_counts(splits)
    probe = probe_lengths(library, benchmarks, splits, config, read)
    shares = shares_of(config, library.capabilities, hidden_of(benchmarks))
    spent = estimate_tokens(config, allocator.needs, asked, trained, shares, items, probe)
    prompts = shares / trained.reply
    prompts /= prompts.sum()

    def planned(source: str) -> PlannedTeacher:
        mine = np.array([s == source for s in answering]) * prompts
        share = float(mine.sum())
        mean = mine / share if share else mine
        shape = shape_of(local[source]) if source in local else None
        return PlannedTeacher(
            source, shape, share, float(mean @ asked.prompt), float(mean @ asked.reply)
        )

    return DryRun(
        config=config,
        title=title,
        teachers=tuple(map(planned, who)),
        student=shape_of(student),
        precision=precision,
        library=library,
        left_out=tuple(left_out),
        context=context,
        asked=trained.longest,
        items=items,
        each={s: _each(benchmarks, splits, s, library.capabilities) for s in SPLITS},
        spent=spent,
        assumed=_unread({**tokenizers, of_student: own}),
        columns=columns,
        kept=0 if kept is None else (kept.entries or most),
    )


def _unread(tokenizers: Mapping[str, Tokenizer | None]) -> tuple[str, ...]:
    return tuple(source for source, tokenizer in tokenizers.items() if tokenizer is None)


def _served_model(source: str, model: str | None) -> str:
    """What a served teacher is called before its server is asked: its model's name, or its address."""
    return source.partition("#")[2] or model or source


def _each(
    benchmarks: Sequence[Benchmark], splits: Splits, split: Split, names: tuple[str, ...]
) -> tuple[int, ...]:
    sizes = splits.sizes(split)
    return tuple(sum(sizes[b.name] for b in benchmarks if b.capability == n) for n in names)


def _columns_of(
    config: RunConfig,
    who: Sequence[str],
    local: Mapping[str, PreTrainedConfig],
    tokenizers: Mapping[str, Tokenizer | None],
    student: PreTrainedConfig,
    own: Tokenizer | None,
    *,
    needed: bool,
) -> int | None:
    """Columns that the logits of all models share, see `_columns`. A server has those of the student
    where its tokenizer is named; without it, ConfigError where they are needed."""
    found: list[int | None] = []
    for source in who:
        if source in local:
            models, both = (local[source], student), (tokenizers[source], own)
            found.append(_columns(models, both, needed=needed))
        elif config.pair.teacher_tokenizer is None:
            if needed:
                raise ConfigError(
                    f"teacher_tokenizer is None: distributions of {source!r} need the tokenizer that it "
                    "shares with the student, and a server with vLLM's completions; without them use "
                    "resp-sft or cot-sft"
                )
            found.append(None)
        else:
            found.append(_columns((student, student), (tokenizers[source], own), needed=needed))
    sizes = [size for size in found if size is not None]
    return min(sizes) if len(sizes) == len(found) else None


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
            "that share it, or a signal of text alone (resp-sft, cot-sft)"
        )
    return None
