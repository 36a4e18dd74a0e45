"""A method or a signal with an objective: the supervision of a run."""

from dataclasses import fields

from readsim.errors import ConfigError
from readsim_hf.config import RunConfig
from readsim_hf.elicitation.base import Elicitation
from readsim_hf.elicitation.catalogue import make_signal
from readsim_hf.methods.table import METHODS, method_name
from readsim_hf.objectives.across import Span
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.compared import ComparesReplies
from readsim_hf.objectives.estimators import K1, K2, K3
from readsim_hf.objectives.hidden import Hidden
from readsim_hf.objectives.kdrl import KDRL
from readsim_hf.objectives.minillm import MiniLLM
from readsim_hf.objectives.mopd import MOPD
from readsim_hf.objectives.origin import On
from readsim_hf.objectives.sampling import OF_STUDENT, sampling_of
from readsim_hf.objectives.sums import terms_in
from readsim_hf.objectives.table import BESIDE, SAMPLED, check_compatible, make_objective
from readsim_hf.teachers.scoring import SoftSettings
from readsim_hf.teachers.signals import TeacherSignal
from readsim_hf.unread import check_read


def supervision(config: RunConfig) -> tuple[TeacherSignal, Objective, SoftSettings | None]:
    """Signal and objective of a method, or of the two names, and what is kept of distributions.

    Raises ConfigError, saying what would work, for a combination that is not defined.
    """
    signal, objective = named_supervision(config)
    scored = config.on_policy > 0 and sampling_of(objective) is None
    wanted = objective.needs_soft or signal.needs_soft or scored
    kept = SoftSettings(config.soft.kind, config.soft.k) if wanted else None
    check_sampling(config, objective)
    check_read(config, signal, objective, kept)
    _check_elicitation(config, signal)
    own = (
        1.0 if isinstance(signal, Elicitation) and signal.own_soft else own_share(config, objective)
    )
    check_compatible(signal.name, objective, kept.kind if kept else None, own)
    _check_draws(config, objective)
    if config.training.packing and any(isinstance(part, Hidden) for part in terms_in(objective)):
        raise ConfigError(
            "training.packing = true: hidden states of two models are compared in padded rows; use "
            "packing = false with the objective hidden"
        )
    return signal, objective, kept


def check_tokens(config: RunConfig, *, same: bool, several: bool) -> None:
    """ConfigError for an objective between different tokens, which nothing else would mend, where teacher and
    student have the `same` ones, or `several` teachers answer."""
    if (same or several) and any(
        isinstance(t, Span) for t in terms_in(named_supervision(config)[1])
    ):
        why = "several teachers answer" if several else "teacher and student have the same tokens"
        raise ConfigError(f"objective 'span': {why}; use fkl, gjsd or shared")


def teacher_soft(signal: TeacherSignal, kept: SoftSettings | None) -> SoftSettings | None:
    """Of what is kept of distributions, what the teacher is asked for: not what a signal of several requests
    keeps of the student's own."""
    return None if isinstance(signal, Elicitation) else kept


def scores_replies(config: RunConfig) -> bool:
    """Whether the teacher gives its distributions of replies that it did not write: given ones, and those of
    the student."""
    signal, objective, kept = supervision(config)
    grouped = sampling_of(objective) is not None
    return teacher_soft(signal, kept) is not None and (objective.needs_soft or not grouped)


def _check_draws(config: RunConfig, objective: Objective) -> None:
    """ConfigError for an estimate by draws of the student (`estimators`) that are drawn otherwise."""
    for term in terms_in(objective):
        if isinstance(term, K1 | K2 | K3) and config.decoding.student_temperature != 1:
            raise ConfigError(
                f"decoding.student_temperature = {config.decoding.student_temperature!r}: objective "
                f"{type(term).__name__.lower()!r} takes the student's tokens as draws from the student "
                "itself; use decoding.student_temperature = 1, or rkl"
            )


def named_supervision(config: RunConfig) -> tuple[TeacherSignal, Objective]:
    """Signal and objective, of which nothing is checked yet."""
    signal, objective, settings = config.signal, config.objective, config.objective_settings
    if config.method:
        method = METHODS[method_name(config.method)]
        for name, value in method.sampling.items():
            if getattr(config.sampling, name) != value:
                raise ConfigError(
                    f"sampling.{name} = {getattr(config.sampling, name)!r}: method {config.method!r} is "
                    f"{method.objective!r} with {value!r}; leave it out, or use {method.objective!r}"
                )
        signal, objective, settings = method.signal, method.objective, dict(method.settings)
    return make_signal(signal, config.elicitation), make_objective(objective, **settings)


def _check_elicitation(config: RunConfig, signal: TeacherSignal) -> None:
    """ConfigError for what a signal of several requests cannot do."""
    if not isinstance(signal, Elicitation):
        return
    if config.on_policy > 0:
        raise ConfigError(
            f"on_policy = {config.on_policy!r} with signal {signal.name!r}: the signal itself "
            "says who writes; use on_policy = 0"
        )
    field = "temperature" if signal.drawer == "teacher" else "student_temperature"
    replies = signal.draws(len({config.pair.teacher, *config.pair.teachers.values()}))
    if replies > 1 and getattr(config.decoding, field) == 0:
        raise ConfigError(
            f"decoding.{field} = 0 with signal {signal.name!r}: its {replies} replies to a prompt would be "
            "the same; use a temperature above 0"
        )


def samples_of(config: RunConfig, objective: Objective) -> int:
    """Replies that the student writes to a prompt of a group; 0 for an objective without groups."""
    sampling = sampling_of(objective)
    if sampling is None:
        return 0
    return sampling.samples if config.sampling.samples is None else config.sampling.samples


def own_share(config: RunConfig, objective: Objective) -> float:
    """Share of the replies that are trained on which the student writes."""
    sampling, samples = sampling_of(objective), samples_of(config, objective)
    return config.on_policy if sampling is None else samples / (samples + sampling.teacher)


def reads_of(config: RunConfig) -> int:
    """How often the student, now or at its start, reads each reply of a group before it is trained on."""
    sampling = sampling_of(named_supervision(config)[1])
    return 0 if sampling is None else len({*sampling.constants} & {*OF_STUDENT})


def check_sampling(config: RunConfig, objective: Objective) -> None:
    """ConfigError, saying what would work, for groups of replies that cannot be had or trained on."""
    sampling, given = sampling_of(objective), config.sampling
    if sampling is None:
        changed = [f.name for f in fields(given) if getattr(given, f.name) != f.default]
        if changed:
            raise ConfigError(
                f"sampling.{changed[0]} = {getattr(given, changed[0])!r}: this objective trains on one "
                f"reply a prompt; accepted with: {', '.join(SAMPLED)}"
            )
        return
    share = 0.0 if sampling.teacher else 1.0
    if config.on_policy != share:
        beside = " beside the teacher" if sampling.teacher else ""
        raise ConfigError(
            f"on_policy = {config.on_policy!r}: the student answers every prompt{beside} here; "
            f"use on_policy = {share:g}"
        )
    samples = samples_of(config, objective)
    if samples < sampling.least:
        raise ConfigError(
            f"sampling.samples = {samples}: a group has at least {sampling.least} replies of the student, "
            f"whose rewards are compared; use sampling.samples = {sampling.least} or more"
        )
    if samples + sampling.teacher > config.training.batch:
        raise ConfigError(
            f"sampling.samples = {samples} with training.batch = {config.training.batch}: a group of "
            f"{samples + sampling.teacher} replies goes into one optimiser step; raise batch or lower samples"
        )
    if config.data.store:
        raise ConfigError(
            f"data.store = {config.data.store!r}: the student's own replies belong to a single "
            "run; name a teacher instead"
        )
    if given.weights != "label" and not (objective.needs_soft and "old" in sampling.constants):
        raise ConfigError(
            f"sampling.weights = {given.weights!r}: log-ratios of the student's own text are needed; use "
            "'label', or mopd, mopd-kl, minillm or kdrl"
        )
    parts = list(terms_in(objective))
    reads = any(isinstance(part, ComparesReplies | KDRL | MiniLLM | MOPD) for part in parts)
    if reads and config.training.lora_dropout:
        raise ConfigError(
            f"training.lora_dropout = {config.training.lora_dropout!r}: replies are compared or weighed by "
            "what the student gave them before the step, without dropout; use 0"
        )
    if share == 1 and any(isinstance(part, On) and part.origin == "teacher" for part in parts):
        raise ConfigError(
            "on=teacher: the student alone answers where an objective trains on its replies; leave the term "
            f"out, or use one that has the teacher's reply too: {', '.join(BESIDE)}"
        )
