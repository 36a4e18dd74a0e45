"""The teacher writes new prompts with a report of what the student can do (PGKD, arXiv 2411.05045)."""

from collections.abc import Sequence
from dataclasses import dataclass

from readsim_hf.elicitation.base import (
    Elicitation,
    Lesson,
    Lessons,
    Request,
    StudentReply,
    Voices,
)
from readsim_hf.elicitation.errors_varied import errors_of
from readsim_hf.elicitation.new_prompts import write_and_solve
from readsim_hf.prompts.library import Form
from readsim_hf.prompts.prompt import Prompt

GUIDE = (
    "A student was tested. Right replies of each kind of task:\n{report}\n\nTasks that it got wrong, with "
    "its replies, those that it was surest of first:\n\n{wrong}\n\n{right}Write one more task that would "
    "help it most with what it gets wrong. It must be unlike all tasks above and have one short answer that "
    "can be checked. Reply with the task only."
)
RIGHT = "A task that it got right:\n\n{task}\n\n"


@dataclass(frozen=True)
class GuidedPrompts(Elicitation):
    """For each prompt that the student fails the teacher writes another one, and solves it. It is told

        report           right and asked replies of each template in the group, of that capability
        the failure      and the student's reply to it
        hard negatives   the `shown` - 1 other failures of the smallest surprisal, the mean of
                         -log p_theta(y_k | x, y_<k) over the student's reply y: it was surest of these
        a right one      the first of the capability in the group, where there is one

    New prompts have to be new, no leak, and answered twice alike, as in `NewPrompts`. What the student gets
    right gives no lesson, as in `ErrorsVaried`, which trains on the failures too and tells one at a time.
    The paper reports on a validation set; here held-out items are told to nobody: the report is on the
    group's prompts, which are trained on by nothing else. Its early stop is `--keep-best`.

    A rollout a prompt and a reading of each failure, charged as student_rollout; of a failure three requests,
    charged as expansion. Needs gold answers, a teacher that writes prose and decoding.temperature > 0; tried
    with made-up teachers only.
    """

    name: str = "guided-prompts"
    form: Form = "rationale"
    prose = True
    gold = True
    reads = ("shown", "novelty")

    def draws(self, teachers: int) -> int:
        """See `Elicitation`: two solutions of a new prompt, which tell whether it can be answered."""
        return 2

    def lessons(self, prompts: Sequence[Prompt], voices: Voices) -> list[Lessons]:
        style, tries = voices.style, voices.attempt(prompts)
        out, wrong = errors_of(prompts, tries, voices)
        right = [n for n, p in enumerate(prompts) if voices.right(p, _text(tries[n]))]
        said = {n: reply for n in wrong if (reply := tries[n]) is not None}
        read = voices.fits([Lesson(prompts[n], y.text, ids=y.ids) for n, y in said.items()])
        surprisal = {n: fit.surprisal for n, fit in zip(said, read, strict=True)}
        hardest = sorted(wrong, key=lambda n: (surprisal.get(n, float("inf")), n))
        asked = []
        for n in wrong:
            alike = prompts[n].capability
            first = [n, *(k for k in hardest if k != n and prompts[k].capability == alike)]
            known = next((prompts[k].whole for k in right if prompts[k].capability == alike), None)
            text = GUIDE.format(
                report=right_by_template(prompts, wrong, right, alike),
                wrong="\n\n".join(
                    f"Task: {prompts[k].whole}\nReply: {_text(tries[k])}"
                    for k in first[: self.settings.shown]
                ),
                right="" if known is None else RIGHT.format(task=known),
            )
            asked.append(Request(prompts[n], text))
        some = [prompts[n] for n in wrong]
        texts = voices.tell(asked, "expansion")
        made = write_and_solve(some, texts, self.form, self.settings.novelty, voices)
        for n, new in zip(wrong, made, strict=True):
            out[n] = new.refused or [Lesson(new.text + style.suffix(self.form), new.reply)]
        return out


def right_by_template(
    prompts: Sequence[Prompt], wrong: Sequence[int], right: Sequence[int], capability: str
) -> str:
    """A line for each template of the capability: how many of its prompts were answered rightly."""
    asked: dict[str, list[bool]] = {}
    for n in sorted([*wrong, *right]):
        if prompts[n].capability == capability:
            asked.setdefault(prompts[n].template, []).append(n in right)
    return "\n".join(f"{name}: {sum(all_)} of {len(all_)}" for name, all_ in asked.items())


def _text(reply: StudentReply | None) -> str:
    return "" if reply is None else reply.text
