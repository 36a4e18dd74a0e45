"""From a pair to what is asked: the teacher's model, a server, or one for each capability."""

from transformers import PreTrainedModel

from readsim.errors import ConfigError, unknown
from readsim_hf.models.pairs import Pair
from readsim_hf.models.teacher_source import TeacherSource
from readsim_hf.models.tokens import vocabulary_size
from readsim_hf.objectives.across import ULD, Shared, Span
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.sums import terms_in
from readsim_hf.prompts.checkers import format_ok
from readsim_hf.prompts.library import Library
from readsim_hf.teachers.base import AnyTeacher
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.encoding import end_ids
from readsim_hf.teachers.judging import Keep
from readsim_hf.teachers.router import Router
from readsim_hf.teachers.scoring import SoftSettings
from readsim_hf.teachers.server import ServerTeacher
from readsim_hf.teachers.signals import TeacherSignal
from readsim_hf.teachers.teacher import Teacher


def teacher_of(
    pair: Pair,
    library: Library,
    signal: TeacherSignal,
    decoding: Decoding,
    soft: SoftSettings | None,
    keep: Keep = "all",
    keep_cut: bool = False,
    sources: tuple[str, ...] | None = None,
    across: bool = False,
) -> AnyTeacher:
    """The teacher of a run. `soft` None: no distributions are wanted. `keep`, `keep_cut`: see `Judge`.

    `across`: the distributions are over the teacher's own tokens, which are not the student's.
    `sources` are what may have a teacher of its own; None: the library's capabilities.

    ConfigError where distributions cannot be had; UnknownNameError for a teacher of a source that there is
    not.
    """
    known = library.capabilities if sources is None else sources
    for name in pair.others:
        if name not in known:
            raise unknown("capability in [pair.teachers]", name, known)
    vocab = None if soft is None or across else pair.shared_vocabulary()
    all_teachers = pair.teacher_sources
    distinct = {_who(teacher): teacher for teacher in all_teachers}
    made = {
        who: _one(teacher, pair, library, signal, decoding, soft, vocab, keep, keep_cut)
        for who, teacher in distinct.items()
    }
    main = made[_who(all_teachers[0])]
    if not pair.others:
        return main
    return Router(
        main,
        {capability: made[_who(teacher)] for capability, teacher in pair.others.items()},
        [made[w] for w, v in distinct.items() if v.server is not None or v.vocabulary is not None],
        pair.tokenizer,
        ends=end_ids(pair.student, pair.tokenizer),
        vocab=vocab or pair.vocabulary or vocabulary_size(pair.student.config),
        context=pair.context,
    )


def passes_across(
    objective: Objective,
    soft: SoftSettings | None,
    on_policy: float,
    *,
    same: bool,
    several: bool,
    local: bool,
) -> bool:
    """Whether distributions pass between different tokenizers. ConfigError, with advice, where the objective
    is made for that and something else is in the way.

    soft      what the teacher is asked for
    same      whether teacher and student have the same tokens
    several   whether several teachers answer
    local     whether the teacher is in this process
    """
    if same or several or soft is None:
        return False
    terms = [part for part in terms_in(objective) if part.needs_soft and not hasattr(part, "terms")]
    leaves = [term for term in terms if not hasattr(term, "objective")]
    if not leaves or not all(isinstance(term, ULD | Shared | Span) for term in leaves):
        return False
    for wrong, why in (
        (not local, "the teacher is not in this process; use a local pair.teacher"),
        (soft.kind != "topk", f"soft.kind = {soft.kind!r}; use 'topk'"),
        (
            on_policy > 0,
            f"on_policy = {on_policy!r}; use 0: the teacher does not read other tokens",
        ),
    ):
        if wrong:
            raise ConfigError(f"teacher and student have different tokenizers, and {why}")
    return True


def states_teacher(pair: Pair) -> PreTrainedModel:
    """The model whose hidden states a loss reads; ConfigError, with advice, where there is none."""
    if pair.teacher is None or pair.others or pair.vocabulary is None:
        where = "several teachers answer" if pair.others else "the teacher is not in this process"
        where = "its token ids are not the student's" if pair.teacher and not pair.others else where
        raise ConfigError(
            f"objective 'hidden' reads the states of one teacher on the student's ids, and of {pair.name!r} "
            f"{where}: use a local pair.teacher with the same tokenizer and no data.store, or an objective "
            "without 'hidden'"
        )
    return pair.teacher


def _one(
    teacher: TeacherSource,
    pair: Pair,
    library: Library,
    signal: TeacherSignal,
    decoding: Decoding,
    soft: SoftSettings | None,
    vocab: int | None,
    keep: Keep,
    keep_cut: bool,
) -> AnyTeacher:
    if teacher.server is not None:
        return ServerTeacher(
            teacher.server,
            pair.tokenizer,
            library.style,
            signal,
            decoding=decoding,
            format_ok=format_ok,
            ends=end_ids(pair.student, pair.tokenizer),
            vocab=vocab or vocabulary_size(pair.student.config),
            context=pair.context,
            known=teacher.tokenizer if teacher.known else None,
            soft=soft,
            keep=keep,
            keep_cut=keep_cut,
            system_prompt=pair.prompts.system_prompt,
            chat_template_kwargs=pair.prompts.chat_template_kwargs or None,
        )
    assert teacher.model is not None
    shared = [n for n in (teacher.vocabulary, pair.vocabulary) if n is not None]
    own = None if teacher.vocabulary is None else min(shared)  # no loss has more columns
    return Teacher(
        teacher.model,
        teacher.tokenizer,
        library.style,
        signal,
        decoding=decoding,
        format_ok=format_ok,
        soft=soft,
        keep=keep,
        keep_cut=keep_cut,
        vocab=vocab or own,
    )


def _who(teacher: TeacherSource) -> tuple[int, int]:
    """Equal for the same teacher under two capabilities."""
    return id(teacher.model), id(teacher.server)
