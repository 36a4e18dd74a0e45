"""Every method by name: what `--method` accepts, what `readsim models methods` lists, what the map shows.

A new method is one row of `METHODS`, in its family, and nothing else here. A new family is one line of
`FAMILIES`. After either, `readsim models methods --write docs` makes the page and the figure anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from readsim.errors import ConfigError, unknown

# Family -> what its methods have in common.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "teacher's words": "the student learns the text that the teacher wrote",
        "teacher's distributions": "the student learns what else the teacher might have said",
        "student's own text": "the student writes, the teacher scores what it wrote",
        "rewards": "the student writes several replies, which are graded",
        "preference and ranking": "replies of the teacher and of the student are compared",
    }
)


@dataclass(frozen=True)
class Method:
    """One method.

    family      a key of FAMILIES
    about       one line: what is done
    signal      what is asked for and supervised, see `readsim_hf.supervision`
    objective   what is minimised on it, and its `settings`
    on_policy   share of prompts that the student answers itself, where the settings name none
    names       what papers call it, beside its name here; case does not matter
    source      where it was published
    needs       of whom it asks what
    charges     kinds of tokens it takes beside the supervised ones, see `readsim.envs.ledger.KINDS`
    """

    family: str
    about: str
    signal: str
    objective: str = "sft"
    settings: Mapping[str, float] = field(default_factory=dict)
    on_policy: float = 0.0
    names: tuple[str, ...] = ()
    source: str = ""
    needs: str = "a teacher that writes"
    charges: tuple[str, ...] = ("teacher_prompt", "teacher_generated")


_WORDS, _SOFT, _OWN, _REWARDS, _RANKS = FAMILIES
_LOGITS = "a teacher's distributions"
_SCORES = ("teacher_prompt", "teacher_generated", "student_rollout")
_READS = ("teacher_prompt", "student_rollout")

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "resp-sft": Method(
            _WORDS,
            "cross entropy on the teacher's final answer",
            "resp",
            names=("SeqKD", "sequence-level KD"),
            source="arXiv 1606.07947",
        ),
        "cot-sft": Method(
            _WORDS,
            "cross entropy on the teacher's reasoning and answer",
            "cot",
            names=("Fine-tune-CoT", "CoT distillation"),
            source="arXiv 2212.10071",
        ),
        "step-by-step": Method(
            _WORDS,
            "two tasks of one reply: the answer, and the rationale with a weight",
            "step-by-step",
            names=("Distilling step-by-step",),
            source="arXiv 2305.02301",
        ),
        "equation-of-thought": Method(
            _WORDS,
            "equations that are solved and lead to the answer",
            "equation-of-thought",
            names=("EoTD",),
            source="arXiv 2401.11864",
        ),
        "plan-then-code": Method(
            _WORDS,
            "two tasks of one reply: the solution, and the plan with a weight",
            "plan-then-code",
            names=("CodePLAN",),
            source="arXiv 2403.13271",
        ),
        "logit-sft": Method(
            _SOFT,
            "cross entropy with the teacher's distributions",
            "logit",
            "soft-sft",
            needs=_LOGITS,
        ),
        "logit-kd": Method(
            _SOFT,
            "forward KL to the teacher's distributions",
            "logit",
            "kd",
            {"alpha": 1.0},
            names=("KD", "word-level KD"),
            source="arXiv 1503.02531",
            needs=_LOGITS,
        ),
        "resp-kd": Method(
            _SOFT,
            "half cross entropy, half forward KL, on the final answer",
            "resp",
            "kd",
            needs=_LOGITS,
        ),
        "cot-kd": Method(
            _SOFT,
            "half cross entropy, half forward KL, on reasoning and answer",
            "cot",
            "kd",
            needs=_LOGITS,
        ),
        "se-kd": Method(
            _SOFT,
            "forward KL on the tokens at which the student is least sure",
            "logit",
            "fkl(tokens=entropy)",
            names=("SE-KD",),
            source="arXiv 2602.01395",
            needs=_LOGITS,
        ),
        "distillm": Method(
            _OWN,
            "skewed forward KL, half of the prompts answered by the student",
            "logit",
            "skew-fkl",
            {"alpha": 0.1},
            on_policy=0.5,
            names=("DistiLLM", "skew KL"),
            source="arXiv 2402.03898",
            needs=_LOGITS,
            charges=_SCORES,
        ),
        "gkd": Method(
            _OWN,
            "generalised JSD, half of the prompts answered by the student",
            "logit",
            "gjsd",
            {"beta": 0.5},
            on_policy=0.5,
            names=("generalised knowledge distillation", "GKD"),
            source="arXiv 2306.13649",
            needs=_LOGITS,
            charges=_SCORES,
        ),
        "distillm-2": Method(
            _OWN,
            "contrastive by origin: teacher's text skewed forward, the student's own skewed reverse",
            "logit",
            "skew-fkl(on=teacher) + skew-rkl(on=own)",
            on_policy=0.5,
            names=("DistiLLM-2",),
            source="arXiv 2503.07067",
            needs=_LOGITS,
            charges=_SCORES,
        ),
        "opd": Method(
            _OWN,
            "reverse KL on the student's own text alone",
            "logit",
            "rkl",
            on_policy=1.0,
            names=("on-policy distillation",),
            needs=_LOGITS,
            charges=_SCORES,
        ),
        "mopd": Method(
            _OWN,
            "each prompt's own teacher scores the student's text: clipped policy gradient on the log-ratio",
            "cot",
            "mopd",
            on_policy=1.0,
            names=("MOPD", "multi-teacher on-policy distillation", "DN-MOPD", "Open-MOPD"),
            source="arXiv 2606.30406, 2609.35347, 2608.19098",
            needs=f"{_LOGITS}; `sampling.weights` says what a source's losses weigh",
            charges=_READS,
        ),
        "mopd-kl": Method(
            _OWN,
            "each prompt's own teacher scores the student's text: reverse KL",
            "cot",
            "mopd-kl",
            on_policy=1.0,
            source="arXiv 2606.30406",
            needs=f"{_LOGITS}; `sampling.weights` as for mopd",
            charges=_READS,
        ),
        "minillm": Method(
            _OWN,
            "the gradient of reverse KL over whole replies: each token, and what comes after it",
            "cot",
            "minillm",
            on_policy=1.0,
            names=("MiniLLM",),
            source="arXiv 2306.08543",
            needs=_LOGITS,
            charges=_READS,
        ),
        "kdrl": Method(
            _REWARDS,
            "group-normalised rewards of the student's replies, and reverse KL to the teacher",
            "cot",
            "kdrl",
            on_policy=1.0,
            names=("KDRL",),
            source="arXiv 2506.02208",
            needs=f"{_LOGITS}; gold answers, or a judge",
            charges=(*_READS, "judge"),
        ),
        "grpo": Method(
            _REWARDS,
            "group-normalised rewards of the student's replies alone",
            "cot",
            "kdrl",
            {"kl": 0.0},
            on_policy=1.0,
            names=("GRPO",),
            source="arXiv 2402.03300",
            needs="gold answers, or a judge",
            charges=("student_rollout", "judge"),
        ),
        "dpo": Method(
            _RANKS,
            "the teacher's reply preferred to the student's, against the student's start",
            "cot",
            "dpo",
            names=("DPO", "dDPO"),
            source="arXiv 2305.18290",
            charges=_SCORES,
        ),
        "dpkd": Method(
            _RANKS,
            "the teacher's reply preferred to the student's, against the teacher",
            "cot",
            "dpkd",
            names=("DPKD", "direct preference knowledge distillation"),
            source="arXiv 2406.19774",
            needs=_LOGITS,
            charges=_SCORES,
        ),
        "plad": Method(
            _RANKS,
            "the teacher's reply likelier than the student's by a margin",
            "cot",
            "plad",
            names=("PLaD",),
            source="arXiv 2406.02886",
            charges=_SCORES,
        ),
        "rrhf": Method(
            _RANKS,
            "replies in the order of the teacher's log-probability: hinges, and the best one's words",
            "cot",
            "rrhf",
            names=("RRHF",),
            source="arXiv 2304.05302",
            needs=_LOGITS,
            charges=_SCORES,
        ),
        "pro": Method(
            _RANKS,
            "replies in the order of the teacher's log-probability: one softmax a rank",
            "cot",
            "pro",
            names=("PRO", "preference ranking optimization"),
            source="arXiv 2306.17492",
            needs=_LOGITS,
            charges=_SCORES,
        ),
    }
)


def _folded(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


_CANONICAL = {
    _folded(each): name for name, method in METHODS.items() for each in (name, *method.names)
}


def method_name(name: str) -> str:
    """The key of METHODS for a name of ours or a paper's, in any case and with any marks between its words.

    Raises UnknownNameError with the nearest name.
    """
    if _folded(name) not in _CANONICAL:
        raise unknown("method", name, METHODS)
    return _CANONICAL[_folded(name)]


def check_methods(methods: Mapping[str, Method] = METHODS) -> None:
    """ConfigError for a row whose family there is not, or a name that two rows have."""
    owners: dict[str, str] = {}
    for name, method in methods.items():
        if method.family not in FAMILIES:
            raise unknown(f"family of method {name}", method.family, FAMILIES)
        for each in {_folded(every) for every in (name, *method.names)}:
            if each in owners:
                raise ConfigError(f"methods {owners[each]!r} and {name!r} share the name {each!r}")
            owners[each] = name
