"""The teacher revises prompt and reply, the student decides which are learned (arXiv 2402.10110)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite

from readsim_hf.elicitation.base import (
    Elicitation,
    Lesson,
    Lessons,
    ReadAs,
    Request,
    Voices,
    asked_text,
)
from readsim_hf.elicitation.new_prompts import write_and_solve
from readsim_hf.elicitation.own_words import references
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.reading import fold

REVISE = (
    "Task: {question}\n\nA reply to it:\n{reply}\n\nConsider what the task lacks: how complex it is, how "
    "much it details, how much knowledge it takes, whether it can be misread. Then write a better task of "
    "the kind, with one short answer that can be checked. Reply with the new task only."
)
BETTER = (
    "{asked}\n\nA reply to it:\n{reply}\n\nConsider what the reply lacks: how helpful, relevant, accurate "
    "and detailed it is. Then write a better one, which ends as the task asks. Reply with the better reply "
    "only."
)
GUESS = "This is a reply:\n{reply}\n\nWrite the task that it replies to. Reply with the task only."
ALONE = "\n"  # what is read before a text that stands alone


@dataclass(frozen=True)
class SelectiveReflection(Elicitation):
    """One lesson of a prompt x with its reply y: first (x, y) or the teacher's revision (x', y') of both, of
    the larger instruction-following difficulty; then y* or the teacher's revision y'' of it, of the smaller
    reversed one.

        IFD(y | x) = ppl(y | x) / ppl(y)        (x', y') where IFD(y' | x') > IFD(y | x)
        r-IFD(x | y) = ppl(x | y) / ppl(x)      y'' where r-IFD(x* | y'') < r-IFD(x* | y*)

    ppl is exp of the student's mean surprisal. A prompt is worth learning that helps its reply little, and a
    reply that tells which prompt it answers; of the second only ppl(x | y) is read, since x* is the same. y
    is the gold solution, or the teacher's reply where there is none. Ours: x' is no leak and answered twice
    alike, as in `NewPrompts`; y'' keeps the answer; the paper's code drops difficulties of 1 or more.

    Up to four requests a prompt, those of x' charged as expansion; up to six readings by the student, charged
    as student_rollout. Needs a teacher that writes prose and decoding.temperature > 0; tried with made-up
    teachers only.
    """

    name: str = "selective-reflection"
    form: Form = "rationale"
    prose = True

    def draws(self, teachers: int) -> int:
        """See `Elicitation`: two solutions of a new prompt, which tell whether it can be answered."""
        return 2

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        style, known = voices.style, references(prompts, voices)
        rows = [n for n, reply in enumerate(known) if reply is not None]
        some = [prompts[n] for n in rows]
        pairs = [Lesson(p, known[n] or "") for n, p in zip(rows, some, strict=True)]
        asked = [
            Request(p, REVISE.format(question=p.whole, reply=old.said))
            for p, old in zip(some, pairs, strict=True)
        ]
        made = write_and_solve(some, voices.tell(asked, "expansion"), self.form, 1.0, voices)
        revised = {
            k: Lesson(new.text + style.suffix(self.form), new.reply)
            for k, new in enumerate(made)
            if not new.refused
        }
        before = _difficulties([pairs[k] for k in revised], voices)
        after = _difficulties(list(revised.values()), voices)
        texts = [p.whole for p in some]
        for k, old, new in zip(revised, before, after, strict=True):
            if new > old:
                pairs[k], texts[k] = revised[k], made[k].text
        self._reply_again(some, texts, pairs, voices)
        out: list[Lessons] = ["there is neither a gold answer nor a usable reply" for _ in prompts]
        for n, pair in zip(rows, pairs, strict=True):
            out[n] = [pair]
        return out

    def _reply_again(
        self, prompts: Sequence[Prompt], texts: Sequence[str], pairs: list[Lesson], voices: Voices
    ) -> None:
        """Put the teacher's revision of a reply where the student sees the prompt's text in it better."""
        style = voices.style
        asked = [
            x.asked if isinstance(x.asked, str) else asked_text(x.asked, style, self.form)
            for x in pairs
        ]
        requests = [
            Request(p, BETTER.format(asked=text, reply=old.said))
            for p, text, old in zip(prompts, asked, pairs, strict=True)
        ]
        better: dict[int, str] = {}
        for k, said in enumerate(voices.tell(requests)):
            same = fold(style.final_answer(said or "")) == fold(style.final_answer(pairs[k].said))
            new = pairs[k].asked is not prompts[k]
            right = None if new else voices.right(prompts[k], said or "")
            if said and (right or (right is None and same)):
                better[k] = said
        old = voices.fits([_guess(pairs[k].said, texts[k]) for k in better])
        fits = voices.fits([_guess(said, texts[k]) for k, said in better.items()])
        for (k, said), was, now in zip(better.items(), old, fits, strict=True):
            if now.surprisal < was.surprisal:
                pairs[k] = Lesson(pairs[k].asked, said)


def _guess(reply: str, text: str) -> Lesson:
    return Lesson(GUESS.format(reply=reply), text)


def _difficulties(pairs: Sequence[Lesson], voices: Voices) -> list[float]:
    asked = voices.fits(pairs)
    alone = voices.fits([Lesson(ALONE, pair.said) for pair in pairs])
    return [log_difficulty(x, y) for x, y in zip(asked, alone, strict=True)]


def log_difficulty(asked: ReadAs, alone: ReadAs) -> float:
    """log IFD of a reply that the student reads behind its prompt and alone; -inf where it cannot."""
    apart = asked.surprisal - alone.surprisal
    return apart if isfinite(apart) else -inf
