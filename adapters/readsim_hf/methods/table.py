"""Every method by name: what `--method` accepts, what `readsim models methods` lists, what the map shows.

A new method is one row of `METHODS`, in its family, and nothing else here. A new family is a name
above `FAMILIES` and one line of it. After either, `readsim models methods --write docs` makes the page and
the figure anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from readsim.errors import ConfigError, unknown

_WORDS = "teacher's words"
_SOFT = "teacher's distributions"
_OWN = "student's own text"
_REWARDS = "rewards"
_RANKS = "preference and ranking"
_STATES = "hidden states"
_ACROSS = "other tokens"
_FORMS = "reasoning forms"
_SELF = "self-knowledge"
_NEW = "expansion"
_BEST = "curation"
_BACK = "feedback"
_MERGED = "merging"

# Family -> what its methods have in common.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        _WORDS: "the student learns the text that the teacher wrote",
        _SOFT: "the student learns what else the teacher might have said",
        _OWN: "the student writes, the teacher scores what it wrote",
        _REWARDS: "the student writes several replies, which are graded",
        _RANKS: "replies of the teacher and of the student are compared",
        _STATES: "the student learns what the teacher computes on the way",
        _ACROSS: "teacher and student cut text into different tokens",
        _FORMS: "the same question is taught in several ways, or in the best of several replies",
        _SELF: "the student learns from itself what it can do with help",
        _NEW: "the teacher writes prompts that were not there",
        _BEST: "of what was said, the part that suits the student",
        _BACK: "the teacher answers to what the student said, or teachers to each other",
        _MERGED: "students that were trained apart become one",
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
    command     what does it, where that is a command of its own: `--method` refuses it
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
    command: str = ""


_LOGITS = "a teacher's distributions"
_GOLD = "gold answers"
_JUDGED = ("teacher_prompt", "teacher_generated", "judge")
_PROSE = "a teacher that writes prose"
_EXPANDS = ("teacher_prompt", "teacher_generated", "student_rollout", "expansion")
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
        "reverse-question": Method(
            _FORMS,
            "the question, its reverse, and the reverse's solution, where they agree",
            "reverse-question",
            names=("RevThink",),
            source="arXiv 2411.19865",
            needs="a teacher that writes prose",
            charges=_JUDGED,
        ),
        "principle-first": Method(
            _FORMS,
            "what the student got wrong begins with the principle that it lacked",
            "principle-first",
            names=("TPD", "principle discovery"),
            source="arXiv 2401.13849",
            needs=f"a teacher that writes prose, {_GOLD}",
            charges=_SCORES,
        ),
        "several-traces": Method(
            _FORMS,
            "of several replies the right ones that differ most",
            "several-traces",
            names=("DED", "best of n", "rejection sampling"),
            source="arXiv 2508.09883",
            needs=f"a teacher that writes, {_GOLD}",
        ),
        "own-right": Method(
            _SELF,
            "the student's own replies that are right, with a hint where none is",
            "own-right",
            names=("STaR", "RFT", "ReST-EM"),
            source="arXiv 2203.14465",
            needs=_GOLD,
            charges=("student_rollout",),
        ),
        "own-words": Method(
            _SELF,
            "the reference reply in the student's own words",
            "own-words",
            names=("SDFT rewriting",),
            source="arXiv 2402.13669",
            needs=f"{_GOLD}, or a teacher that writes",
            charges=_SCORES,
        ),
        "answer-shown": Method(
            _SELF,
            "the same model, shown the answer, scores what it wrote without it",
            "answer-shown",
            "jsd",
            names=("OPSD", "SDFT", "on-policy self-distillation"),
            source="arXiv 2601.18734, 2601.19897",
            needs=f"{_GOLD}, or a teacher that writes",
            charges=_SCORES,
        ),
        "new-prompts": Method(
            _NEW,
            "the teacher writes prompts like those of a capability, and solves them",
            "new-prompts",
            names=("Self-Instruct",),
            source="arXiv 2212.10560",
            needs=_PROSE,
            charges=("expansion", "student_rollout"),
        ),
        "evolved-prompts": Method(
            _NEW,
            "the teacher makes prompts harder, and solves them",
            "evolved-prompts",
            names=("Evol-Instruct", "WizardLM"),
            source="arXiv 2304.12244",
            needs=_PROSE,
            charges=("expansion", "student_rollout"),
        ),
        "errors-varied": Method(
            _NEW,
            "what the student gets wrong, and a variant of it by the teacher",
            "errors-varied",
            names=("LLM2LLM",),
            source="arXiv 2403.15042",
            needs=f"{_PROSE}, {_GOLD}",
            charges=_EXPANDS,
        ),
        "informative-fit": Method(
            _BEST,
            "of several right replies that of the smallest rank-surprisal ratio for the student",
            "informative-fit",
            names=("RSR", "informative alignment"),
            source="arXiv 2601.14249",
            needs=f"a teacher that writes, {_GOLD}",
            charges=_SCORES,
        ),
        "likeliest-fit": Method(
            _BEST,
            "of several right replies the one that is likeliest for the student",
            "likeliest-fit",
            names=("GRAPE",),
            source="arXiv 2502.04194",
            needs=f"a teacher that writes, {_GOLD}",
            charges=_SCORES,
        ),
        "corrected": Method(
            _BACK,
            "the teacher corrects what the student got wrong",
            "corrected",
            names=("PERsD", "personalised distillation"),
            source="arXiv 2310.18628",
            needs=f"{_PROSE}, {_GOLD}",
            charges=_SCORES,
        ),
        "explained": Method(
            _BACK,
            "the teacher explains where it helps the student, under a budget of messages",
            "explained",
            names=("theory of mind", "ToM"),
            source="arXiv 2306.09299",
            needs=_PROSE,
            charges=_SCORES,
        ),
        "critique": Method(
            _BACK,
            "the student learns the teacher's critique of its replies",
            "critique",
            names=("CFT", "critique fine-tuning"),
            source="arXiv 2501.17703",
            needs=_PROSE,
            charges=_SCORES,
        ),
        "peer-review": Method(
            _BACK,
            "teachers score each other's replies, the best is learned",
            "peer-review",
            names=("FAIR",),
            source="arXiv 2410.03663",
            needs="several teachers that write prose",
            charges=_JUDGED,
        ),
        "merge": Method(
            _MERGED,
            "the mean of students, shares of it, or their summed changes; train on from there",
            "",
            names=("task arithmetic", "model soup", "Branch-Merge", "MergeMix"),
            source="arXiv 2203.05482, 2212.04089",
            needs="students trained from one start",
            charges=(),
            command="readsim merge",
        ),
        "pkd": Method(
            _STATES,
            "half cross entropy, half forward KL, and the angle between the states of each layer",
            "cot",
            "kd + hidden(kind=cosine)",
            names=("Patient KD", "patient knowledge distillation"),
            source="arXiv 1908.09355",
            needs="a teacher in this process",
        ),
        "uld": Method(
            _ACROSS,
            "cross entropy, and the distance of the sorted probabilities",
            "cot",
            "sft + uld",
            names=("universal logit distillation",),
            source="arXiv 2402.12030",
            needs="a teacher in this process",
        ),
        "gold": Method(
            _ACROSS,
            "forward KL over shared tokens and over the likelihoods of aligned spans",
            "logit",
            "shared + span",
            names=("GOLD",),
            source="TRL",
            needs="a teacher in this process, with other tokens",
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

    Raises UnknownNameError with the nearest name, ConfigError for what is a command of its own.
    """
    if _folded(name) not in _CANONICAL:
        raise unknown("method", name, METHODS)
    found = _CANONICAL[_folded(name)]
    if METHODS[found].command:
        raise ConfigError(f"method {name!r} is a command of its own: {METHODS[found].command}")
    return found


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
