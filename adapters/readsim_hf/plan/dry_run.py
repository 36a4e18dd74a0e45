"""A run on paper: every check that needs no weights, and the sizes that its costs follow from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal

from transformers import PreTrainedConfig
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError
from readsim.runs.loop import setup_for
from readsim_hf.benchmark_factory import benchmarks_of, hidden_of
from readsim_hf.config import PairConfig, RunConfig
from readsim_hf.costs.shape import ModelShape, shape_of
from readsim_hf.generation.template_cap import TemplateShares
from readsim_hf.models.chat_template import PromptSettings, check_arguments, settled
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
    Reader,
    TokenEstimate,
    estimate_tokens,
    item_counts,
    lengths,
    probe_lengths,
    reader,
    shares_of,
)
from readsim_hf.training.lora import check_lora

# Where no tokenizer is at hand: measured with SmolLM2's on the shipped templates.
PROMPT_BYTES, REPLY_BYTES, WRAPPER = 3.2, 2.2, 31


@dataclass(frozen=True, eq=False)
class DryRun:
    """A checked run.

    precision   of the teacher's weights
    items, each   questions of a split, all and by capability
    longest     tokens of the longest sequence that is trained on, by the templates
    assumed     whether token counts are from bytes, since no tokenizer is at hand
    columns     of the logits that both share; None where they have tokenizers of their own
    """

    config: RunConfig
    title: str
    teacher: ModelShape
    student: ModelShape
    precision: str
    library: Library
    left_out: tuple[str, ...]
    context: int
    longest: int
    items: Mapping[str, int]
    each: Mapping[Split, tuple[int, ...]]
    spent: TokenEstimate
    assumed: bool
    columns: int | None


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
    if pair.teachers or is_server(of_teacher):
        raise ConfigError(
            f"pair.teacher = {of_teacher!r}, teachers = {dict(pair.teachers)!r}: plans are for one teacher "
            "on this side; for a server, plan with its model, or see the tokens of `distill --dry-run`"
        )
    precision = pair.teacher_precision or ("fp32" if title == "nano" else "bf16")
    torch_dtype(precision)
    Decoding(**asdict(config.decoding))
    configs = config_of(of_teacher), config_of(of_student)
    tokenizers = _tokenizers(pair, of_teacher, of_student)
    readers = [stand_in() if t is None else reader(t) for t in tokenizers]
    check_lora(configs[1], config.training)
    context = common_context(configs, pair.context)
    name: Literal["nano", "text"] = "nano" if title == "nano" else "text"
    whole = library_of(config.data, name, tokenizers[0])
    counts = [read.ask for read in readers]
    signal, _, kept = supervision(config)
    suffixes = suffixes_of(config, whole.style, signal)
    library, left_out = filter_by_length(
        whole, partial(leaves_room, config, context, counts, suffixes)
    )
    columns = _columns(configs, tokenizers, needed=kept is not None)
    most = vocabulary_size(configs[0]) if columns is None else columns
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
    asked = [lengths(library, signal.form, read, said) for read in readers]
    items = item_counts(splits)
    probe = probe_lengths(library, benchmarks, splits, config, readers[1])
    shares = shares_of(config, library.capabilities, hidden_of(benchmarks))
    spent = estimate_tokens(config, allocator.needs, asked[0], asked[1], shares, items, probe)
    return DryRun(
        config=config,
        title=title,
        teacher=shape_of(configs[0]),
        student=shape_of(configs[1], config.training.lora_targets),
        precision=precision,
        library=library,
        left_out=tuple(left_out),
        context=context,
        longest=min(context, asked[1].longest + said),
        items=items,
        each={s: _each(benchmarks, splits, s, library.capabilities) for s in SPLITS},
        spent=spent,
        assumed=None in tokenizers,
        columns=columns,
    )


def _each(
    benchmarks: Sequence[Benchmark], splits: Splits, split: Split, names: tuple[str, ...]
) -> tuple[int, ...]:
    sizes = splits.sizes(split)
    return tuple(sum(sizes[b.name] for b in benchmarks if b.capability == n) for n in names)


def _tokenizers(
    pair: PairConfig, teacher: str, student: str
) -> tuple[Tokenizer | None, Tokenizer | None]:
    """As a run reads prompts; None where a tokenizer is not here."""
    prompts = PromptSettings(
        pair.system_prompt, pair.chat_template, pair.chat_template_kwargs, pair.date
    )
    theirs, own = tokenizer_of(teacher), tokenizer_of(student)
    if theirs is not None:
        theirs = settled(theirs, prompts, teacher)
    if theirs is not None and own is not None and same_tokenizer(theirs, own):
        own = theirs
    elif own is not None:
        own = settled(own, prompts, student)
    check_arguments(prompts, [t for t in (theirs, own) if t is not None], None in (theirs, own))
    return theirs, own


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
