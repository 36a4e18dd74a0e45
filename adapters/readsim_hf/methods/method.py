"""What a method is, and the families of methods."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

WORDS = "teacher's words"
SOFT = "teacher's distributions"
OWN = "student's own text"
REWARDS = "rewards"
RANKS = "preference and ranking"
STATES = "hidden states"
ACROSS = "other tokens"
FORMS = "reasoning forms"
SELF = "self-knowledge"
NEW = "expansion"
BEST = "curation"
BACK = "feedback"
MERGED = "merging"

# Family -> what its methods have in common.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        WORDS: "the student learns the text that the teacher wrote",
        SOFT: "the student learns what else the teacher might have said",
        OWN: "the student writes, the teacher scores what it wrote",
        REWARDS: "the student writes several replies, which are graded",
        RANKS: "replies of the teacher and of the student are compared",
        STATES: "the student learns what the teacher computes on the way",
        ACROSS: "teacher and student cut text into different tokens",
        FORMS: "the same question is taught in several ways, or in the best of several replies",
        SELF: "the student learns from itself what it can do with help",
        NEW: "the teacher writes prompts that were not there",
        BEST: "of what was said, the part that suits the student",
        BACK: "the teacher answers to what the student said, or teachers to each other",
        MERGED: "students that were trained apart become one",
    }
)


ASKED = ("teacher_prompt", "teacher_generated")  # kinds of tokens of a teacher that writes


@dataclass(frozen=True)
class Method:
    """One method.

    family      a key of FAMILIES
    about       one line: what is done
    signal      what is asked for and supervised, see `readsim_hf.supervision`
    objective   what is minimised on it, and its `settings`
    on_policy   share of prompts that the student answers itself, where the settings name none
    sampling    settings of the table [sampling] that make it this method
    names       what papers call it, beside its name here; case does not matter
    source      where it was published
    differs     in what it is not as its paper has it, where something is known
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
    sampling: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    source: str = ""
    differs: str = ""
    needs: str = "a teacher that writes"
    charges: tuple[str, ...] = ASKED
    command: str = ""


def objective_text(method: Method) -> str:
    """Its objective with its settings, as `--objective` takes it."""
    if not method.settings:
        return method.objective
    return f"{method.objective}({', '.join(f'{k}={v:g}' for k, v in method.settings.items())})"


LOGITS = "a teacher's distributions"
GOLD = "gold answers"
PROSE = "a teacher that writes prose"
# Kinds of tokens: what a teacher writes, what it scores, and who else reads and writes.
TRIED = (*ASKED, "student_rollout")
JUDGED = (*ASKED, "judge")
EXPANDS = (*TRIED, "expansion")
READS = ("teacher_scored", "student_rollout")
STATED = (*ASKED, "teacher_scored")
BOTH = (*TRIED, "teacher_scored")
