"""`readsim teach`: ask a teacher once, and keep prompts, replies and distributions for any number of runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from readsim.cli.common import need_target, progress
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.errors import ConfigError, TrainingError
from readsim.files.json_text import digest_of
from readsim.token_counts import show_tokens
from readsim_hf.backend import data_seed
from readsim_hf.components import Components, build_components
from readsim_hf.config import RunConfig, resolve_config
from readsim_hf.costs.disk import store_bytes
from readsim_hf.elicitation.base import Elicitation
from readsim_hf.generation.source import SourceStream
from readsim_hf.models.pairs import load_pair, sources
from readsim_hf.models.tokens import vocabulary_size
from readsim_hf.needs import check_needs
from readsim_hf.objectives.sampling import sampling_of
from readsim_hf.plan.show import disk_size
from readsim_hf.probes.sandbox import AllowCode
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.results import teacher_words
from readsim_hf.source_selection import is_alone
from readsim_hf.store.manifest import FILE, Manifest, Precision, StoreFacts
from readsim_hf.store.shards import StoredPrompt
from readsim_hf.store.writing import (
    begun,
    completed,
    save_tokenizer,
    tokenizer_digests,
    write_shard,
)
from readsim_hf.supervision import scores_replies, supervision
from readsim_hf.teachers.connection import is_server
from readsim_hf.teachers.encoding import end_ids
from readsim_hf.teachers.heard import Heard
from readsim_hf.text_lengths import heard_before, lengths, reader
from readsim_hf.training.example_stream import PATIENCE, ExampleStream

SHARD = 256  # prompts of a file: what a kill loses of a teacher that is loaded here
REPLIES = "replies.sqlite"  # of servers, in the store's folder, where data.cache names no other


class Amount(NamedTuple):
    """How much of each source: prompts or supervised tokens; neither: all rows. Of a source with rows at
    most all of them."""

    prompts: int | None = None
    tokens: int | None = None

    def reached(self, done: Mapping[str, int]) -> bool:
        """Whether these totals of a source are enough."""
        if self.prompts is not None:
            return done["prompts"] >= self.prompts
        return self.tokens is not None and done["tokens"] >= self.tokens

    @property
    def size(self) -> int | None:
        """None where the rows decide."""
        return self.prompts or self.tokens

    @property
    def unit(self) -> str:
        """The total that is counted."""
        return "prompts" if self.tokens is None else "tokens"


def teach(
    file: Path | None,
    options: Mapping[str, Any],
    out: Path,
    wanted: Amount,
    precision: Precision = "exact",
    *,
    dry_run: bool = False,
    allow_code: AllowCode = False,
) -> Manifest | None:
    """Make the store at `out`, or continue it; None for a dry run.

    Whenever it is stopped, the store is valid and holds what its manifest says. Raises ConfigError for
    settings that differ from those that the store was begun with.
    """
    console = Terminal()
    config = resolve_config(file, options, allow_code=allow_code)
    check_teachable(config, precision)
    served = any(map(is_server, (config.pair.teacher or "", *config.pair.teachers.values())))
    if served and not config.data.cache:
        config = replace(config, data=replace(config.data, cache=str(out / REPLIES)))
    torch.set_num_threads(config.threads)
    if not dry_run:
        for target in (out / FILE, *([Path(config.data.cache)] if config.data.cache else [])):
            need_target(target)
    pair = load_pair(**asdict(config.pair), server=config.server)
    parts = build_components(config, pair)
    _check_amount(parts, wanted)
    show_estimate(console, config, parts, wanted, precision)
    if dry_run:
        return None
    advice = f"what is whole is kept in {out}; the same command resumes"
    with interruptible(advice), torch.random.fork_rng():
        made = teach_parts(config, parts, out, wanted, precision, Terminal(stderr=True))
    console.print(teacher_words(parts.teacher.counts, made.rejected()), highlight=False)
    if doubt := parts.teacher.counts.in_doubt:
        console.print(f"{doubt} requests to the teacher may have been paid for without a reply")
    show_store(console, made)
    return made


def teach_parts(
    config: RunConfig,
    parts: Components,
    out: Path,
    wanted: Amount,
    precision: Precision,
    console: Console,
) -> Manifest:
    """See `teach`; with what is loaded."""
    facts = store_facts(config, parts, precision)
    manifest = begun(out, facts, models_of(config, parts))
    save_tokenizer(parts.pair.tokenizer, out)
    parts.open_cache()
    parts = replace(parts, data=replace(parts.data, curriculum="off"))
    feed = parts.feed(data_seed(config.seed, 0), _no_student)
    with progress(console) as bar:
        for number, source in enumerate(parts.sources):
            done = manifest.totals(source)
            job = bar.add_task(source, total=wanted.size, completed=done[wanted.unit])
            asking = _Asking(parts, feed, number, config.data.group)
            feed.streams[number].take(done["prompts"], 0.0)  # the same prompts again
            while not (wanted.reached(done) or asking.exhausted):
                n = sum(shard.source == source for shard in manifest.shards)
                name = f"{number:03d}-{n:05d}.parquet"
                rejected = dict(parts.teacher.rejections.table().get(source, {}))
                prompts: list[StoredPrompt] = []
                for some in asking.until(wanted, done, len(prompts)):
                    prompts += some
                    bar.update(job, completed=done[wanted.unit])
                if not prompts:
                    break
                after = parts.teacher.rejections.table().get(source, {})
                new = {
                    r: c - rejected.get(r, 0) for r, c in after.items() if c > rejected.get(r, 0)
                }
                manifest = write_shard(manifest, name, source, prompts, new)
    return completed(manifest)


class _Asking:
    """The prompts of one source, with what the teacher says to them."""

    def __init__(self, parts: Components, feed: ExampleStream, number: int, group: int) -> None:
        self.parts, self.feed, self.group = parts, feed, group
        self.stream = feed.streams[number]
        self._heard: list[Heard] = []
        self._empty = 0  # groups in a row without a usable reply
        self.exhausted = False  # each row of a source with rows was given
        parts.teacher.listener = self._heard.extend

    def until(
        self, wanted: Amount, done: dict[str, int], begun: int
    ) -> Iterator[list[StoredPrompt]]:
        """Groups until a shard is full or all is there; `done` is brought up to date."""
        while begun < SHARD and not (wanted.reached(done) or self.exhausted):
            n = min(self.group, SHARD - begun)
            if wanted.prompts is not None:
                n = min(n, wanted.prompts - done["prompts"])
            some = self._ask(self._take(n))
            begun += len(some)
            done["prompts"] += len(some)
            done["tokens"] += sum(r.supervised for prompt in some for r in prompt.records)
            silent = bool(some) and not any(prompt.records for prompt in some)
            self._empty = self._empty + 1 if silent else 0
            if self._empty == PATIENCE:
                raise TrainingError(
                    f"the teacher gave no usable reply for {self.stream.name} in {PATIENCE} requests: "
                    "look at its replies, raise decoding.max_new_tokens (what is cut there is dropped "
                    "without data.keep_cut), or use other prompts"
                )
            yield some

    def _take(self, n: int) -> Sequence[Prompt]:
        """The next n prompts; fewer where there are no more rows, of which none is given twice."""
        if not _has_rows(self.stream):
            return self.stream.take(n, 0.0)
        out: list[Prompt] = []
        while len(out) < n and self.stream.counts["epochs"] < 1:
            (prompt,) = self.stream.take(1, 0.0)
            if self.stream.counts["epochs"] <= 1:  # the last rows may have been passed by
                out.append(prompt)
        self.exhausted = len(out) < n
        return out

    def _ask(self, prompts: Sequence[Prompt]) -> list[StoredPrompt]:
        self._heard.clear()
        replies = self.feed.teacher.ask(prompts)
        spent: dict[tuple[str, str], list[int]] = {}
        for heard in self._heard:
            tokens = spent.setdefault((heard.prompt, heard.key), [0, 0])
            tokens[0] += heard.prompt_tokens
            tokens[1] += heard.reply_tokens
        out = []
        for prompt, reply in zip(prompts, replies, strict=True):
            records = self.feed.records(prompt, reply)
            asked, said = spent.get((prompt.text, prompt.key), (0, 0))
            known = {f.name: getattr(prompt, f.name) for f in fields(Prompt)}
            bucket = self._bucket(prompt)
            out.append(
                StoredPrompt(**known, records=tuple(records), asked=(asked, said), bucket=bucket)
            )
        return out

    def _bucket(self, prompt: Prompt) -> int:
        scale = self.parts.calibrations.get(prompt.capability)
        return 0 if scale is None else scale.place(prompt, prompt.key)[1]


def _has_rows(stream: SourceStream) -> bool:
    """Whether it is gone through again and again, and counts that."""
    return "rows" in stream.counts


def _check_amount(parts: Components, wanted: Amount) -> None:
    """ConfigError where all of a source without an end is wanted."""
    if wanted.size is not None:
        return
    for stream in parts.feed(0, _no_student).streams:
        if not _has_rows(stream):
            raise ConfigError(
                f"--prompts None, --tokens None: the prompts of {stream.name!r} have no end; say how "
                "much of each source is asked, with one of them"
            )


def store_facts(config: RunConfig, parts: Components, precision: Precision) -> StoreFacts:
    """What the records of this run's teacher have in common."""
    teacher, pair, soft = parts.teacher, parts.pair, parts.teacher.soft
    size = vocabulary_size(pair.student.config) if pair.vocabulary is None else pair.vocabulary
    prompts = {**pair.prompts.table(), "date": pair.prompts.date}
    return StoreFacts(
        teacher=teacher.fingerprint,
        prompts=prompts,
        method=config.method,
        signal=config.signal,
        objective=config.objective,
        supervised=teacher.signal.name,
        form=teacher.signal.form,
        suffix=teacher.style.suffix(teacher.signal.form),
        tasks=teacher.signal.tasks,
        decoding={
            "max_new_tokens": config.decoding.max_new_tokens,
            "temperature": float(config.decoding.temperature),
        },
        soft=None if soft is None else {"kind": soft.kind, "k": soft.entries},
        precision=precision,
        vocabulary=pair.shared_vocabulary() if soft is not None else size,
        ends=end_ids(pair.student, pair.tokenizer),
        keep=config.data.keep,
        keep_cut=config.data.keep_cut,
        library=pair.library_name,
        tokenizer=tokenizer_digests(pair.tokenizer),
        sampled={
            "seed": config.seed,
            "cap": config.data.cap,
            "difficulty": config.data.difficulty,
            "capabilities": list(parts.library.capabilities),
            "templates": parts.manifest["templates"],
            "sources": parts.manifest.get("sources"),
            "held_out": digest_of(parts.manifest["probes"]),
        },
    )


def models_of(config: RunConfig, parts: Components) -> dict[str, Any]:
    """Who taught whom, in words: `named`, settings of [pair] that name both; the sources of each."""
    given = config.pair
    _, teacher, student = sources(given.name, given.teacher, given.student, given.layers)
    if is_server(teacher):
        teacher = parts.teacher.fingerprint
    named: dict[str, Any] = {"teacher": teacher, "student": student}
    if given.teacher is None:
        named = {"name": given.name or "nano", "layers": given.layers}
    return {"named": named, "teacher": teacher, "student": student}


def show_estimate(
    console: Console, config: RunConfig, parts: Components, wanted: Amount, precision: Precision
) -> None:
    """What asking will take, from templates, gold and given replies, and what was heard before; nothing is
    asked. The teacher writes no reply that is given, but reads it where its distributions are kept."""
    if wanted.size is None:
        return  # what there is
    teacher, pair = parts.teacher, parts.pair
    known = lengths(
        parts.library,
        teacher.signal.form,
        reader(pair.teacher_tokenizer),
        config.decoding.max_new_tokens,
        parts.datasets,
        heard_before(config).replies,
    )
    scored, soft = scores_replies(config), teacher.soft
    k = 0 if soft is None else soft.entries or pair.shared_vocabulary()
    whole = soft is not None and soft.kind == "full"
    vocabulary = vocabulary_size(pair.student.config)
    table = Table("source", "prompts", "tokens", "read", "written", "disk", title="estimate")
    rows = zip(parts.sources, known.prompt, known.reply, known.asks, strict=True)
    for name, prompt, reply, asks in rows:
        n = wanted.prompts if wanted.prompts is not None else (wanted.tokens or 0) / reply
        read = asks * prompt + (1 - asks) * scored * (prompt + reply)
        tokens = (show_tokens(round(n * each)) for each in (reply, read, asks * reply))
        small = precision == "small"
        size = n * store_bytes(vocabulary, prompt, reply, k, whole=whole, small=small)
        table.add_row(name, f"{n:.0f}", *tokens, disk_size(size))
    console.print(table)
    console.print("read and written: the teacher's tokens; none where its reply is in the cache")


def show_store(console: Console, manifest: Manifest) -> None:
    """What a store holds, as a table and two lines."""
    names = ("prompts", "replies", "tokens", "bytes")
    table = Table("source", *names, title=str(manifest.folder))
    for source in manifest.sources:
        sums = manifest.totals(source)
        table.add_row(source, *(str(sums[n]) for n in names[:3]), disk_size(float(sums["bytes"])))
    console.print(table)
    facts = manifest.facts
    kept = "no distributions"
    if facts.soft is not None:
        k = f", k {facts.soft['k']}" if facts.soft.get("k") else ""
        kept = f"{facts.soft['kind']} distributions{k}, {facts.precision}"
    whole = "" if manifest.complete else "; unfinished: the same command resumes"
    console.print(
        f"{facts.supervised} replies of {facts.teacher[:40]}, {kept}: {manifest.token_bytes:.1f} bytes a "
        f"token{whole}",
        highlight=False,
    )
    console.print(f"content {manifest.content}", highlight=False)


def check_teachable(config: RunConfig, precision: Precision) -> None:
    """ConfigError for settings that no store can be made with."""
    signal, objective, soft = supervision(config)
    if sampling_of(objective) is not None:
        raise ConfigError(
            f"method {config.method or config.objective!r} trains on the student's own replies, "
            "which belong to a single run; use another"
        )
    if isinstance(signal, Elicitation) and signal.tries:
        raise ConfigError(
            f"signal {signal.name!r}: the student's own attempts belong to a single run; "
            "accepted: a signal that asks only the teacher"
        )
    check_needs(config, ())
    if precision == "small" and (soft is None or soft.kind != "topk"):
        kind = None if soft is None else soft.kind
        raise ConfigError(
            f"--small with soft.kind = {kind!r}: it quantises 'topk' distributions; --soft topk, or leave "
            "--small out"
        )
    if config.data.store:
        raise ConfigError(
            f"data.store = {config.data.store!r}: `teach` asks a teacher; leave it out"
        )
    if is_alone(config):
        raise ConfigError("pair.teacher = None: `teach` asks a teacher; name one")
    if config.on_policy > 0:
        raise ConfigError(
            f"on_policy = {config.on_policy!r}: the student's own text belongs to a single run; "
            "use on_policy = 0"
        )


def _no_student() -> nn.Module:
    raise ConfigError("on_policy: no student answers while a store is made")
