"""Prompts that are written for what the student fails, and revisions that the student chooses among."""

from dataclasses import replace
from math import exp, inf
from typing import Any

import pytest

from readsim_hf.prompts.library import PROSE
from readsim_hf.prompts.prompt import Prompt
from tests.support.hf import NEEDS
from tests.support.made_voices import MadeVoices, by_text, sum_of
from tests.support.made_voices import lessons_of as found
from tests.support.made_voices import only_lessons as only

pytestmark = pytest.mark.extra(*NEEDS)

TWO = sum_of(17, 25)
GOLD = "17 + 25 = 42\nAnswer: 42"
NEW, SOLVED = "How many days have three weeks?", "3 * 7 = 21\nAnswer: 21"


def test_new_prompts_are_written_with_a_report_and_the_surest_errors_first() -> None:
    """Of five sums the student gets one; a sixth prompt is of another capability."""
    prompts = [sum_of(n, 1) for n in range(5)] + [sum_of(8, 8, "code")]
    prompts[4] = replace(prompts[4], template="math/other")
    surprisal = {1: 3.0, 2: 0.5, 3: 1.0}

    def reads(lesson: Any) -> tuple[float, float]:
        assert lesson.ids is not None  # its own tokens, as it said them
        return surprisal.get(int(lesson.asked.text.split()[2]), 9.0), 1.0

    says = by_text({"What is 0 plus": "Answer: 1"}, "Answer: 77")
    voices = MadeVoices(student=says, told=by_text({NEW: SOLVED}, NEW), reads=reads)
    made = found(voices, "guided-prompts", prompts, shown=3)
    assert made[0] == "the student is right already"
    assert made[1] == [(NEW + PROSE.rationale, SOLVED)]
    assert set(made[2:5]) == {"the new prompt is too much like an earlier one"}  # in one group
    assert made[5] == made[1]
    asked = [text for who, text in voices.asked if "Write one more task" in text]
    assert len(asked) == 5
    assert "math/sum: 1 of 4\nmath/other: 0 of 1" in asked[0]
    assert "A task that it got right:\n\nWhat is 0 plus 1?" in asked[0]
    order = [asked[0].index(f"Task: What is {n} plus 1?\nReply: Answer: 77") for n in (1, 2, 3)]
    assert order == sorted(order)  # the failure itself, then the surest
    assert "What is 4 plus" not in asked[0]
    assert "math/sum: 0 of 1" in asked[4]
    assert "1 plus" not in asked[4]
    assert "got right" not in asked[4]
    assert {who for who, _ in voices.asked} == {"expansion"}


def test_nothing_is_asked_for_a_student_that_is_right_or_cannot_be_told() -> None:
    knows = MadeVoices(student=by_text({}, "Answer: 42"))
    assert only(knows, "guided-prompts", TWO) == "the student is right already"
    free = Prompt("general", "x", "Say something.")
    assert only(knows, "guided-prompts", free) == "there is no gold answer to tell by"
    assert knows.asked == []
    held = MadeVoices(told=by_text({}, NEW), held_out=[NEW])  # a student that says nothing
    assert only(held, "guided-prompts", TWO) == "the new prompt overlaps with a held-out item"
    assert "Reply: \n" in held.asked[0][1]


BETTER = "Seventeen and twenty-five are forty-two.\nAnswer: 42"
TOLD = {"new task only": NEW, NEW + PROSE.rationale + "\n\nA reply": None, NEW: SOLVED}


def reading(**surprisals: float) -> Any:
    """By what is read: old and new replies behind their prompts and alone, prompts behind replies."""

    def reads(lesson: Any) -> tuple[float, float]:
        asked = lesson.asked if isinstance(lesson.asked, str) else lesson.asked.text
        reply = {SOLVED: "new", BETTER: "better", GOLD: "old"}
        if lesson.said in reply:
            where = "alone" if not asked.strip() else "asked"
            return surprisals[f"{reply[lesson.said]}_{where}"], 1.0
        (which,) = [name for text, name in reply.items() if text in asked]
        assert lesson.said in (TWO.text, NEW)
        return surprisals[f"prompt_from_{which}"], 1.0

    return reads


@pytest.mark.parametrize(
    ("old", "new"), [((1.0, 2.0), (1.5, 2.0)), ((1.0, 2.0), (2.0, 3.5)), ((inf, inf), (1.0, 3.0))]
)
def test_the_prompt_that_helps_its_reply_less_is_kept(
    old: tuple[float, float], new: tuple[float, float]
) -> None:
    """By perplexities: exp of surprisals, their ratio."""
    reads = reading(old_asked=old[0], old_alone=old[1], new_asked=new[0], new_alone=new[1])
    made = only(MadeVoices(told=by_text(TOLD), reads=reads), "selective-reflection", TWO)
    readable = old[0] < inf
    larger = not readable or exp(new[0]) / exp(new[1]) > exp(old[0]) / exp(old[1])
    assert made == ([(NEW + PROSE.rationale, SOLVED)] if larger else [(TWO.text, GOLD)])


def test_the_reply_that_tells_its_prompt_is_kept() -> None:
    told = by_text({"better reply only": BETTER})
    for was, now, kept in ((2.0, 1.0, BETTER), (1.0, 2.0, GOLD), (2.0, inf, GOLD)):
        voices = MadeVoices(told=told, reads=reading(prompt_from_old=was, prompt_from_better=now))
        assert only(voices, "selective-reflection", TWO) == [(TWO.text, kept)]
        assert [who for who, _ in voices.asked] == ["expansion", "tell"]
    wrong = MadeVoices(told=by_text({"better reply only": "Answer: 43"}))
    assert only(wrong, "selective-reflection", TWO) == [(TWO.text, GOLD)]


def test_a_revised_prompt_has_its_own_reply_revised() -> None:
    again = "Three weeks of seven days.\nAnswer: 21"
    told = by_text({"new task only": NEW, "better reply only": again, NEW: SOLVED})

    def reads(lesson: Any) -> tuple[float, float]:
        if lesson.said == NEW:
            return (1.0 if again in lesson.asked else 2.0), 1.0
        return (1.0 if lesson.said == SOLVED or not isinstance(lesson.asked, str) else 5.0), 1.0

    voices = MadeVoices(told=told, reads=reads)
    assert only(voices, "selective-reflection", TWO) == [(NEW + PROSE.rationale, again)]
    other = by_text({"new task only": NEW, "better reply only": "Answer: 22", NEW: SOLVED})
    voices = MadeVoices(told=other, reads=reads)  # another answer than the one that came twice
    assert only(voices, "selective-reflection", TWO) == [(NEW + PROSE.rationale, SOLVED)]


def test_difficulty_by_hand() -> None:
    from readsim_hf.elicitation.base import ReadAs
    from readsim_hf.elicitation.selective_reflection import log_difficulty

    asked, alone = ReadAs(0.7, 1.0), ReadAs(1.9, 1.0)
    assert exp(log_difficulty(asked, alone)) == pytest.approx(exp(0.7) / exp(1.9))
    assert (
        log_difficulty(ReadAs(inf, 100.0), alone) == log_difficulty(asked, ReadAs(inf, 1.0)) == -inf
    )
