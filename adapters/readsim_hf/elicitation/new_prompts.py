"""The teacher writes new prompts of a capability (Self-Instruct, Evol-Instruct)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from readsim_hf.elicitation.base import Elicitation, Lesson, Lessons, Request, Voices
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.reading import fold

ANOTHER = (
    "Here are tasks of one kind:\n\n{tasks}\n\nWrite one more task of this kind that is unlike all of them "
    "and has one short answer that can be checked. Reply with the task only."
)
HARDER = (
    "Rewrite this task into a harder one: {how}. It must still have one short answer that can be checked. "
    "Reply with the new task only.\n\n{tasks}"
)
# In turn over the prompts of a group.
WAYS = (
    "add one more condition",
    "replace something general by something more specific",
    "let it take one more step of reasoning",
    "ask for something rarer of the same kind",
)


class NewPrompt(NamedTuple):
    """A new prompt and the teacher's reply to it; in words why there is none."""

    text: str
    reply: str
    refused: str = ""


@dataclass(frozen=True)
class NewPrompts(Elicitation):
    """For each prompt of a capability the teacher writes another one, from `shown` of them (in-context), or
    from that one made harder (evolved), and solves it.

    A new prompt is trained on where

    novelty        its ROUGE-L F1 to each prompt of its group, the new ones before it too, is at most
                   `novelty` (.7 in Self-Instruct): 2 l / (m + n) for the longest common subsequence l of
                   their m and n words
    leak           it is no held-out item and shares no 13 words in a row with one
    answerability  two replies of the teacher come to the same final answer
    difficulty     with `only_missed`, the student's reply comes to another one

    Self-Instruct, arXiv 2212.10560; Evol-Instruct, arXiv 2304.12244. Which prompts are seeds follows the
    allocation, as those of any method. Three requests a prompt, charged as expansion; the rollouts of
    `only_missed` as rollouts. Needs a teacher that writes prose and decoding.temperature > 0, without
    which both replies are one and nothing tells what can be answered. Tried with made-up teachers only.
    """

    name: str = "new-prompts"
    form: Form = "rationale"
    prose = True
    evolved: bool = False
    tries = False
    reads: ClassVar[tuple[str, ...]] = ("shown", "novelty", "only_missed")

    def draws(self, teachers: int) -> int:
        """See `Elicitation`: two solutions of a new prompt, which tell whether it can be answered."""
        return 2

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        asked = [Request(p, self._ask(prompts, n)) for n, p in enumerate(prompts)]
        texts = voices.tell(asked, "expansion")
        made = write_and_solve(prompts, texts, self.form, self.settings.novelty, voices)
        if self.settings.only_missed:
            made = missed(prompts, made, self.form, voices)
        return [
            one.refused or [Lesson(one.text + voices.style.suffix(self.form), one.reply)]
            for one in made
        ]

    def _ask(self, prompts: Sequence[Prompt], n: int) -> str:
        if self.evolved:
            return HARDER.format(how=WAYS[n % len(WAYS)], tasks=prompts[n].whole)
        same = [p.whole for p in prompts if p.capability == prompts[n].capability]
        at = same.index(prompts[n].whole)
        seeds = (same[at:] + same[:at])[: self.settings.shown]
        return ANOTHER.format(tasks="\n\n".join(f"Task {k}: {s}" for k, s in enumerate(seeds, 1)))


@dataclass(frozen=True)
class EvolvedPrompts(NewPrompts):
    """`NewPrompts` with `evolved`."""

    name: str = "evolved-prompts"
    evolved: bool = True
    reads = ("novelty", "only_missed")


def write_and_solve(
    prompts: Sequence[Prompt],
    texts: Sequence[str | None],
    form: Form,
    novelty: float,
    voices: Voices,
) -> list[NewPrompt]:
    """New prompts (None where the teacher wrote none) that are new, no leak, and answered twice alike."""
    style, out = (
        voices.style,
        [NewPrompt("", "", "the teacher wrote no new prompt") for _ in prompts],
    )
    known: dict[str, list[list[str]]] = {}
    for prompt in prompts:
        known.setdefault(prompt.capability, []).append(fold(prompt.text).split())
    rows = []
    for n, written in enumerate(texts):
        text = (written or "").strip()
        words = fold(text).split()
        same = known[prompts[n].capability]
        if not words:
            continue
        if any(rouge_l(words, other) > novelty for other in same):
            out[n] = NewPrompt(text, "", "the new prompt is too much like an earlier one")
        elif not voices.may_train(text):
            out[n] = NewPrompt(text, "", "the new prompt overlaps with a held-out item")
        else:
            rows.append(n)
            out[n] = NewPrompt(text, "")
            same.append(words)
    solve = [Request(prompts[n], out[n].text + style.suffix(form), d) for d in (0, 1) for n in rows]
    said = voices.tell(solve, "expansion")
    for n, first, second in zip(rows, said[: len(rows)], said[len(rows) :], strict=True):
        answers = {fold(style.final_answer(reply or "")) for reply in (first, second)}
        agree = len(answers) == 1 and answers != {""}
        reason = "" if agree else "two replies to the new prompt do not agree"
        out[n] = out[n]._replace(reply=first or "", refused=reason)
    return out


def missed(
    prompts: Sequence[Prompt], made: Sequence[NewPrompt], form: Form, voices: Voices
) -> list[NewPrompt]:
    """Those that the student answers otherwise than the teacher."""
    style = voices.style
    rows = [n for n, one in enumerate(made) if not one.refused]
    asked = [Request(prompts[n], made[n].text + style.suffix(form)) for n in rows]
    out = list(made)
    for n, tried in zip(rows, voices.write(asked), strict=True):
        own = "" if tried is None else style.final_answer(tried.text)
        if fold(own) == fold(style.final_answer(made[n].reply)):
            out[n] = out[n]._replace(
                refused="the student answers the new prompt as the teacher does"
            )
    return out


def rouge_l(a: Sequence[str], b: Sequence[str]) -> float:
    """F1 of the longest common subsequence of two lists of words, in [0, 1]; 0 where one is empty."""
    if not a or not b:
        return 0.0
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for n, other in enumerate(b, 1):
            before, row[n] = row[n], before + 1 if word == other else max(row[n], row[n - 1])
    return 2 * row[-1] / (len(a) + len(b))
