"""What does not change during a run: models, prompts, teacher, objective, probes; and its identity."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache, partial
from importlib import metadata
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from readsim.files.json_text import digest_of
from readsim_hf.benchmark_factory import (
    benchmarks_of,
    capabilities_of,
    hidden_of,
    scoring_of,
)
from readsim_hf.config import RunConfig
from readsim_hf.data_config import DataConfig
from readsim_hf.elicitation.base import Elicitation
from readsim_hf.generation.calibration import Calibration, calibrate
from readsim_hf.generation.leaks import LeakFilter
from readsim_hf.generation.source import SourceStream
from readsim_hf.generation.stream import PromptStream
from readsim_hf.manifest import manifest_of
from readsim_hf.models.lone import StoredTokens, load_lone_student, load_stored_pair
from readsim_hf.models.pairs import Pair, load_pair
from readsim_hf.models.tokens import vocabulary_size
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.vocabulary import Cut
from readsim_hf.probes.splits import Split
from readsim_hf.probes.suite import ItemScores, ProbeSuite
from readsim_hf.prompt_selection import (
    _count,
    leaves_room,
    library_of,
    sample,
    suffixes_of,
    wrapping_of,
)
from readsim_hf.prompts.length_filter import filter_by_length
from readsim_hf.prompts.library import Library
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.sampled import Sampled, sampled_of, student_server_of
from readsim_hf.sampling_config import Weighing
from readsim_hf.source_selection import (
    Size,
    check_alone,
    check_conversations,
    is_alone,
    passed_by,
    source_size,
    sources_of,
)
from readsim_hf.sources.opened import Source
from readsim_hf.sources.stream import Passed
from readsim_hf.store.manifest import TOKENIZER, load_manifest
from readsim_hf.store.reading import TeachStore
from readsim_hf.store.settings import check_agrees, check_soft
from readsim_hf.store.stream import StoreStream
from readsim_hf.store.teacher import StoredTeacher
from readsim_hf.supervision import check_tokens, supervision, teacher_soft
from readsim_hf.teacher_factory import passes_across, states_teacher, teacher_of
from readsim_hf.teachers.absent import AbsentTeacher
from readsim_hf.teachers.base import AnyTeacher, stop_asking
from readsim_hf.teachers.cache import SignalCache
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.encoding import end_ids
from readsim_hf.teachers.scoring import SoftSettings
from readsim_hf.training.determinism import before_cuda
from readsim_hf.training.elicited import Elicited
from readsim_hf.training.example_stream import ExampleStream
from readsim_hf.training.layer_pairs import hidden_term
from readsim_hf.training.liger import check_liger
from readsim_hf.training.logits import bare
from readsim_hf.training.lora import check_lora
from readsim_hf.training.packing import check_packing
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.replies import Replies
from readsim_hf.training.served import ServedWriter, StudentServer
from readsim_hf.training.student import Student
from readsim_hf.training.writers import InProcess, Writer

VERSIONS = ("torch", "transformers", "lm_eval", "tokenizers")


@dataclass(frozen=True, eq=False)
class Components:
    """See `build_components`.

    `left_out` names templates whose prompts are too long; `datasets` are the sources of users, `passed` why
    a row of each is not trained on, `sizes` how much there is of each; `evaluations` says what each of the
    user's is, by benchmark; `manifest` is plain data, `identity` its SHA-256 without the versions;
    `rollout` is how the student's replies are drawn;
    `own_soft` is what is kept of the student's distributions where it teaches itself;
    `make_student` is another where several processes train it; `made_on_host`, then takes it to the devices;
    `sampled` is for an objective that trains on groups of replies; `student_server` writes the student's text
    where it is not None.
    """

    pair: Pair
    library: Library
    teacher: AnyTeacher
    objective: Objective
    recipe: Recipe
    suite: ProbeSuite
    leaks: LeakFilter
    calibrations: Mapping[str, Calibration]
    data: DataConfig
    on_policy: float
    rollout: Decoding
    auxiliary_weight: float
    pool_runs: int
    pool_steps: int
    left_out: tuple[str, ...]
    datasets: tuple[Source, ...]
    passed: Mapping[str, Callable[[Prompt], Passed | None]]
    sizes: Mapping[str, Size]
    evaluations: Mapping[str, str]
    manifest: Mapping[str, Any]
    identity: str
    make_student: Callable[[PreTrainedModel, Recipe, Objective], Student] = Student
    made_on_host: bool = False
    store: TeachStore | None = None
    own_soft: SoftSettings | None = None
    sampled: Sampled | None = None
    student_server: StudentServer | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        """What is trained on: the store's sources; or our own prompts by capability, then data sets."""
        if self.store is not None:
            return self.store.manifest.sources
        return (*self.library.capabilities, *(source.name for source in self.datasets))

    @property
    def weighing(self) -> Weighing:
        """What multiplies the losses of a source beside its share."""
        return "label" if self.sampled is None else self.sampled.config.weights

    def fresh_student(self) -> Student:
        """The pair's starting student with a new optimiser."""
        place = torch.device("cpu") if self.made_on_host else None
        return self.make_student(self.pair.fresh_student(place), self.recipe, self.objective)

    def feed(
        self,
        seed: int,
        student: Callable[[], nn.Module],
        trainer: Callable[[], Student] | None = None,
    ) -> ExampleStream:
        """A run's examples; `student` gives the student that answers on-policy prompts, `trainer` what trains
        it, which groups of replies need."""
        if isinstance(self.teacher, StoredTeacher):
            assert self.store is not None
            stored = [
                StoreStream(self.store, source, seed, self.leaks, self.data.curriculum)
                for source in self.sources
            ]
            tasks = self.store.manifest.facts.tasks
            several = tasks > 1 or isinstance(self.teacher.signal, Elicitation)
            cut = self.teacher.cut if several else None
            unit = self.data.unit
            return ExampleStream(stored, self.teacher, self.data.group, cut, tasks, unit)
        streams: list[SourceStream] = [
            PromptStream(
                self.library,
                capability,
                seed,
                self.leaks,
                self.data.curriculum,
                self.calibrations[capability],
                self.data.cap,
            )
            for capability in self.library.capabilities
        ]
        streams += [s.stream(seed, self.leaks, self.passed[s.name]) for s in self.datasets]
        given = self.teacher, student, self.pair.tokenizer if self._translates else None
        settings: dict[str, Any] = {
            "weight": self.on_policy if self.sampled is None else 0.0,  # groups say who writes
            "rollout": self.rollout,
            "seed": seed,
            "context": self.pair.context,
            "auxiliary": self.auxiliary_weight,
            "ends": end_ids(self.pair.student, self.pair.tokenizer),
            "precision": self.recipe.precision,
            "writer": self._writer(student, trainer),
        }
        if isinstance(self.teacher.signal, Elicitation):
            columns = self.pair.vocabulary or vocabulary_size(self.pair.student.config)
            settings |= {"columns": columns, "soft": self.own_soft, "leaks": self.leaks}
            replies: Replies = Elicited(*given, **settings)
        else:
            replies = Replies(*given, **settings)
        if self.sampled is not None:
            groups = self.sampled.groups(replies, self._trainer(trainer), self.pair.student)
            return ExampleStream(
                streams, groups, self.data.group, tasks=groups.size, unit=self.data.unit
            )
        return ExampleStream(
            streams,
            replies,
            self.data.group,
            replies.cut,
            self.teacher.signal.tasks,
            self.data.unit,
            replies.begin if all(source.asks for source in self.datasets) else None,
        )

    def _writer(
        self, student: Callable[[], nn.Module], trainer: Callable[[], Student] | None
    ) -> Writer:
        """Who writes the student's text in one run."""
        if self.student_server is None:
            return InProcess(student, self.recipe.precision)
        steps = (lambda: 0) if trainer is None else (lambda: trainer().steps)
        return ServedWriter(self.student_server, student, steps, self.recipe.precision)

    def _trainer(self, given: Callable[[], Student] | None) -> Callable[[], Student]:
        """What trains the student whose replies are sampled: a fresh one where none is in training."""
        return given or cache(self.fresh_student)

    @property
    def _translates(self) -> bool:
        """Whether records are in other tokens than the student's."""
        return self.pair.vocabulary is None and self.teacher.tokenizer is not self.pair.tokenizer

    def open_cache(self) -> None:
        """Open or make the file of teacher replies, if there is to be one: only when a run begins, so
        that settings which are refused leave no file."""
        if self.data.cache and self.teacher.cache is None and self.store is None:
            self.teacher.cache = SignalCache(self.data.cache)
            more = () if self.sampled is None else self.sampled.graders
            for judge in (*self.suite.judges, *more):
                judge.cache = self.teacher.cache

    @contextmanager
    def asking(self) -> Iterator[None]:
        """The teacher's replies are kept in a file inside; afterwards none is asked for in the background."""
        self.open_cache()
        try:
            yield
        finally:
            stop_asking(self.teacher)

    def measure(self, model: nn.Module, split: Split) -> ItemScores:
        """Scores of a model on one split."""
        return self.suite.measure(bare(model), self.pair.tokenizer, split, self.pair.context)


def pair_of(config: RunConfig, training: int = 0) -> Pair:
    """The pair of these settings, loaded, its teachers beyond the first `training` GPUs; with a store, and
    without a teacher, its student alone. Raises as `load_pair`."""
    before_cuda(config.training)
    settings = asdict(config.pair) | {"student_precision": config.student_precision}
    if not config.data.store:
        if is_alone(config):
            return load_lone_student(**settings)
        return load_pair(**settings, server=config.server, training=training)
    manifest = load_manifest(config.data.store)
    facts = manifest.facts
    tokens = StoredTokens(
        manifest.folder / TOKENIZER,
        facts.ends,
        facts.vocabulary,
        "nano" if facts.library == "nano" else "text",
        str(manifest.folder),
    )
    return load_stored_pair(tokens, **settings)


def build_components(config: RunConfig, pair: Pair, library: Library | None = None) -> Components:
    """Everything of a run, checked together before anything is trained or asked.

    `library` None is the pair's own with the templates of `config.data`. Raises ConfigError for a
    combination that is not defined, tokenizers that differ where distributions are needed, a
    capability without templates or probe, a leak between the splits.
    """
    if config.training.liger:
        check_liger(pair.student, pair.device)
    check_lora(pair.student.config, config.training)
    if config.training.packing:
        check_packing(pair.student)
    if library is None:
        library = library_of(config.data, pair.library_name, pair.teacher_tokenizer)
    tokens = {"same": pair.vocabulary is not None, "several": bool(pair.others)}
    check_tokens(config, **tokens)
    signal, objective, kept = supervision(config)
    heard = teacher_soft(signal, kept)
    across = passes_across(
        objective, heard, config.on_policy, **tokens, local=pair.teacher is not None
    )
    scores = None if heard is None else not (pair.others or across)
    datasets = sources_of(config, library, signal, scores)
    if is_alone(config):
        check_alone(library, datasets, signal, heard is not None)
    suffixes = suffixes_of(config, library.style, signal)
    readers = (*(teacher.tokenizer for teacher in pair.teacher_sources), pair.tokenizer)
    able = partial(
        leaves_room,
        config,
        pair.context,
        [partial(_count, tokenizer) for tokenizer in readers],
        suffixes,
        wrapping=wrapping_of(readers),
    )
    library, left_out = filter_by_length(library, able)
    decoding, rollout = config.decoding.of_teacher(), config.decoding.of_student()
    judged = config.data.keep, config.data.keep_cut
    check_conversations(datasets, readers)
    ends = end_ids(pair.student, pair.tokenizer)
    passed = {
        s.name: passed_by(config, s, pair.context, readers, ends, library.style) for s in datasets
    }
    new = config.decoding.max_new_tokens
    sizes = {s.name: source_size(s, passed[s.name], pair.tokenizer, ends, new) for s in datasets}
    store = TeachStore(config.data.store) if config.data.store else None
    teacher: AnyTeacher
    if is_alone(config):
        size = vocabulary_size(pair.student.config)
        teacher = AbsentTeacher(
            pair.tokenizer, library.style, signal, decoding=decoding, ends=ends, vocab=size
        )
    elif store is None:
        names = (*library.capabilities, *passed)
        teacher = teacher_of(pair, library, signal, decoding, heard, *judged, names, across)
    else:
        check_agrees(store.manifest, config.table(), signal.name)
        check_soft(store.manifest, kept)
        made_of = store.manifest, pair.tokenizer, library.style, signal
        teacher = StoredTeacher(*made_of, decoding=decoding, soft=kept)
    vocabulary = pair.shared_vocabulary() if heard and not across else pair.vocabulary
    reads_states = hidden_term(objective) is not None
    benchmarks, splits, words = benchmarks_of(config.probes, library)
    suite = ProbeSuite(
        benchmarks,
        splits,
        capabilities_of(benchmarks, library),
        hidden=hidden_of(benchmarks),
        batch_size=config.probes.batch_size,
        truncate=config.probes.truncate,
        samples=config.probes.samples,
    )
    sampled = sampled_of(config, objective, library, datasets)
    for judge in (*suite.judges, *(() if sampled is None else sampled.graders)):
        _ = judge.server  # it is there, and says what it serves
    manifest = manifest_of(config, pair, library, teacher, splits, datasets, scoring_of(benchmarks))
    made = Components(
        pair=pair,
        library=library,
        teacher=teacher,
        objective=objective if vocabulary is None else Cut(objective, vocabulary),
        recipe=config.training,
        suite=suite,
        leaks=LeakFilter(
            splits.questions(generated=False),
            generated=splits.questions(generated=True),
            background=sample(library),
        ),
        calibrations={
            c: calibrate(library.templates[c], method=config.data.difficulty)
            for c in library.capabilities
        },
        data=config.data,
        on_policy=config.on_policy,
        rollout=rollout,
        auxiliary_weight=config.auxiliary_weight,
        pool_runs=config.pool_runs,
        pool_steps=config.pool_steps,
        left_out=tuple(left_out),
        datasets=datasets,
        passed=passed,
        sizes=sizes,
        evaluations=words,
        manifest={**manifest, "versions": {name: metadata.version(name) for name in VERSIONS}},
        identity=digest_of(manifest),
        store=store,
        make_student=partial(Student, teacher=states_teacher(pair)) if reads_states else Student,
        own_soft=kept if isinstance(signal, Elicitation) else None,
        sampled=sampled,
        student_server=student_server_of(config, pair, signal, objective),
    )
    made.feed(0, lambda: pair.student)  # a template cap that cannot be kept is refused now
    return made
