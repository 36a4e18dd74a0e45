"""A run on paper: every check that needs no weights, and the sizes that its costs follow from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import isfinite

import numpy as np

from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, unknown
from readsim.runs.setups import setup_for
from readsim_hf.benchmark_factory import benchmarks_of, capabilities_of, hidden_of
from readsim_hf.config import PairConfig, RunConfig
from readsim_hf.costs.decoding import expected_longest
from readsim_hf.costs.shape import ModelShape, shape_of
from readsim_hf.generation.template_cap import TemplateShares
from readsim_hf.models.pairs import sources
from readsim_hf.models.tokens import vocabulary_size
from readsim_hf.plan.dry_backend import DryBackend
from readsim_hf.plan.models import PaperModels, paper_models, read
from readsim_hf.probes.benchmark import Benchmark
from readsim_hf.probes.splits import SPLITS, Split, Splits
from readsim_hf.prompt_selection import leaves_room, library_of, suffixes_of
from readsim_hf.prompts.length_filter import filter_by_length
from readsim_hf.source_selection import check_alone, is_alone, sources_of
from readsim_hf.sources.opened import Source
from readsim_hf.store.manifest import Manifest, load_manifest
from readsim_hf.store.settings import check_agrees, check_soft
from readsim_hf.supervision import supervision
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.text_lengths import (
    NOTHING,
    Lengths,
    heard_before,
    lengths,
    probe_lengths,
    stored_lengths,
)
from readsim_hf.token_estimate import (
    TokenEstimate,
    estimate_tokens,
    item_counts,
    rows_of,
    shares_of,
)
from readsim_hf.training.lora import check_lora


@dataclass(frozen=True)
class PlannedTeacher:
    """One teacher: its `shape`, None for a server whose model is not known; its `share` of the prompts, and
    the mean tokens of one that it is `asked` and of what is `said`, in its tokens; tokens of some replies
    with their weights; whether it is served, on devices of its own; mean tokens of a prompt that it has read
    before, and tokens with which all of them begin (`Lengths`)."""

    source: str
    shape: ModelShape | None
    share: float
    asked: float
    said: float
    replies: tuple[Array, Array]
    served: bool = False
    shared: float = 0.0
    head: float = 0.0

    def longest(self, size: int) -> float:
        """Expected tokens of the longest of `size` replies."""
        values, weights = self.replies
        return expected_longest(values, size, weights)


@dataclass(frozen=True, eq=False)
class DryRun:
    """A checked run.

    teachers    who answers, the main teacher first
    precision   of the weights of teachers that are loaded here
    items, each   questions of a split, all and by capability
    answers     tokens of the answers of some probe items
    asked       tokens of the longest prompt that is trained on, by the templates
    assumed     sources without a tokenizer here, whose tokens are counted from bytes
    columns     of the logits that all share; None where they have tokenizers of their own
    sources, capabilities   what is trained on, and what is measured before the end; `datasets` are the users'
    kept        numbers that are kept of a distribution; 0 without distributions
    goes_back   whether the best student so far is held, to come back where the utility fell (rollback)
    stored      the teach store that is trained from; there are no `teachers` then
    """

    config: RunConfig
    title: str
    teachers: tuple[PlannedTeacher, ...]
    student: ModelShape
    precision: str
    sources: tuple[str, ...]
    capabilities: tuple[str, ...]
    datasets: tuple[Source, ...]
    left_out: tuple[str, ...]
    evaluations: Mapping[str, str]
    context: int
    asked: int
    items: Mapping[str, int]
    each: Mapping[Split, tuple[int, ...]]
    spent: TokenEstimate
    answers: Array
    assumed: tuple[str, ...]
    columns: int | None
    kept: int
    goes_back: bool
    stored: Manifest | None = None

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence that is trained on."""
        return min(self.context, self.asked + self.config.decoding.max_new_tokens)

    @property
    def teacher(self) -> ModelShape | None:
        """The main teacher; None where a server answers whose model is not known, or a store does."""
        return self.teachers[0].shape if self.teachers else None

    @property
    def loaded(self) -> tuple[ModelShape, ...]:
        """The teachers that are loaded here, each model once."""
        return tuple(t.shape for t in self.teachers if t.shape is not None and not t.served)

    @property
    def asks(self) -> bool:
        """Whether a teacher writes replies: not where the data have all of them."""
        ours = len(self.sources) - len(self.datasets)
        return ours > 0 or any(source.asks for source in self.datasets)

    @property
    def served(self) -> tuple[float, float]:
        """Tokens of prompts and of replies that servers are paid for."""
        count = self.spent.fresh * (1.0 - self.spent.own) * self.spent.answered
        mine = [t for t in self.teachers if t.served]
        asked, said = (sum(t.share * getattr(t, part) for t in mine) for part in ("asked", "said"))
        return count * asked, count * said


def dry_run(config: RunConfig, *, measured: bool = True) -> DryRun:
    """All that a run would check, but weights, and tokenizers that are not here.

    measured   whether replies in `data.cache` say how long replies are
    Raises ConfigError and its kin as the run would.
    """
    stored = load_manifest(config.data.store) if config.data.store else None
    nobody, pair = is_alone(config), config.pair
    models = paper_models(_alone(pair) if nobody or stored is not None else pair)
    Decoding(**asdict(config.decoding))
    readers, own, context = models.readers, read(models.own), models.context
    check_lora(models.student, config.training)
    main = models.teachers[0]
    whole = library_of(config.data, models.library_name, models.tokenizers[main])
    signal, _, kept = supervision(config)
    if stored is not None:
        check_agrees(stored, config.table(), signal.name)
        check_soft(stored, kept)
    datasets = sources_of(
        config,
        whole,
        signal,
        None if kept is None else len(models.teachers) == 1,
    )
    if nobody:
        check_alone(whole, datasets, kept is not None)
    named = (*whole.capabilities, *(source.name for source in datasets))
    for name in pair.teachers:
        if name not in named:
            raise unknown("capability in [pair.teachers]", name, named)
    suffixes = suffixes_of(config, whole.style, signal)
    counts = [own.ask, *(r.ask for r in readers.values())]
    library, left_out = filter_by_length(
        whole, partial(leaves_room, config, context, counts, suffixes)
    )
    columns = models.columns(needed=kept is not None)
    most = vocabulary_size(models.student) if columns is None else columns
    if kept is not None and (kept.entries or 0) > most:
        raise ConfigError(f"k is {kept.k}: it must be at most the vocabulary, {most}")
    for templates in library.templates.values():
        TemplateShares([t.id for t in templates], config.data.cap)
    benchmarks, splits, words = benchmarks_of(config.probes, library)
    capabilities, hidden = capabilities_of(benchmarks, library), hidden_of(benchmarks)
    visible = tuple(name for name in capabilities if name not in hidden)
    allocator = load_allocator(config.allocator, dict(config.allocator_settings))
    sources = (*library.capabilities, *(source.name for source in datasets))
    if stored is not None:
        sources = stored.sources
    backend = DryBackend(sources, capabilities, config.budget, hidden)
    env = DistillEnv(backend=backend, task=config.task, steps=config.steps)
    setup_for(env, allocator, config.seed)
    said = config.decoding.max_new_tokens
    answering = [pair.teachers.get(name, main) for name in sources]
    before, known = heard_before(config) if measured else NOTHING, (library, signal.form)
    asked = _answered(
        answering,
        {s: lengths(*known, r, said, datasets, before.replies) for s, r in readers.items()},
    )
    trained = lengths(*known, own, said, datasets, before.taught)
    items = item_counts(splits)
    probe = probe_lengths(library, benchmarks, splits, config, own)
    shares = shares_of(config, sources, capabilities, hidden)
    if stored is not None:
        asked = trained = stored_lengths(stored)
    estimate = partial(
        estimate_tokens, config, allocator.needs, asked, trained, shares, items, probe
    )
    spent = estimate(rows_of(sources, () if stored else datasets), scored=kept is not None)
    return DryRun(
        config=config,
        title=models.title if stored is None and not nobody else stored_title(pair),
        teachers=_planned(models, answering, asked, asked.asks * shares / trained.reply)
        if stored is None and not nobody
        else (),
        student=shape_of(models.student, config.training.lora_targets),
        precision=models.precision,
        sources=sources,
        capabilities=visible,
        datasets=datasets,
        left_out=tuple(left_out),
        evaluations=words,
        context=context,
        asked=trained.longest,
        items=items,
        each={s: _each(benchmarks, splits, s, visible) for s in SPLITS},
        spent=spent,
        answers=probe.answers,
        assumed=models.unread,
        columns=columns,
        kept=0 if kept is None else (kept.entries or most),
        goes_back=isfinite(allocator.rollback),
        stored=stored,
    )


def _alone(pair: PairConfig) -> PairConfig:
    """The student alone: what its teacher said is in a store, which is not loaded again."""
    _, _, student = sources(pair.name, pair.teacher, pair.student, pair.layers)
    return replace(pair, name=None, teacher=student, student=student, teachers={})


def stored_title(pair: PairConfig) -> str:
    """Of the pair, as a run names it."""
    return sources(pair.name, pair.teacher, pair.student, pair.layers)[0]


def _answered(answering: Sequence[str], each: Mapping[str, Lengths]) -> Lengths:
    """Lengths by capability, in the tokens of the teacher that answers there."""
    prompt, reply, shared = (
        np.array([getattr(each[source], field)[j] for j, source in enumerate(answering)])
        for field in ("prompt", "reply", "shared")
    )
    head = min(one.head for one in each.values())
    any_ = next(iter(each.values()))
    replies = tuple(each[source].replies[j] for j, source in enumerate(answering))
    longest = max(one.longest for one in each.values())
    return Lengths(prompt, reply, longest, any_.asks, replies, shared, head, any_.known)


def _planned(
    models: PaperModels, answering: Sequence[str], asked: Lengths, prompts: Array
) -> tuple[PlannedTeacher, ...]:
    """What each teacher is asked; `prompts` (S,) that it answers of each source, in any unit."""
    out = []
    for source in models.teachers:
        mine = np.array([s == source for s in answering]) * prompts / max(prompts.sum(), 1e-12)
        share = float(mine.sum())
        mean = mine / share if share else mine
        config = models.local.get(source) or models.served.get(source)
        shape = None if config is None else shape_of(config)
        lengths_ = float(mean @ asked.prompt), float(mean @ asked.reply)
        each = [np.full(len(r), m / len(r)) for m, r in zip(mean, asked.replies, strict=True)]
        replies = np.concatenate(asked.replies), np.concatenate(each)
        served = source not in models.local
        before = float(mean @ asked.shared), asked.head
        out.append(PlannedTeacher(source, shape, share, *lengths_, replies, served, *before))
    return tuple(out)


def _each(
    benchmarks: Sequence[Benchmark], splits: Splits, split: Split, names: tuple[str, ...]
) -> tuple[int, ...]:
    sizes = splits.sizes(split)
    return tuple(sum(sizes[b.name] for b in benchmarks if b.capability == n) for n in names)
