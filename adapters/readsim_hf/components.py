"""What does not change during a run: models, prompts, teacher, objective, probes; and its identity."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from readsim.runs.identity import digest_of
from readsim_hf.benchmark_factory import (
    benchmarks_of,
    capabilities_of,
    hidden_of,
    scoring_of,
)
from readsim_hf.config import DataConfig, RunConfig
from readsim_hf.generation.calibration import Calibration, calibrate
from readsim_hf.generation.leaks import LeakFilter
from readsim_hf.generation.stream import PromptStream
from readsim_hf.manifest import manifest_of
from readsim_hf.models.pairs import Pair
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
from readsim_hf.supervision import supervision
from readsim_hf.teacher_factory import teacher_of
from readsim_hf.teachers.base import AnyTeacher
from readsim_hf.teachers.cache import SignalCache
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.encoding import end_ids
from readsim_hf.training.example_stream import ExampleStream
from readsim_hf.training.liger import check_liger
from readsim_hf.training.logits import bare
from readsim_hf.training.lora import check_lora
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.replies import Replies
from readsim_hf.training.student import Student

VERSIONS = ("torch", "transformers", "lm_eval", "tokenizers")


@dataclass(frozen=True, eq=False)
class Components:
    """See `build_components`.

    `left_out` names templates whose prompts are too long; `evaluations` says what each of the user's is, by
    benchmark; `manifest` is plain data, `identity` its
    SHA-256 without the versions; `make_student` is another where several processes train it.
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
    auxiliary_weight: float
    pool_runs: int
    left_out: tuple[str, ...]
    evaluations: Mapping[str, str]
    manifest: Mapping[str, Any]
    identity: str
    make_student: Callable[[PreTrainedModel, Recipe, Objective], Student] = Student

    def fresh_student(self) -> Student:
        """The pair's starting student with a new optimiser."""
        return self.make_student(self.pair.fresh_student(), self.recipe, self.objective)

    def feed(self, seed: int, student: Callable[[], nn.Module]) -> ExampleStream:
        """A run's examples; `student` gives the student that answers on-policy prompts."""
        streams = [
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
        replies = Replies(
            self.teacher,
            student,
            self.pair.tokenizer if self._translates else None,
            weight=self.on_policy,
            rollout=self.teacher.decoding,
            seed=seed,
            context=self.pair.context,
            auxiliary=self.auxiliary_weight,
            ends=end_ids(self.pair.student, self.pair.tokenizer),
        )
        return ExampleStream(
            streams, replies, self.data.group, replies.cut, self.teacher.signal.tasks
        )

    @property
    def _translates(self) -> bool:
        """Whether records are in other tokens than the student's."""
        return self.pair.vocabulary is None and self.teacher.tokenizer is not self.pair.tokenizer

    def open_cache(self) -> None:
        """Open or make the file of teacher replies, if there is to be one: only when a run begins, so
        that settings which are refused leave no file."""
        if self.data.cache and self.teacher.cache is None:
            self.teacher.cache = SignalCache(self.data.cache)
            for judge in self.suite.judges:
                judge.cache = self.teacher.cache

    def measure(self, model: nn.Module, split: Split) -> ItemScores:
        """Scores of a model on one split."""
        return self.suite.measure(bare(model), self.pair.tokenizer, split, self.pair.context)


def build_components(config: RunConfig, pair: Pair, library: Library | None = None) -> Components:
    """Everything of a run, checked together before anything is trained or asked.

    `library` None is the pair's own with the templates of `config.data`. Raises ConfigError for a
    combination that is not defined, tokenizers that differ where distributions are needed, a
    capability without templates or probe, a leak between the splits.
    """
    if config.training.liger:
        check_liger(pair.student, pair.device)
    check_lora(pair.student.config, config.training)
    if library is None:
        library = library_of(config.data, pair.library_name, pair.teacher_tokenizer)
    signal, objective, kept = supervision(config)
    suffixes = suffixes_of(config, library.style, signal)
    readers = (*(teacher.tokenizer for teacher in pair.teacher_sources), pair.tokenizer)
    counts = [partial(_count, tokenizer) for tokenizer in readers]
    able = partial(
        leaves_room, config, pair.context, counts, suffixes, wrapping=wrapping_of(readers)
    )
    library, left_out = filter_by_length(library, able)
    decoding = Decoding(**asdict(config.decoding))
    judged = config.data.keep, config.data.keep_cut
    teacher = teacher_of(pair, library, signal, decoding, kept, config.on_policy, *judged)
    vocabulary = pair.shared_vocabulary() if kept else pair.vocabulary
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
    for judge in suite.judges:
        _ = judge.server  # it is there, and says what it serves
    manifest = manifest_of(config, pair, library, teacher, splits, scoring_of(benchmarks))
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
        auxiliary_weight=config.auxiliary_weight,
        pool_runs=config.pool_runs,
        left_out=tuple(left_out),
        evaluations=words,
        manifest={**manifest, "versions": {name: metadata.version(name) for name in VERSIONS}},
        identity=digest_of(manifest),
    )
    made.feed(0, lambda: pair.student)  # a template cap that cannot be kept is refused now
    return made
