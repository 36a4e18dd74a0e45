"""Objectives by name, the six baselines, and the one table of what can be combined with what."""

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from readsim.errors import ConfigError, unknown
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
from readsim_hf.objectives.kdrl import KDRL
from readsim_hf.objectives.minillm import MiniLLM
from readsim_hf.objectives.mopd import MOPD, MOPDKL
from readsim_hf.objectives.plad import PLaD
from readsim_hf.objectives.preference import DPKD, DPO
from readsim_hf.objectives.ranking import PRO, RRHF
from readsim_hf.objectives.sparse import SOFT_KINDS
from readsim_hf.objectives.vocabulary import Cut
from readsim_hf.teachers.record import SoftKind

# Signals whose record is the teacher's reply, and those that cut it into two tasks.
WHOLE = ("resp", "cot", "logit", "equation-of-thought")
TASKS = ("step-by-step", "plan-then-code")
SIGNALS = (*WHOLE, *TASKS)
_WORDS = ("resp", "cot", "equation-of-thought", *TASKS)  # whose words are trained on as they are


@dataclass(frozen=True)
class ObjectiveRule:
    """Where an objective is defined.

    make       its class, called with its settings
    signals    on which of them
    kinds      with which stored distributions
    on_policy  whether also on the student's own text
    instead    what is defined where this is not
    """

    make: type[Any]
    signals: tuple[str, ...]
    kinds: tuple[SoftKind, ...]
    on_policy: bool
    instead: str


_DENSE: tuple[SoftKind, ...] = ("full", "topk")
_TEXT = "on the student's own text use fkl, rkl, jsd, gjsd, skew-fkl or skew-rkl"
_DRAWS = "with 'sampled' use soft-sft, kd, fkl or skew-fkl, or store 'topk' or 'full'"

TABLE: dict[str, ObjectiveRule] = {
    "sft": ObjectiveRule(SFT, _WORDS, SOFT_KINDS, False, f"on 'logit' use soft-sft; {_TEXT}"),
    "soft-sft": ObjectiveRule(SoftSFT, WHOLE, SOFT_KINDS, False, _TEXT),
    "kd": ObjectiveRule(KD, WHOLE, SOFT_KINDS, False, f"{_TEXT}, or kd with alpha = 1"),
    "fkl": ObjectiveRule(ForwardKL, WHOLE, SOFT_KINDS, True, ""),
    "rkl": ObjectiveRule(ReverseKL, WHOLE, _DENSE, True, _DRAWS),
    "jsd": ObjectiveRule(JSD, WHOLE, _DENSE, True, _DRAWS),
    "gjsd": ObjectiveRule(GJSD, WHOLE, _DENSE, True, _DRAWS),
    "skew-fkl": ObjectiveRule(SkewForwardKL, WHOLE, SOFT_KINDS, True, ""),
    "skew-rkl": ObjectiveRule(SkewReverseKL, WHOLE, _DENSE, True, _DRAWS),
}

# Those that train on groups of replies to one prompt, whole ones, see `Sampling`.
_SPOKEN = ("cot", "logit", "equation-of-thought")
_GROUPS = "use signal 'cot' or 'logit', and with soft targets 'topk' or 'full'"
SAMPLED: dict[str, ObjectiveRule] = {
    "mopd": ObjectiveRule(MOPD, _SPOKEN, _DENSE, True, _GROUPS),
    "mopd-kl": ObjectiveRule(MOPDKL, _SPOKEN, _DENSE, True, _GROUPS),
    "kdrl": ObjectiveRule(KDRL, _SPOKEN, _DENSE, True, _GROUPS),
    "minillm": ObjectiveRule(MiniLLM, _SPOKEN, _DENSE, True, _GROUPS),
    "dpo": ObjectiveRule(DPO, _SPOKEN, SOFT_KINDS, False, _GROUPS),
    "dpkd": ObjectiveRule(DPKD, _SPOKEN, _DENSE, False, _GROUPS),
    "plad": ObjectiveRule(PLaD, _SPOKEN, _DENSE, False, _GROUPS),
    "rrhf": ObjectiveRule(RRHF, _SPOKEN, _DENSE, False, _GROUPS),
    "pro": ObjectiveRule(PRO, _SPOKEN, _DENSE, False, _GROUPS),
}
TABLE |= SAMPLED


class Baseline(NamedTuple):
    """A method by name: which signal is asked for, and what is minimised on it."""

    signal: str
    objective: Objective


# The paper's six one-hot baselines as we read them, then the specialised ones of Figure 5. logit-sft
# and logit-kd have equal gradients: their values differ by the teacher's entropy.
BASELINES: dict[str, Baseline] = {
    "resp-sft": Baseline("resp", SFT()),
    "cot-sft": Baseline("cot", SFT()),
    "logit-sft": Baseline("logit", SoftSFT()),
    "resp-kd": Baseline("resp", KD()),
    "cot-kd": Baseline("cot", KD()),
    "logit-kd": Baseline("logit", KD(alpha=1.0)),
    "step-by-step": Baseline("step-by-step", SFT()),
    "equation-of-thought": Baseline("equation-of-thought", SFT()),
    "plan-then-code": Baseline("plan-then-code", SFT()),
}


def make_objective(name: str, **settings: float) -> Objective:
    """The objective called `name` (a key of TABLE).

    Raises UnknownNameError for an unknown name or setting, with the nearest; ConfigError for a value
    out of range.
    """
    if name not in TABLE:
        raise unknown("objective", name, TABLE)
    make = TABLE[name].make
    known = [field.name for field in fields(make)]
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of {name}", setting, known)
    made: Objective = make(**settings)
    return made


def objective_name(objective: Objective) -> str | None:
    """Its key in TABLE, also of a cut one; None for an objective that TABLE does not have."""
    inner = _inner(objective)
    return next((name for name, rule in TABLE.items() if type(inner) is rule.make), None)


def check_compatible(
    signal: str, objective: Objective, soft_kind: SoftKind | None, on_policy: bool
) -> None:
    """Raise ConfigError, saying what would work, unless the combination is defined.

    signal      one of SIGNALS: the supervised span and what is stored with it
    soft_kind   how the teacher's distributions are stored; None: not at all
    on_policy   whether the text is the student's own

    An objective that TABLE does not have is only held to its `needs_soft`.
    """
    if signal not in SIGNALS:
        raise unknown("signal", signal, SIGNALS)
    if soft_kind is not None and soft_kind not in SOFT_KINDS:
        raise unknown("kind of soft targets", soft_kind, SOFT_KINDS)
    name = objective_name(objective)
    rule = TABLE[name] if name is not None else None
    title = name if name is not None else type(objective).__name__
    if objective.needs_soft and soft_kind is None:
        kinds = ", ".join(map(repr, rule.kinds if rule else SOFT_KINDS))
        raise ConfigError(
            f"soft_kind is None: objective {title!r} needs the teacher's distributions; store {kinds}"
        )
    if rule is None:
        return
    if signal in TASKS and signal not in rule.signals:
        raise ConfigError(
            f"objective {title!r} is not defined on signal {signal!r}, which trains on text alone; "
            "use sft"
        )
    if signal not in rule.signals:
        raise _undefined(title, f"on signal {signal!r}", rule)
    if soft_kind is not None and soft_kind not in rule.kinds:
        raise _undefined(title, f"with {soft_kind!r} soft targets", rule)
    inner = _inner(objective)
    if isinstance(inner, KD) and soft_kind == "sampled" and inner.temperature != 1:
        raise ConfigError(
            f"temperature is {inner.temperature!r}: with 'sampled' soft targets it must be 1; "
            "store 'topk' or 'full' for another"
        )
    # Without its cross entropy, kd is a divergence like the others.
    if on_policy and not (rule.on_policy or (isinstance(inner, KD) and inner.alpha == 1)):
        raise _undefined(title, "on the student's own text", rule)


def _inner(objective: Objective) -> Objective:
    return _inner(objective.objective) if isinstance(objective, Cut) else objective


def _undefined(title: str, where: str, rule: ObjectiveRule) -> ConfigError:
    return ConfigError(f"objective {title!r} is not defined {where}; {rule.instead}")
