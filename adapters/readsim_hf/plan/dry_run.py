"""A run on paper: every check that needs no weights, and the sizes that its costs follow from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite

import numpy as np

from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.errors import unknown
from readsim.runs.setups import setup_for
from readsim_hf.benchmark_factory import benchmarks_of, capabilities_of, hidden_of
from readsim_hf.config import PairConfig, RunConfig
from readsim_hf.costs.decoding import expected_longest
from readsim_hf.costs.shape import ModelShape, shape_of
from readsim_hf.generation.template_cap import TemplateShares
from readsim_hf.models.pairs import sources
from readsim_hf.models.tokens import vocabulary_size
from readsim_hf.needs import check_needs
from readsim_hf.plan.dry_backend import DryBackend
from readsim_hf.plan.models import PaperModels, paper_models, read
from readsim_hf.probes.benchmark import Benchmark
from readsim_hf.probes.splits import SPLITS, Split, Splits, few_items
from readsim_hf.prompt_selection import leaves_room, library_of, suffixes_of
from readsim_hf.prompts.length_filter import filter_by_length
from readsim_hf.sampled import sampled_of
from readsim_hf.source_selection import check_alone, is_alone, sources_of
from readsim_hf.sources.opened import Source
from readsim_hf.store.manifest import Manifest, load_manifest
from readsim_hf.store.settings import check_agrees, check_soft
from readsim_hf.supervision import check_tokens, scores_replies, supervision, teacher_soft
from readsim_hf.teacher_factory import passes_across
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
    means,
    rows_of,
    shares_of,
)
from readsim_hf.training.layer_pairs import hidden_term
from readsim_hf.training.lora import check_lora


@dataclass(frozen=True)
class PlannedTeacher:
    """One teacher.

    shape       None for a server whose model is not known
    share       of the prompts that any teacher answers or scores
    answers     prompts that it answers, however often, and the mean tokens of one that it is `asked` and of
                what is `said`, in its tokens; `replies`: tokens of some with their weights
    scores      texts that it only reads, for its distributions, and mean tokens `heard`: of prompt and reply
    served      on devices of its own
    shared, head   mean tokens of a prompt that it has read before, and tokens with which all of them begin
                (`Lengths`)
    """

    source: str
    shape: ModelShape | None
    share: float
    answers: float
    asked: float
    said: float
    replies: tuple[Array, Array]
    scores: float
    heard: tuple[float, ...]
    served: bool = False
    shared: float = 0.0
    head: float = 0.0

    def longest(self, size: int) -> float:
        """Expected tokens of the longest of `size` replies; 0 where it writes none."""
        values, weights = self.replies
        return expected_longest(values, size, weights) if self.answers else 0.0


@dataclass(frozen=True, eq=False)
class DryRun:
    """A checked run.

    teachers    who answers, the main teacher first
    precision   of the weights of teachers that are loaded here
    items, each   questions of a split, all and by capability; `few`: a warning where they are few
    answers     tokens of the answers of some probe items
    replies     tokens of replies to some prompts, whoever writes them, with their weights
    states      whether the loss reads the teacher's hidden states, in each training step
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
    few: tuple[str, ...]
    spent: TokenEstimate
    answers: Array
    replies: tuple[Array, Array]
    states: bool
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
    def served(self) -> tuple[float, float]:
        """Tokens of prompts and of replies that servers are paid for."""
        return self.paid([teacher for teacher in self.teachers if teacher.served])

    def paid(self, teachers: Sequence[PlannedTeacher]) -> tuple[float, float]:
        """Tokens that these teachers read and write: what they said before is in the cache, what they only
        score is not."""
        fresh = self.spent.fresh
        read = sum(fresh * t.answers * t.asked + t.scores * sum(t.heard) for t in teachers)
        return read, sum(fresh * t.answers * t.said for t in teachers)


def dry_run(config: RunConfig, *, measured: bool = True) -> DryRun:
    """All that a run would check, but weights, and tokenizers that are not here.

    measured   whether replies in `data.cache` say how long replies are
    Raises ConfigError and its kin as the run would.
    """
    stored = load_manifest(config.data.store) if config.data.store else None
    nobody, pair = is_alone(config), config.pair
    models = paper_models(_alone(pair) if nobody or stored is not None else pair)
    config.decoding.of_teacher(), config.decoding.of_student()  # both can be
    readers, own, context = models.readers, read(models.own), models.context
    main, said = models.teachers[0], config.decoding.max_new_tokens
    check_lora(models.student, config.training)
    whole = library_of(config.data, models.library_name, models.tokenizers[main])
    columns, given = _columns(config, models)
    signal, objective, kept = supervision(config)
    if stored is not None:
        check_agrees(stored, config.table(), signal.name)
        check_soft(stored, kept)
    datasets = sources_of(config, whole, signal, given)
    check_needs(config, datasets)
    sampled_of(config, objective, whole, datasets)  # gold answers, or a judge
    if nobody:
        check_alone(whole, datasets, signal, given is not None)
    named = (*whole.capabilities, *(source.name for source in datasets))
    for name in pair.teachers:
        if name not in named:
            raise unknown("capability in [pair.teachers]", name, named)
    suffixes = suffixes_of(config, whole.style, signal)
    counts = [own.ask, *(r.ask for r in readers.values())]
    library, left_out = filter_by_length(
        whole, partial(leaves_room, config, context, counts, suffixes)
    )
    most = vocabulary_size(models.student) if columns is None else columns
    if kept is not None:
        kept.check_fits(most)
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
    estimate = partial(estimate_tokens, config, allocator, asked, trained, shares, items, probe)
    spent = estimate(rows_of(sources, () if stored else datasets), scored=scores_replies(config))
    return DryRun(
        config=config,
        title=models.title if stored is None and not nobody else stored_title(pair),
        teachers=_planned(models, answering, asked, spent) if stored is None and not nobody else (),
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
        few=tuple(few_items(splits)),
        spent=spent,
        answers=probe.answers,
        replies=_of_all(asked, spent.drawn),
        states=hidden_term(objective) is not None,
        assumed=models.unread,
        columns=columns,
        kept=0 if kept is None else (kept.entries or most),
        goes_back=isfinite(allocator.rollback),
        stored=stored,
    )


def _columns(config: RunConfig, models: PaperModels) -> tuple[int | None, bool | None]:
    """Columns that all models share, None where tokenizers differ; and whether a teacher gives distributions
    of a given text, None where none are wanted of it. ConfigError where they cannot be had."""
    columns, several = models.columns(needed=False), len(models.teachers) > 1
    tokens = {"same": columns is not None, "several": several}
    check_tokens(config, **tokens)
    signal, objective, kept = supervision(config)
    if (soft := teacher_soft(signal, kept)) is None:
        return columns, None
    local = models.teachers[0] in models.local
    if passes_across(objective, soft, config.on_policy, **tokens, local=local):
        return None, False
    return models.columns(needed=True), not several


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
    models: PaperModels, answering: Sequence[str], asked: Lengths, spent: TokenEstimate
) -> tuple[PlannedTeacher, ...]:
    """What each teacher is asked, and what it scores."""
    out, whole = [], float((spent.answers + spent.scores).sum())
    for source in models.teachers:
        mine = np.array([s == source for s in answering])
        answers, scores = mine * spent.answers, mine * spent.scores
        config = models.local.get(source) or models.served.get(source)
        prompt, reply = means(answers, asked.prompt, asked.reply)
        out.append(
            PlannedTeacher(
                source,
                None if config is None else shape_of(config),
                float((answers + scores).sum()) / (whole or 1.0),
                float(answers.sum()),
                prompt,
                reply,
                _of_all(asked, answers),
                float(scores.sum()),
                means(scores, asked.prompt, asked.reply),
                source not in models.local,
                means(answers, asked.shared)[0],
                asked.head,
            )
        )
    return tuple(out)


def _of_all(asked: Lengths, many: Array) -> tuple[Array, Array]:
    """Tokens of the known replies of all sources, and their weights where a source has so `many` (S,)."""
    each = [np.full(len(r), m / len(r)) for m, r in zip(many, asked.replies, strict=True)]
    return np.concatenate(asked.replies), np.concatenate(each)


def _each(
    benchmarks: Sequence[Benchmark], splits: Splits, split: Split, names: tuple[str, ...]
) -> tuple[int, ...]:
    sizes = splits.sizes(split)
    return tuple(sum(sizes[b.name] for b in benchmarks if b.capability == n) for n in names)
