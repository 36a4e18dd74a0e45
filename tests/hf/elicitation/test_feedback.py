"""Feedback, expansion and curation: the lessons that made-up voices lead to."""

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim_hf.prompts.library import PROSE
from readsim_hf.prompts.prompt import Prompt
from tests.support.hf import NEEDS
from tests.support.made_voices import MadeVoices, by_text, sum_of
from tests.support.made_voices import lessons_of as found
from tests.support.made_voices import only_lessons as only

pytestmark = pytest.mark.extra(*NEEDS)

TWO = sum_of(17, 25)
RIGHT, WRONG = "17 and 25 make 42.\nAnswer: 42", "They make 41.\nAnswer: 41"
FREE = Prompt("general", "x", "Say something.")
NEW, SOLVED = "How many days have three weeks?", "3 * 7 = 21\nAnswer: 21"


@pytest.mark.parametrize(
    "name",
    [
        *("new-prompts", "evolved-prompts", "errors-varied", "informative-fit", "likeliest-fit"),
        *("guided-prompts", "selective-reflection"),
        *("corrected", "explained", "critique", "peer-review"),
    ],
)
def test_no_prompts_and_silence_are_no_error(name: str) -> None:
    assert found(MadeVoices(), name, []) == []
    assert isinstance(only(MadeVoices(), name, FREE), str)


def test_new_prompts_from_seeds() -> None:
    told = by_text({"one more task": NEW, NEW: SOLVED})
    voices = MadeVoices(told=told)
    assert only(voices, "new-prompts", TWO) == [(NEW + PROSE.rationale, SOLVED)]
    assert [who for who, _ in voices.asked] == ["expansion"] * 3
    seeds = [sum_of(n, 1) for n in range(4)]
    made = found(voices, "new-prompts", seeds, shown=2)
    asked = [text for who, text in voices.asked if "one more task" in text][1:]
    assert [text.count("Task ") for text in asked] == [2] * 4
    assert "Task 1: What is 3 plus 1?\n\nTask 2: What is 0 plus 1?" in asked[3]
    assert made[0] == [(NEW + PROSE.rationale, SOLVED)]
    assert set(made[1:]) == {"the new prompt is too much like an earlier one"}  # in one group


def test_evolved_prompts_take_the_ways_in_turn() -> None:
    voices = MadeVoices(told=by_text({"Rewrite this task": NEW, NEW: SOLVED}))
    made = found(voices, "evolved-prompts", [TWO, FREE])
    assert made[0] == made[1] == [(NEW + PROSE.rationale, SOLVED)]  # two capabilities
    first, second = (text for _, text in voices.asked[:2])
    assert "add one more condition" in first
    assert "more specific" in second
    assert TWO.text in first


def test_filters_of_new_prompts() -> None:
    def told(text: str, draw: int) -> str:
        if "one more task" in text:
            return NEW
        return SOLVED if draw == 0 else "Answer: 22"

    assert (
        only(MadeVoices(told=told), "new-prompts", TWO)
        == "two replies to the new prompt do not agree"
    )
    fine = by_text({"one more task": NEW, NEW: SOLVED})
    held = MadeVoices(told=fine, held_out=[NEW])
    assert only(held, "new-prompts", TWO) == "the new prompt overlaps with a held-out item"
    assert len(held.asked) == 1  # not solved
    copied = MadeVoices(told=by_text({"one more task": "What is 17 plus 26?"}))
    assert only(copied, "new-prompts", TWO, novelty=0.7).startswith("the new prompt is too much")
    knows = MadeVoices(told=fine, wrote=by_text({}, "Answer: 21"))
    assert only(knows, "new-prompts", TWO, only_missed=True).startswith(
        "the student answers the new"
    )
    errs = MadeVoices(told=fine, wrote=by_text({}, "Answer: 20"))
    assert only(errs, "new-prompts", TWO, only_missed=True) == [(NEW + PROSE.rationale, SOLVED)]


@given(st.lists(st.sampled_from("abc"), max_size=7), st.lists(st.sampled_from("abc"), max_size=7))
def test_rouge_against_the_plain_recursion(a: list[str], b: list[str]) -> None:
    from readsim_hf.elicitation.new_prompts import rouge_l

    @cache
    def common(m: int, n: int) -> int:
        if not m or not n:
            return 0
        if a[m - 1] == b[n - 1]:
            return 1 + common(m - 1, n - 1)
        return max(common(m - 1, n), common(m, n - 1))

    longest = common(len(a), len(b))
    assert rouge_l(a, b) == (2 * longest / (len(a) + len(b)) if longest else 0)


def test_errors_and_their_variants() -> None:
    told = by_text({"Write another task": NEW, NEW: SOLVED})
    errs = MadeVoices(student=by_text({}, WRONG), told=told)
    gold = "17 + 25 = 42\nAnswer: 42"
    assert only(errs, "errors-varied", TWO) == [(TWO.text, gold), (NEW + PROSE.rationale, SOLVED)]
    same = MadeVoices(student=by_text({}, WRONG), told=by_text({"Write another": TWO.text}))
    assert only(same, "errors-varied", TWO) == [(TWO.text, gold)]
    knows = MadeVoices(student=by_text({}, RIGHT))
    assert only(knows, "errors-varied", TWO) == "the student is right already"
    assert knows.asked == []
    assert only(knows, "errors-varied", FREE) == "there is no gold answer to tell by"


def test_the_reply_that_suits_the_student() -> None:
    said = ["a\nAnswer: 42", "b\nAnswer: 42", "c\nAnswer: 42", WRONG]
    fits = {"a": (0.5, 3.0), "b": (4.0, 8.0), "c": (0.4, 5.0), "T": (9.0, 1.0)}

    def reads(lesson: Any) -> tuple[float, float]:
        return fits[lesson.said[0]]

    voices = MadeVoices(teacher=lambda text, draw: said[draw], reads=reads)
    assert only(voices, "informative-fit", TWO) == [(TWO.text, said[1])]  # 8 / 4 < 3 / .5 < 5 / .4
    assert only(voices, "likeliest-fit", TWO) == [(TWO.text, said[2])]
    assert only(voices, "informative-fit", FREE) == [(FREE.text, said[0])]
    lone = MadeVoices(teacher=by_text({}, WRONG))
    assert only(lone, "informative-fit", TWO) == "none of 4 replies has the gold answer"


def test_ratio_of_rank_and_surprisal() -> None:
    from readsim_hf.elicitation.base import ReadAs
    from readsim_hf.elicitation.best_fit import rank_surprisal_ratio

    surprisal, rank = [0.1, 2.0, 0.3], [1, 40, 2]
    mean = ReadAs(sum(surprisal) / 3, sum(rank) / 3)
    assert rank_surprisal_ratio(mean) == pytest.approx(sum(rank) / sum(surprisal))
    assert (
        rank_surprisal_ratio(ReadAs(0.0, 1.0))
        == rank_surprisal_ratio(ReadAs(float("inf"), 100))
        == float("inf")
    )


def test_corrections_of_what_is_wrong() -> None:
    voices = MadeVoices(student=by_text({}, WRONG), told=by_text({"Correct the reply": RIGHT}))
    asked = TWO.text + PROSE.rationale
    again = f"{asked}\n\nMy reply was:\n{WRONG}\n\nIt is wrong. Write the corrected reply."
    assert only(voices, "corrected", TWO) == [(TWO.text, RIGHT), (again, RIGHT)]
    assert "17 + 25 = 42" in voices.asked[0][1]
    worse = MadeVoices(student=by_text({}, WRONG), told=by_text({}, WRONG))
    assert only(worse, "corrected", TWO) == "the teacher's correction is wrong too"
    mute = MadeVoices(student=by_text({}, WRONG))
    assert only(mute, "corrected", TWO) == "the teacher wrote no correction"
    assert (
        only(MadeVoices(student=by_text({}, RIGHT)), "corrected", TWO)
        == "the student is right already"
    )


def test_explanations_go_where_they_help_and_stay_where_they_did() -> None:
    prompts = [sum_of(n, n) for n in range(4)]
    known = {0: 1.0, 1: 5.0, 2: 4.0, 3: 0.1}  # surprisal of the answer, unexplained

    def reads(lesson: Any) -> tuple[float, float]:
        n = next(k for k in range(4) if f"What is {k} plus" in lesson.asked)
        return (known[n] - 1 if n == 1 else known[n] + 1) if "hint" in lesson.asked else known[
            n
        ], 1.0

    voices = MadeVoices(told=by_text({}, "a hint"), reads=reads)
    made = found(voices, "explained", prompts, explained=0.5)
    assert [text.split()[2] for who, text in voices.asked if who == "tell"] == [
        "1",
        "2",
    ]  # the budget
    assert [x[0][1] for x in made] == ["Answer: 0", "a hint\nAnswer: 2", "Answer: 4", "Answer: 6"]
    nothing = MadeVoices(told=by_text({}, "a hint"), reads=reads)
    found(nothing, "explained", prompts, explained=0.0)
    assert nothing.asked == []


def test_critiques_whose_verdict_holds() -> None:
    said = "The sum is off by one.\nVerdict: wrong"
    voices = MadeVoices(student=by_text({}, WRONG), told=by_text({"Criticise": said}))
    ((asked, learned),) = only(voices, "critique", TWO)
    assert learned == said
    assert TWO.text in asked
    assert WRONG in asked
    for told, reason in (
        ("All is well.\nVerdict: right", "the critique's verdict is not the checker's"),
        ("It is a nice solution.", "the critique has no verdict"),
        (None, "the teacher wrote no critique"),
    ):
        other = MadeVoices(student=by_text({}, WRONG), told=by_text({}, told))
        assert only(other, "critique", TWO) == reason


def test_peers_review_each_other_and_not_themselves() -> None:
    replies = {"math": "m\nAnswer: 42", "code": "c\nAnswer: 42", "": "g\nAnswer: 41"}
    scores = {("math", "c"): "Score: 9", ("code", "m"): "**Score**: 4/10", ("", "m"): "Score: 6"}
    voices = MadeVoices(peers=("math", "code", ""))

    def tell(requests: Any, kind: str = "") -> list[str | None]:
        out: list[str | None] = []
        for r in requests:
            author = r.prompt.capability if r.prompt.capability in ("math", "code") else ""
            voices.asked.append((kind or "tell", f"{author}: {r.text}"))
            if not kind:
                out.append(replies[author])
            else:
                of = r.text.partition("A solution: ")[2][0]
                out.append(scores.get((author, of), "I like it."))
        return out

    voices.tell = tell  # type: ignore[method-assign]
    lone = sum_of(17, 25, "general")
    assert only(voices, "peer-review", lone) == [(lone.text, replies["code"])]
    judged = [text for who, text in voices.asked if who == "judge"]
    assert len(judged) == 4  # two right replies, each by the two others
    assert not any(text.startswith("math:") and "A solution: m" in text for text in judged)
    assert only(voices, "peer-review", lone, score=9.5).startswith("no reply has the score")
    prose = MadeVoices(told=by_text({"How sound": "Quite sound, I should say."}, RIGHT))
    assert only(prose, "peer-review", TWO) == "no judge gave a score from 1 to 10"
    alone = MadeVoices(told=by_text({"How sound": "Score: 8"}, RIGHT))
    assert only(alone, "peer-review", TWO, traces=2) == [(TWO.text, RIGHT)]
    assert only(MadeVoices(told=by_text({}, WRONG)), "peer-review", TWO).startswith(
        "no teacher gave"
    )


def test_scores_in_words() -> None:
    from readsim_hf.elicitation.peer_review import score_in

    assert [
        score_in(t)
        for t in (
            *("Score: 7", "score 3 ... Score: 8.5", "Score: 70", "ten", None),
            *("Score (1-10): 8", "**Score:** **8**/10", "My score\n9 of the steps are sound."),
            *("**Score** (1-10): 8", "Score [1-10]: 8", "Score: (1-10) 8", "The score is 8."),
        )
    ] == [*(7.0, 8.5, None, None, None), 8.0, 8.0, None, *(8.0, 8.0, 8.0, 8.0)]


@pytest.mark.parametrize(
    ("said", "mark", "found"),
    [
        ("Yes", "", True),
        ("**No.**", "", False),
        ("Yes, there is no doubt.", "", True),
        ("Let me see. Both say 42, so there is no difference.\nYes", "", True),
        ("Final answer: no", "", False),
        ("There is no doubt about it.", "", None),
        ("Yes. No contradiction is found.", "", True),
        ("Yes\nNo discrepancy remains.", "", True),
        ("No. Yes would need more.", "", False),
        ("See eq. no 3 and No. 4.", "", None),
        ("The answer is yes.", "", True),
        ("_Yes_", "", True),
        ("I say 'Verdict: right or wrong'.\nVerdict: wrong", "verdict", False),
        ("", "", None),
        (None, "", None),
        ("Step 1 is right.\nVerdict: wrong", "verdict", False),
        ("Verdict: wrong\n\nThe right answer is 42.", "verdict", False),
        ("**Verdict:** *right*", "verdict", True),
        ("__Verdict: wrong__", "verdict", False),
        ("Step 2: right. All is right.", "verdict", None),
        ("Verdict\nright", "verdict", None),
    ],
)
def test_verdicts_in_prose(said: str | None, mark: str, found: bool | None) -> None:
    from readsim_hf.elicitation.base import verdict

    words = ("right", "wrong") if mark else ("yes", "no")
    assert verdict(said, *words, mark) is found


def test_an_explanation_that_names_the_answer_is_none() -> None:
    from readsim_hf.elicitation.explained import gives_away

    asked = "17 + 25 = ?"
    assert gives_away("So it is 42.", "42", asked)
    assert gives_away("THE CAPITAL IS nairobi", "Nairobi", "Of Kenya?")
    assert gives_away("Only B has four legs.", "B", "Which one?")
    for text in (
        "It is 142, and 4 and 2.",
        "Add the units first, then carry.",
        "It is 42.5 or 1,42",
    ):
        assert not gives_away(text, "42", asked)
    assert not gives_away("Look at a leg.", "A", "Which one?")
    assert not gives_away("17 is the smaller one.", "17", asked)


ASKING = (
    "corrected",
    "critique",
    "errors-varied",
    "evolved-prompts",
    "explained",
    "guided-prompts",
)
OTHERS = ("new-prompts", "own-right", "own-words", "peer-review", "principle-first")


@pytest.mark.parametrize("name", [*ASKING, *OTHERS, "reverse-question", "selective-reflection"])
def test_whoever_is_told_about_a_conversation_is_told_all_of_it(name: str) -> None:
    """The system's message and what was said before, in every request that shows the task."""
    turns = (
        {"role": "system", "content": "Count in dozens."},
        {"role": "user", "content": "Are you there?"},
        {"role": "assistant", "content": "I am."},
        {"role": "user", "content": TWO.text},
    )
    text = f"Are you there?\n{TWO.text}"
    row = Prompt("math", "x", text, "42", checker=TWO.checker, messages=turns, row=0)
    right, wrong = by_text({}, RIGHT), by_text({}, WRONG)
    voices = MadeVoices(right, wrong, told=right, wrote=wrong)
    found(voices, name, [row], explained=1.0)
    shown = [text for who, text in voices.asked if who != "teach" and TWO.text in text]
    assert shown
    for each in shown:
        assert "System: Count in dozens.\n\nUser: Are you there?\n\nAssistant: I am." in each
