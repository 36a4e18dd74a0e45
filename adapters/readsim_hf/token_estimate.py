"""What a run will spend in tokens, said before it starts: from templates, without asking a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table
from transformers import PreTrainedModel

from readsim.allocators.base import Allocator
from readsim.arrays import Array
from readsim.envs.episode import source_prior
from readsim.runs.loop import DEV_CHECKPOINTS
from readsim.token_counts import show_tokens
from readsim.worlds.task import resolve_task
from readsim_hf.components import Components
from readsim_hf.config import RunConfig
from readsim_hf.elicitation.base import Elicitation
from readsim_hf.interventions import planned_pools
from readsim_hf.models.pairs import Pair
from readsim_hf.probes.splits import SPLITS, Splits, few_items
from readsim_hf.source_selection import Size
from readsim_hf.sources.opened import Source
from readsim_hf.supervision import own_share, reads_of, scores_replies, supervision
from readsim_hf.text_lengths import (
    Known,
    Lengths,
    Probing,
    heard_before,
    lengths,
    probe_lengths,
    reader,
    stored_lengths,
)

EPOCHS = 40  # repeated as often, data are worth nothing more (Muennighoff et al. 2023, 2305.16264)


@dataclass(frozen=True)
class TokenEstimate:
    """Tokens of one run, and what they are made of.

    kinds      tokens by the ledger's kinds; `student` is exact
    examples   sequences that the student is trained on, an offline pool's too
    prompt, reply   mean tokens of one of these, in the student's tokens
    asked, said     the same of what the teacher answers, in its tokens
    own        share of the prompts that the student answers; `rolled` as `asked, said` of these
    answers    prompts of each source (S,) that the teacher answers, however often
    scores     texts of each source (S,) that it only reads, for its distributions: given replies and the
               student's; `heard` as `asked, said` of these
    trained    supervised tokens: the budget and an offline pool's
    measured   probe questions asked, all splits; `question`, `answer` their mean tokens, and whether some
               answers are `guessed`
    grade      mean tokens that a judge reads and writes for a reply
    trials     whether the allocator makes trials, which nobody can count before
    drawn      examples by source (S,), with the task's shares
    epochs     how often each source's rows are gone through (S,); 0 where prompts are made without end
    fresh      share of what the teacher answers that it has not answered before: a row that comes again has
               its reply in the cache
    different  prompts that differ, whoever answers
    known      how the length of each source's replies is known
    pools      trainings of each offline pool, and decisions of each
    """

    kinds: Mapping[str, float]
    examples: float
    prompt: float
    reply: float
    asked: float
    said: float
    own: float
    rolled: tuple[float, ...]
    answers: Array
    scores: Array
    heard: tuple[float, ...]
    trained: float
    measured: float
    question: float
    answer: float
    grade: float
    trials: bool
    drawn: Array
    epochs: Array
    fresh: float
    different: float
    known: tuple[Known, ...]
    guessed: bool
    pools: tuple[tuple[int, int], ...]

    @property
    def answered(self) -> float:
        """Prompts that the teacher answers."""
        return float(self.answers.sum())


def estimate_tokens(
    config: RunConfig,
    allocator: Allocator,
    teacher: Lengths,
    student: Lengths,
    shares: Array,
    items: Mapping[str, int],
    probe: Probing,
    rows: Array,
    *,
    scored: bool,
) -> TokenEstimate:
    """Estimates from mean lengths.

    scored   whether the teacher gives its distributions of replies that it did not say
    shares   of the budget by source (S,): the task's, since nobody knows an allocator's before
    items    of each split
    probe    what measuring takes
    rows     different ones of each source (S,), infinity where prompts are made
    """
    interval = config.budget // config.steps
    pools = planned_pools(config, allocator)
    trainings, intervals = sum(n for n, _ in pools), sum(n * each for n, each in pools)
    offline = intervals * interval
    trained = float(config.budget + offline)
    by_source = trained * shares / student.reply
    examples, own = float(by_source.sum()), own_share(config, supervision(config)[1])
    answers = (1.0 - own) * by_source * teacher.asks
    scores = by_source - answers if scored else np.zeros_like(answers)
    asks, both = by_source * teacher.asks, (teacher.prompt, teacher.reply)
    fresh = float(np.minimum(asks, rows).sum() / asks.sum()) if asks.any() else 1.0
    every = max(1, config.steps // DEV_CHECKPOINTS)
    probes = config.steps + 1 + intervals + len(pools) + ("teacher" in allocator.needs)
    devs = -(-config.steps // every) + trainings + len(pools)

    def asked_of(items: Mapping[str, int]) -> float:
        return float(probes * items["probe"] + devs * items["dev"] + 2 * items["test"])

    measured = asked_of(items)
    kinds = {
        "student": float(config.budget),
        "teacher_prompt": float(answers @ teacher.prompt),
        "teacher_generated": float(answers @ teacher.reply),
        "teacher_scored": float(scores @ (teacher.prompt + teacher.reply)),
        "student_rollout": own * float(by_source @ teacher.reply)
        + reads_of(config) * float(by_source @ (student.prompt + student.reply)),
        "probe": measured * (probe.question + probe.answer),
        "judge": asked_of(probe.graded) * probe.grade,
        "offline": float(offline),
    }
    prompt, reply = means(by_source, student.prompt, student.reply)
    asked, said = means(answers, *both)
    return TokenEstimate(
        kinds,
        examples,
        prompt,
        reply,
        asked,
        said,
        own,
        means(own * by_source, *both),
        answers,
        scores,
        means(scores, *both),
        trained,
        measured,
        probe.question,
        probe.answer,
        probe.grade,
        trials="trial" in allocator.needs,
        drawn=by_source,
        epochs=by_source / rows,
        fresh=fresh if config.data.cache else 1.0,
        different=float(np.minimum(by_source, rows).sum()),
        known=teacher.known,
        guessed=probe.guessed,
        pools=pools,
    )


def means(many: Array, *lengths: Array) -> tuple[float, ...]:
    """Mean of each of some `lengths` (S,) where a source has so `many` (S,); 0 where there are none."""
    mean = many / (many.sum() or 1.0)
    return tuple(float(mean @ one) for one in lengths)


def rows_of(sources: Sequence[str], datasets: Sequence[Source]) -> Array:
    """Different rows of each source (S,); infinity for prompts that are made, and for those of a store."""
    many = {source.name: source.many * source.distinct for source in datasets}
    return np.array([many.get(name, np.inf) for name in sources])


def shares_of(
    config: RunConfig,
    sources: tuple[str, ...],
    capabilities: tuple[str, ...],
    hidden: tuple[str, ...] = (),
) -> Array:
    """The task's requirement of the capabilities, hidden ones among them, as shares of the sources (S,)."""
    task = resolve_task(config.task, capabilities, hidden)
    visible = tuple(name for name in capabilities if name not in hidden)
    return source_prior(task.requirement, visible, sources)


def token_estimate_of(config: RunConfig, parts: Components, allocator: Allocator) -> TokenEstimate:
    """Of a run whose models are loaded."""
    pair, signal, longest = parts.pair, parts.teacher.signal, config.decoding.max_new_tokens
    own = parts.datasets
    if parts.store is not None:
        student = teacher = stored_lengths(parts.store.manifest)
    else:
        before, known = heard_before(config), (parts.library, signal.form)
        read = reader(pair.teacher_tokenizer)
        teacher = lengths(*known, read, longest, own, before.replies)
        student = lengths(*known, reader(pair.tokenizer), longest, own, before.taught)
    suite = parts.suite
    probe = probe_lengths(
        parts.library, suite.benchmarks, suite.splits, config, reader(pair.tokenizer)
    )
    shares = shares_of(config, parts.sources, suite.capabilities, suite.hidden)
    return estimate_tokens(
        config,
        allocator,
        teacher,
        student,
        shares,
        item_counts(suite.splits),
        probe,
        rows_of(parts.sources, own if parts.store is None else ()),
        scored=scores_replies(config),
    )


def item_counts(splits: Splits) -> dict[str, int]:
    """Items of all benchmarks in each split."""
    return {s: sum(splits.sizes(s).values()) for s in SPLITS}


def token_table(config: RunConfig, spent: TokenEstimate, items: Mapping[str, int]) -> Table:
    """Tokens by kind, and how they are known."""
    table = Table("tokens", "", "how")
    own, given = spent.own, "the student answers" if spent.own == 1 else "replies are given"
    how = {
        "student": f"exact: the budget, in {config.steps} decisions",
        "teacher_prompt": f"{spent.asked:.0f} a prompt, {spent.answered:.0f} prompts"
        if spent.answered
        else given,
        "teacher_generated": f"{spent.said:.1f} a reply, {known_words(spent)}"
        if spent.answered
        else given,
        "teacher_scored": f"{spent.scores.sum():.0f} given or student's replies, {sum(spent.heard):.0f} each",
        "student_rollout": f"{100 * own:.0f} % on-policy"
        + (f"; replies read {times} times before a step" if (times := reads_of(config)) else ""),
        "probe": f"{items['probe']} + {items['dev']} (dev) + {items['test']} (test) items, "
        f"{spent.question + spent.answer:.0f} each"
        + (", of which answers are a guess: half of the longest" if spent.guessed else ""),
        "judge": f"{spent.grade:.0f} a reply that it grades",
        "offline": " and ".join(
            f"{runs} runs of {n} of {config.steps} decisions" for runs, n in spent.pools
        )
        + ", rolled back",
    }
    for kind, tokens in spent.kinds.items():
        exact = kind in ("student", "offline")
        if tokens or kind not in ("teacher_scored", "offline", "judge"):
            shown = show_tokens(round(tokens)) if exact else f"~{_round(tokens)}"
            table.add_row(kind.replace("_", " "), shown, how[kind])
    if spent.trials:
        table.add_row("search", "?", "the allocator's trials, whose number is not known beforehand")
    return table


def known_words(spent: TokenEstimate) -> str:
    """How the length of the teacher's replies is known."""
    if "guess" in spent.known:
        return "a guess: half of the longest, where nothing is known of replies"
    if "measured" in spent.known:
        return "as measured in an earlier run or check"
    if "stored" in spent.known:
        return "as the store has it"
    return "as the gold answers are" if "gold" in spent.known else "as the given ones are"


def repeated_words(sources: Sequence[str], spent: TokenEstimate, rows: Array) -> list[str]:
    """A line for each source whose rows come to an end: how many prompts that is of how many; and a warning
    where they come more than EPOCHS times."""
    same = "" if spent.own == 1 else ", with the same reply"
    same += f" unless the student writes it ({100 * spent.own:.0f} %)" if 0 < spent.own < 1 else ""
    lines = []
    for name, n, many, epochs, how in zip(
        sources, spent.drawn, rows, spent.epochs, spent.known, strict=True
    ):
        if not np.isfinite(many) or not n:
            continue
        times = f"{epochs:.3g}" if epochs < 1000 else f"{epochs:,.0f}"
        lines.append(
            f"source {name}: about {_round(n)} prompts of {many:.0f} different rows, {times} epochs"
            + (f": each row comes that often{same}" if epochs > 1 else "")
            + ("; a guess, as the length of replies is" if how == "guess" else "")
        )
        if epochs > EPOCHS:
            lines.append(
                f"warning: source {name} would be repeated for {times} epochs, and rows that come more than "
                f"about {EPOCHS} times teach nothing new (arXiv 2305.16264): give it more rows, or the run "
                "a smaller budget"
            )
    return lines


def show_token_estimate(
    console: Console, config: RunConfig, parts: Components, allocator: Allocator
) -> None:
    """A table of tokens by kind: exact for the student, estimated for the others."""
    spent = token_estimate_of(config, parts, allocator)
    console.print(
        f"{parts.pair.name}: {_teachers(parts.pair, parts.store is not None)}, {_size(parts.pair.student)} "
        f"student; {config.method or f'{config.signal} x {config.objective}'}; allocator {config.allocator}; "
        f"about {spent.examples / config.training.batch:.0f} optimiser steps"
    )
    show_sources(console, parts.datasets, parts.sizes)
    rows = rows_of(parts.sources, parts.datasets if parts.store is None else ())
    for line in repeated_words(parts.sources, spent, rows):
        console.print(line, highlight=False)
    shares = shares_of(config, parts.sources, parts.suite.capabilities, parts.suite.hidden)
    without = [name for name, share in zip(parts.sources, shares, strict=True) if share == 0]
    if parts.datasets and without:
        console.print(
            f"the task requires no capability called {', '.join(without)}: an allocator that "
            "follows only the task gives these sources nothing",
            highlight=False,
        )
    console.print(token_table(config, spent, item_counts(parts.suite.splits)))
    for line in few_items(parts.suite.splits):
        console.print(line, highlight=False)
    for name, words in parts.evaluations.items():
        console.print(f"evaluates {name}: {words}", highlight=False)
    if parts.store is not None:
        manifest = parts.store.manifest
        held = np.array([manifest.totals(source)["tokens"] for source in parts.sources])
        suite = parts.suite
        shares = shares_of(config, parts.sources, suite.capabilities, suite.hidden)
        passes = float((spent.trained * shares / np.maximum(held, 1)).max())
        console.print(
            f"data.store: {show_tokens(int(held.sum()))} tokens, {manifest.token_bytes:.0f} bytes "
            f"each, content {manifest.content[:16]}; with the task's shares, no "
            f"source is read more than {passes:.2g} times",
            highlight=False,
        )
    for line in several_words(config):
        console.print(line, highlight=False)
    if not config.data.cache and any(teacher.server for teacher in parts.pair.teacher_sources):
        console.print(
            "warning: cache is '': replies of the server are not kept, and --resume pays for them again",
        )
    if parts.left_out:
        console.print(
            f"left out because their prompts do not fit {parts.pair.context} tokens: "
            f"{', '.join(parts.left_out)}",
        )


def several_words(config: RunConfig) -> list[str]:
    """A line where a prompt takes several requests, which are not counted."""
    signal = supervision(config)[0]
    if not isinstance(signal, Elicitation) or config.data.store:
        return []
    words = "takes several requests or attempts per prompt: the tokens of teacher and student are"
    return [f"{signal.name} {words} that many times those counted here, and so are a plan's hours"]


def show_sources(
    console: Console, datasets: Sequence[Source], sizes: Mapping[str, Size] | None = None
) -> None:
    """What each data set is, how it is read, whether that was guessed, and how much there is of it."""
    for source in datasets:
        size = (sizes or {}).get(source.name)
        known = "" if size is None else f"{'' if size.exact else 'about '}{_round(size.tokens)}"
        counted = f"; {known} supervised tokens" if size is not None and not source.asks else ""
        console.print(f"source {source.words}{counted}", highlight=False)


def _round(tokens: float) -> str:
    return show_tokens(int(float(f"{tokens:.2g}")))


def _teachers(pair: Pair, stored: bool) -> str:
    """Size of each teacher, or where it is served."""
    said = []
    if pair.teacher is None and pair.server is None:
        return "the replies of a teach store" if stored else "no teacher, all replies are given"
    for capability, teacher in zip(("", *pair.others), pair.teacher_sources, strict=True):
        where = f"{teacher.server.model} at {teacher.server.url}" if teacher.server else ""
        what = (
            f"{_size(teacher.model)} teacher" if teacher.model is not None else f"teacher {where}"
        )
        said.append(f"{what} for {capability}" if capability else what)
    return ", ".join(said)


def _size(model: PreTrainedModel) -> str:
    count = model.num_parameters()
    return f"{count / 1e6:.3g}M" if count < 1e9 else f"{count / 1e9:.3g}B"
