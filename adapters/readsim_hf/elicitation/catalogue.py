"""Signals by name, those of one request and those of several."""

from readsim.errors import unknown
from readsim_hf.elicitation.answer_shown import AnswerShown
from readsim_hf.elicitation.base import Elicitation, ElicitationConfig
from readsim_hf.elicitation.best_fit import InformativeFit, LikeliestFit
from readsim_hf.elicitation.corrected import Corrected
from readsim_hf.elicitation.critique import Critique
from readsim_hf.elicitation.errors_varied import ErrorsVaried
from readsim_hf.elicitation.explained import Explained
from readsim_hf.elicitation.guided_prompts import GuidedPrompts
from readsim_hf.elicitation.new_prompts import EvolvedPrompts, NewPrompts
from readsim_hf.elicitation.own_right import OwnRight
from readsim_hf.elicitation.own_words import OwnWords
from readsim_hf.elicitation.peer_review import PeerReview
from readsim_hf.elicitation.principle_first import PrincipleFirst
from readsim_hf.elicitation.reverse_question import ReverseQuestion
from readsim_hf.elicitation.selective_reflection import SelectiveReflection
from readsim_hf.elicitation.several_traces import SeveralTraces
from readsim_hf.teachers.signals import SIGNALS, TeacherSignal, signal_named

_ALL: tuple[type[Elicitation], ...] = (
    ReverseQuestion,
    PrincipleFirst,
    SeveralTraces,
    OwnRight,
    OwnWords,
    AnswerShown,
    NewPrompts,
    EvolvedPrompts,
    ErrorsVaried,
    GuidedPrompts,
    SelectiveReflection,
    InformativeFit,
    LikeliestFit,
    Corrected,
    Explained,
    Critique,
    PeerReview,
)


def _named(settings: ElicitationConfig) -> dict[str, Elicitation]:
    made = [kind(settings=settings) for kind in _ALL]  # type: ignore[call-arg]
    return {one.name: one for one in made}


def readers_of(setting: str) -> list[str]:
    """Names of the signals that read a field of [elicitation]."""
    return [name for name, one in _named(ElicitationConfig()).items() if setting in one.reads]


def make_signal(name: str, settings: ElicitationConfig) -> TeacherSignal:
    """The signal of that name, of one request or of several. UnknownNameError for another name."""
    several = _named(settings)
    if name not in (*SIGNALS, *several):
        raise unknown("teacher signal", name, (*SIGNALS, *several))
    return several[name] if name in several else signal_named(name)
