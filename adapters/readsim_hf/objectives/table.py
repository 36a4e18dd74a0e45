"""Objectives by name, and the one table of what can be combined with what."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from readsim.errors import ConfigError, unknown
from readsim_hf.objectives.across import ULD, Shared, Span
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.baselines import (
    GJSD,
    JSD,
    KD,
    SFT,
    ForwardKL,
    ReverseKL,
    SkewForwardKL,
    SkewReverseKL,
    SoftSFT,
)
from readsim_hf.objectives.compared import ComparesReplies
from readsim_hf.objectives.contrast import Contrast
from readsim_hf.objectives.estimators import K1, K2, K3
from readsim_hf.objectives.hidden import Hidden
from readsim_hf.objectives.kdrl import KDRL
from readsim_hf.objectives.minillm import MiniLLM
from readsim_hf.objectives.mopd import MOPD, MOPDKL
from readsim_hf.objectives.origin import On
from readsim_hf.objectives.plad import PLaD
from readsim_hf.objectives.preference import DPKD, DPO
from readsim_hf.objectives.ranking import PRO, RRHF
from readsim_hf.objectives.selection import Selected
from readsim_hf.objectives.sparse import SOFT_KINDS
from readsim_hf.objectives.sums import Sum, TermText, read_terms, terms_in
from readsim_hf.objectives.vocabulary import Cut
from readsim_hf.teachers.record import SoftKind

# Signals whose record is the teacher's reply, and those that cut it into two tasks.
WHOLE = ("resp", "cot", "logit", "equation-of-thought")
TASKS = ("step-by-step", "plan-then-code")
# Signals of several requests: of text, and of the student's own text with its own distributions.
TEXTS = (
    *("reverse-question", "principle-first", "several-traces"),
    *("own-right", "own-words", "new-prompts", "evolved-prompts", "errors-varied"),
    *("guided-prompts", "selective-reflection"),
    *("informative-fit", "likeliest-fit", "corrected", "explained", "critique", "peer-review"),
)
OWN = ("answer-shown",)
SIGNALS = (*WHOLE, *TASKS, *TEXTS, *OWN)
# Whose words are trained on as they are, and those with distributions at each of them.
_WORDS = ("resp", "cot", "equation-of-thought", *TASKS, *TEXTS)
_SPOKEN = (*WHOLE, *OWN)


@dataclass(frozen=True)
class ObjectiveRule:
    """Where an objective is defined.

    make       its class, called with its settings
    signals    on which of them
    kinds      with which stored distributions
    texts      on whose words: the teacher's alone, the student's own alone, or any
    instead    what is defined where this is not
    """

    make: type[Any]
    signals: tuple[str, ...]
    kinds: tuple[SoftKind, ...]
    texts: Literal["teacher", "own", "any"]
    instead: str


_DENSE: tuple[SoftKind, ...] = ("full", "topk")
_TEXT = "on the student's own text use fkl, rkl, jsd, gjsd, skew-fkl or skew-rkl"
_PART = "for the teacher's part of the text write {0}(on=teacher)"
_DRAWS = "with 'sampled' use soft-sft, kd, fkl or skew-fkl, or store 'topk' or 'full'"
_SPAN = "store 'topk' of the teacher's own replies (on_policy = 0), or use uld or shared"
_OWN = "use on_policy = 1 with soft.kind 'topk' or 'full', on=own behind its name, or rkl"

TABLE: dict[str, ObjectiveRule] = {
    "sft": ObjectiveRule(SFT, _WORDS, SOFT_KINDS, "teacher", "on 'logit' use soft-sft"),
    "soft-sft": ObjectiveRule(SoftSFT, WHOLE, SOFT_KINDS, "teacher", ""),
    "kd": ObjectiveRule(KD, WHOLE, SOFT_KINDS, "teacher", "or kd with alpha = 1"),
    "fkl": ObjectiveRule(ForwardKL, _SPOKEN, SOFT_KINDS, "any", ""),
    "rkl": ObjectiveRule(ReverseKL, _SPOKEN, _DENSE, "any", _DRAWS),
    "jsd": ObjectiveRule(JSD, _SPOKEN, _DENSE, "any", _DRAWS),
    "gjsd": ObjectiveRule(GJSD, _SPOKEN, _DENSE, "any", _DRAWS),
    "skew-fkl": ObjectiveRule(SkewForwardKL, _SPOKEN, SOFT_KINDS, "any", ""),
    "skew-rkl": ObjectiveRule(SkewReverseKL, _SPOKEN, _DENSE, "any", _DRAWS),
    "uld": ObjectiveRule(ULD, WHOLE, _DENSE, "any", _DRAWS),
    "shared": ObjectiveRule(Shared, WHOLE, _DENSE, "any", _DRAWS),
    "span": ObjectiveRule(Span, WHOLE, ("topk",), "teacher", _SPAN),
    "hidden": ObjectiveRule(Hidden, (*WHOLE, *TASKS), SOFT_KINDS, "any", ""),
    "k1": ObjectiveRule(K1, WHOLE, _DENSE, "own", _OWN),
    "k2": ObjectiveRule(K2, WHOLE, _DENSE, "own", _OWN),
    "k3": ObjectiveRule(K3, WHOLE, _DENSE, "own", _OWN),
}

# Those that train on groups of replies to one prompt, whole ones, see `Sampling`.
_REPLIES = ("cot", "logit", "equation-of-thought")
_GROUPS = "use signal 'cot' or 'logit', and with soft targets 'topk' or 'full'"
SAMPLED: dict[str, ObjectiveRule] = {
    "mopd": ObjectiveRule(MOPD, _REPLIES, _DENSE, "own", _GROUPS),
    "mopd-kl": ObjectiveRule(MOPDKL, _REPLIES, _DENSE, "own", _GROUPS),
    "kdrl": ObjectiveRule(KDRL, _REPLIES, _DENSE, "own", _GROUPS),
    "minillm": ObjectiveRule(MiniLLM, _REPLIES, _DENSE, "own", _GROUPS),
    "contrast": ObjectiveRule(Contrast, _REPLIES, _DENSE, "any", _GROUPS),
    "dpo": ObjectiveRule(DPO, _REPLIES, SOFT_KINDS, "any", _GROUPS),
    "dpkd": ObjectiveRule(DPKD, _REPLIES, _DENSE, "any", _GROUPS),
    "plad": ObjectiveRule(PLaD, _REPLIES, _DENSE, "any", _GROUPS),
    "rrhf": ObjectiveRule(RRHF, _REPLIES, _DENSE, "any", _GROUPS),
    "pro": ObjectiveRule(PRO, _REPLIES, _DENSE, "any", _GROUPS),
}
TABLE |= SAMPLED
BESIDE = tuple(name for name, rule in SAMPLED.items() if rule.texts == "any")  # and the teacher


def make_objective(text: str, **settings: float) -> Objective:
    """The objective of a text: a key of TABLE, or a sum of them (`sums`).

    Settings of a single name may be given apart. Any term may say on whose words it is, `on=teacher` or
    `on=own` (`origin`), and on which tokens, `tokens=entropy` or `tokens=gap` (`selection`). Raises
    UnknownNameError for an unknown name or setting, with the nearest; ConfigError for a text that cannot
    be read and for a value out of range.
    """
    terms = read_terms(text)
    if settings and (len(terms) > 1 or terms[0].settings):
        raise ConfigError(
            f"objective_settings = {settings!r}: the settings of {text!r} stand in its terms, such as "
            f"{terms[0].name}({next(iter(settings))}=...)"
        )
    made = [_made(term._replace(settings={**term.settings, **settings})) for term in terms]
    weights = tuple(term.weight for term in terms)
    return made[0] if weights == (1.0,) else Sum(weights, tuple(made))


def _made(term: TermText) -> Objective:
    if term.name not in TABLE:
        raise unknown("objective", term.name, TABLE)
    make, settings = TABLE[term.name].make, dict(term.settings)
    origin: Any = settings.pop("on", None)
    chosen: Any = settings.pop("tokens", None)
    how: Any = {k: settings.pop(k) for k in ("share", "drawn") if chosen and k in settings}
    known = [field.name for field in fields(make)]
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of {term.name}", setting, [*known, "on", "tokens"])
    made: Objective = make(**settings)
    made = made if chosen is None else Selected(made, chosen, **how)
    return made if origin is None else On(made, origin)


def check_compatible(
    signal: str, objective: Objective, soft_kind: SoftKind | None, on_policy: float
) -> None:
    """Raise ConfigError, saying what would work, unless the combination is defined.

    signal      one of SIGNALS: the supervised span and what is stored with it
    soft_kind   how the teacher's distributions are stored; None: not at all
    on_policy   the share of text that is the student's own

    Of a sum each term is checked. An objective that TABLE does not have is only held to its `needs_soft`.
    """
    if signal not in SIGNALS:
        raise unknown("signal", signal, SIGNALS)
    if soft_kind is not None and soft_kind not in SOFT_KINDS:
        raise unknown("kind of soft targets", soft_kind, SOFT_KINDS)
    if isinstance(objective, Sum):
        if sum(isinstance(part, Hidden) for part in terms_in(objective)) > 1:
            raise ConfigError(
                "hidden is twice in the objective: use one, with several pairs in its layers"
            )
        whole = [name_of(part) for part in terms_in(objective) if isinstance(part, ComparesReplies)]
        if len(whole) > 1:
            raise ConfigError(
                f"{whole[0]!r} and {whole[1]!r} in one objective: each puts the replies to a prompt in an "
                "order of its own; use one of them beside terms that train on any text"
            )
        for term in objective.terms:
            check_compatible(signal, term, soft_kind, on_policy)
    elif isinstance(objective, Cut):
        check_compatible(signal, objective.objective, soft_kind, on_policy)
    elif isinstance(objective, On):
        _check_whole(objective, f"on={objective.origin}")
        _check_origin(objective, on_policy)
        check_compatible(signal, objective.objective, soft_kind, float(objective.origin == "own"))
    elif isinstance(objective, Selected):
        _check_whole(objective, f"tokens={objective.score}")
        if objective.needs_soft and soft_kind is None:
            raise ConfigError(
                "soft_kind is None: tokens=gap needs the teacher's distributions; store 'topk', 'full' or "
                "'sampled', or use tokens=entropy"
            )
        check_compatible(signal, objective.objective, soft_kind, on_policy)
    else:
        _check_term(signal, objective, soft_kind, on_policy)


def name_of(objective: Objective) -> str | None:
    """Its key in TABLE; None where it has none."""
    return next((name for name, rule in TABLE.items() if type(objective) is rule.make), None)


def _check_whole(objective: On | Selected, setting: str) -> None:
    """ConfigError for a part of the tokens of a loss that all tokens of several replies have together."""
    for part in terms_in(objective):
        if isinstance(part, ComparesReplies):
            name = name_of(part)
            raise ConfigError(
                f"{setting} behind {name!r}: it compares whole replies of the teacher and the student; use "
                f"{name} without {setting}, and {setting} behind another term, such as fkl"
            )


def _check_origin(objective: On, on_policy: float) -> None:
    there = on_policy > 0 if objective.origin == "own" else on_policy < 1
    if not there:
        raise ConfigError(
            f"on_policy = {on_policy!r}: there is no such text for a term with on={objective.origin}; use a "
            "share between 0 and 1, such as on_policy = 0.5"
        )


def _check_term(
    signal: str, objective: Objective, soft_kind: SoftKind | None, on_policy: float
) -> None:
    name = name_of(objective)
    rule = TABLE[name] if name is not None else None
    title = name if name is not None else type(objective).__name__
    if objective.needs_soft and soft_kind is None:
        kinds = ", ".join(map(repr, rule.kinds if rule else SOFT_KINDS))
        raise ConfigError(
            f"soft_kind is None: objective {title!r} needs the teacher's distributions; store {kinds}"
        )
    if rule is None:
        return
    if signal in (*TASKS, *TEXTS) and signal not in rule.signals:
        raise ConfigError(
            f"objective {title!r} is not defined on signal {signal!r}, which trains on text alone; use sft"
        )
    if signal in OWN and signal not in rule.signals:
        raise ConfigError(
            f"objective {title!r} is not defined on signal {signal!r}, the student's own text with its own "
            "distributions; use fkl, rkl, jsd, gjsd, skew-fkl or skew-rkl"
        )
    if signal not in rule.signals:
        raise _undefined(title, f"on signal {signal!r}", rule.instead)
    if soft_kind is not None and soft_kind not in rule.kinds:
        raise _undefined(title, f"with {soft_kind!r} soft targets", rule.instead)
    if isinstance(objective, KD) and soft_kind == "sampled" and objective.temperature != 1:
        raise ConfigError(
            f"temperature is {objective.temperature!r}: with 'sampled' soft targets it must be 1; "
            "store 'topk' or 'full' for another"
        )
    # Without its cross entropy, kd is a divergence like the others.
    divergence = isinstance(objective, KD) and objective.alpha == 1
    if on_policy > 0 and rule.texts == "teacher" and not divergence:
        part = _PART.format(title) if on_policy < 1 else ""
        more = rule.instead if isinstance(objective, KD | Span) else ""
        raise _undefined(title, "on the student's own text", _TEXT, part, more)
    if on_policy < 1 and rule.texts == "own":
        raise _undefined(title, "on the teacher's text", rule.instead)


def _undefined(title: str, where: str, *advice: str) -> ConfigError:
    said = "; ".join(filter(None, advice))
    return ConfigError(f"objective {title!r} is not defined {where}; {said}")
