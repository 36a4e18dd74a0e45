"""What does not change during a run: models, prompts, teacher, objective, probes; and its identity."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from torch import nn
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError, unknown
from readsim.streams import generator
from readsim_hf.benchmarks import benchmarks_of, hidden_of
from readsim_hf.config import DataConfig, RunConfig
from readsim_hf.generation.calibration import Calibration, calibrate
from readsim_hf.generation.leaks import LeakFilter
from readsim_hf.generation.stream import PromptStream
from readsim_hf.manifest import digest_of, manifest_of
from readsim_hf.models.pairs import Pair
from readsim_hf.objectives.objective import Objective
from readsim_hf.objectives.table import BASELINES, check_compatible, make_objective
from readsim_hf.objectives.vocabulary import Cut
from readsim_hf.probes.splits import Split
from readsim_hf.probes.suite import Measurement, ProbeSuite
from readsim_hf.prompts.fitting import fitting
from readsim_hf.prompts.library import Library, Style
from readsim_hf.prompts.nano.library import nano_library
from readsim_hf.prompts.prompt import Prompt, Template
from readsim_hf.prompts.text import text_library
from readsim_hf.prompts.user import add_templates, load_templates
from readsim_hf.teachers.cache import SignalCache
from readsim_hf.teachers.contract import AnyTeacher
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.encoding import encode
from readsim_hf.teachers.scoring import SoftSettings
from readsim_hf.teachers.signals import TeacherSignal, signal_named
from readsim_hf.teaching import teacher_of
from readsim_hf.training.feed import Feed
from readsim_hf.training.liger import check_liger
from readsim_hf.training.logits import bare
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.replies import Replies
from readsim_hf.training.student import Student

WRAPPING = 256  # tokens that a chat template adds at most
BACKGROUND = 400  # prompts a capability that tell scaffolds from what is filled in
VERSIONS = ("torch", "transformers", "lm_eval", "tokenizers")


@dataclass(frozen=True, eq=False)
class Parts:
    """See `build_parts`.

    `left_out` names templates whose prompts are too long; `manifest` is plain data, `identity` its
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
    manifest: Mapping[str, Any]
    identity: str
    make_student: Callable[[PreTrainedModel, Recipe, Objective], Student] = Student

    def fresh_student(self) -> Student:
        """The pair's starting student with a new optimiser."""
        return self.make_student(self.pair.fresh_student(), self.recipe, self.objective)

    def feed(self, seed: int, student: Callable[[], nn.Module]) -> Feed:
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
        )
        return Feed(streams, replies, self.data.group, replies.cut, self.teacher.signal.tasks)

    @property
    def _translates(self) -> bool:
        """Whether records are in other tokens than the student's."""
        return self.pair.vocabulary is None and self.teacher.tokenizer is not self.pair.tokenizer

    def open_cache(self) -> None:
        """Open or make the file of teacher replies, if there is to be one: only when a run begins, so
        that settings which are refused leave no file."""
        if self.data.cache and self.teacher.cache is None:
            self.teacher.cache = SignalCache(self.data.cache)

    def measure(self, model: nn.Module, split: Split) -> Measurement:
        """Scores of a model on one split."""
        return self.suite.measure(bare(model), self.pair.tokenizer, split)


def build_parts(config: RunConfig, pair: Pair, library: Library | None = None) -> Parts:
    """Everything of a run, checked together before anything is trained or asked.

    `library` None is the pair's own with the templates of `config.data`. Raises ConfigError for a
    combination that is not defined, tokenizers that differ where distributions are needed, a
    capability without templates or probe, a leak between the splits.
    """
    if config.training.liger:
        check_liger(pair.student, pair.device)
    if library is None:
        library = library_of(config.data, pair.library_name, pair.teacher_tokenizer)
    signal, objective, kept = supervision(config)
    suffixes = suffixes_of(config, library.style, signal)
    readers = (*(voice.tokenizer for voice in pair.voices), pair.tokenizer)
    counts = [partial(_count, tokenizer) for tokenizer in readers]
    library, left_out = fitting(library, partial(fits, config, pair.context, counts, suffixes))
    decoding = Decoding(**asdict(config.decoding))
    teacher = teacher_of(pair, library, signal, decoding, kept, config.on_policy)
    vocabulary = pair.shared_vocabulary() if kept else pair.vocabulary
    benchmarks, splits = benchmarks_of(config.probes, library)
    suite = ProbeSuite(
        benchmarks,
        splits,
        (*library.capabilities, *hidden_of(benchmarks)),
        hidden=hidden_of(benchmarks),
        batch_size=config.probes.batch_size,
        truncate=config.probes.truncate,
    )
    manifest = manifest_of(config, pair, library, teacher, splits)
    made = Parts(
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
        manifest={**manifest, "versions": {name: metadata.version(name) for name in VERSIONS}},
        identity=digest_of(manifest),
    )
    made.feed(0, lambda: pair.student)  # a template cap that cannot be kept is refused now
    return made


def sample(library: Library) -> Iterator[str]:
    """Texts of about BACKGROUND prompts of each capability, the templates in turn."""
    for place, (_, templates) in enumerate(library.templates.items()):
        for index in range(max(BACKGROUND, 4 * len(templates))):
            rng = generator(0, "bootstrap", place, index)
            yield templates[index % len(templates)].make(rng).text


def library_of(
    data: DataConfig, name: Literal["nano", "text"], teacher: Tokenizer | None
) -> Library:
    """The library of that name, with the capabilities of `data` and its templates, which the teacher's
    tokenizer must know. Raises UnknownNameError for a capability that the library does not have."""
    library = (nano_library() if name == "nano" else text_library()).only(data.capabilities)
    for path in data.templates:
        added = load_templates(Path(path), library)
        if teacher is not None:
            for template in added:
                _check_letters(template, library.style, teacher)
        library = add_templates(library, added)
    return library


def _check_letters(template: Template, style: Style, tokenizer: Tokenizer) -> None:
    """ConfigError if the teacher cannot read a template's prompts letter by letter."""
    text = style.ask(template.make(generator(0, "items")), "answer")
    unknown_id = tokenizer.unk_token_id
    if unknown_id is not None and unknown_id in encode(tokenizer, text):
        raise ConfigError(
            f"template {template.id!r}: the teacher's tokenizer has no tokens for parts of {text!r}"
        )


def suffixes_of(config: RunConfig, style: Style, signal: TeacherSignal) -> tuple[str, ...]:
    """How prompts may end in this run. ConfigError for a form that the style lacks."""
    forms = dict.fromkeys(("answer", "rationale", signal.form, config.probes.form))
    if signal.tasks == 1 and config.auxiliary_weight != 1:
        raise ConfigError(
            f"auxiliary_weight = {config.auxiliary_weight!r}: the signal {signal.name!r} has one task; "
            "accepted: 1, or a signal with two (step-by-step, plan-then-code)"
        )
    return tuple(map(style.suffix, forms))


def fits(
    config: RunConfig,
    context: int,
    counts: Sequence[Callable[[str], int]],
    suffixes: Sequence[str],
    prompt: Prompt,
) -> bool:
    """Whether a prompt, however it is asked, leaves room for a reply in `context` tokens.

    `counts` give the tokens of a prompt's text, one for each model that reads it.
    """
    room = context - max(config.decoding.max_new_tokens, config.probes.max_new_tokens)
    texts = [prompt.text + suffix for suffix in suffixes]
    if max(len(text.encode()) for text in texts) + WRAPPING <= room:
        return True  # no token is shorter than a byte
    return all(count(text) <= room for text in texts for count in counts)


def _count(tokenizer: Tokenizer, text: str) -> int:
    return len(encode(tokenizer, text))


def supervision(config: RunConfig) -> tuple[TeacherSignal, Objective, SoftSettings | None]:
    """Signal and objective of a method, or of the two names, and what is kept of distributions.

    Raises ConfigError, saying what would work, for a combination that is not defined.
    """
    signal, objective = _named(config)
    wanted = objective.needs_soft or signal.needs_soft or config.on_policy > 0
    kept = SoftSettings(config.soft.kind, config.soft.k) if wanted else None
    check_compatible(signal.name, objective, kept.kind if kept else None, config.on_policy > 0)
    return signal, objective, kept


def _named(config: RunConfig) -> tuple[TeacherSignal, Objective]:
    if config.method:
        if config.method not in BASELINES:
            raise unknown("method", config.method, BASELINES)
        name, objective = BASELINES[config.method]
        return signal_named(name), objective
    return signal_named(config.signal), make_objective(
        config.objective, **config.objective_settings
    )
