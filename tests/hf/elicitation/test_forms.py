"""Reasoning forms and self-knowledge: the lessons that made-up voices lead to."""

from typing import Any

import pytest

from readsim_hf.prompts.library import NANO, PROSE
from readsim_hf.prompts.prompt import Prompt
from tests.support.hf import NEEDS
from tests.support.made_voices import MadeVoices, by_text, only_lessons, sum_of

pytestmark = pytest.mark.extra(*NEEDS)

TWO = sum_of(17, 25)
RIGHT, WRONG = "17 and 25 make 42.\nAnswer: 42", "They make 41.\nAnswer: 41"


def signal(name: str, **settings: Any) -> Any:
    from readsim_hf.elicitation.base import ElicitationConfig
    from readsim_hf.elicitation.catalogue import make_signal

    return make_signal(name, ElicitationConfig(**settings))


def only(voices: MadeVoices, name: str, prompt: Prompt = TWO, **settings: Any) -> Any:
    return only_lessons(voices, name, prompt, **settings)


ALL = (
    "reverse-question",
    "principle-first",
    "several-traces",
    "own-right",
    "own-words",
    "answer-shown",
)


@pytest.mark.parametrize("name", ALL)
def test_no_prompts_and_silence_are_no_error(name: str) -> None:
    assert signal(name).lessons([], MadeVoices()) == []
    silent = only(MadeVoices(), name, Prompt("math", "math/sum", "What?"))
    assert isinstance(silent, str)
    assert silent


def test_reverse_question() -> None:
    reverse, solved = "42 is 17 plus what?", "42 - 17 = 25.\nAnswer: 25"
    table = {"Do the two agree": "They do. Yes.", "Write the reverse": reverse, "plus what": solved}
    voices = MadeVoices(teacher=by_text({}, RIGHT), told=by_text(table))
    assert only(voices, "reverse-question") == [
        (TWO.text, RIGHT),
        (
            f"{TWO.text}\n\nWrite the reverse question of this one. Reply with the question only.",
            reverse,
        ),
        (reverse + PROSE.rationale, solved),
    ]
    assert [who for who, _ in voices.asked] == ["teach", "tell", "tell", "judge"]
    assert "The answer is 42." in voices.asked[1][1]
    assert "Its answer: 25" in voices.asked[3][1]

    def told(**changes: str | None) -> Any:
        return MadeVoices(teacher=by_text({}, RIGHT), told=by_text({**table, **changes}))

    wrong = MadeVoices(teacher=by_text({}, WRONG), told=by_text(table))
    assert only(wrong, "reverse-question") == "the teacher's answer is not the gold one"
    assert [who for who, _ in wrong.asked] == ["teach"]  # nothing more is paid for
    assert only(told(**{"Do the two agree": "No."}), "reverse-question").endswith("do not agree")
    prose = told(**{"Do the two agree": "Both are fine questions."})
    assert only(prose, "reverse-question") == "the judge said neither Yes nor No"
    assert only(told(**{"Write the reverse": " "}), "reverse-question").endswith(
        "no reverse question"
    )
    assert only(told(**{"plus what": "Answer:"}), "reverse-question").endswith("got no answer")


def test_principle_first() -> None:
    told = by_text({"one principle": "Carry the ten."})
    errs = MadeVoices(by_text({}, RIGHT), by_text({}, WRONG), told)
    assert only(errs, "principle-first") == [(TWO.text, f"Carry the ten.\n{RIGHT}")]
    assert WRONG in errs.asked[-1][1]
    knows = MadeVoices(by_text({}, RIGHT), by_text({}, RIGHT), told)
    assert only(knows, "principle-first") == [(TWO.text, RIGHT)]
    assert [who for who, _ in knows.asked] == ["teach"]
    gold = MadeVoices(by_text({}), by_text({}, RIGHT))  # the teacher says nothing
    assert only(gold, "principle-first") == [(TWO.text, "17 + 25 = 42\nAnswer: 42")]
    fails = MadeVoices(by_text({}, WRONG))
    assert only(fails, "principle-first") == only(gold, "principle-first")
    free = Prompt("general", "x", "Hm?")
    assert only(gold, "principle-first", free) == "there is neither a right reply nor a gold answer"


def test_several_traces_keep_right_and_different_ones() -> None:
    said = [WRONG, "a b c\nAnswer: 42", "a b c d\nAnswer: 42", "x y z w v\nAnswer: 42"]
    voices = MadeVoices(teacher=lambda text, draw: said[draw])
    found = only(voices, "several-traces", traces=4, keep_traces=2)
    assert found == [(TWO.text, said[1]), (TWO.text, said[3])]  # the shortest, then the farthest
    assert len(only(voices, "several-traces", traces=4, keep_traces=9)) == 3
    alone = MadeVoices(teacher=lambda text, draw: WRONG)
    assert only(alone, "several-traces") == "none of 4 replies has the gold answer"
    nobody_tells = Prompt("general", "x", "Say something.")
    assert only(voices, "several-traces", nobody_tells) == [("Say something.", WRONG)]


def test_distance_against_sets_by_hand() -> None:
    from readsim_hf.elicitation.several_traces import most_different

    # pairs of "a b": (,a) (a,b) (b,); of "a b c": (,a) (a,b) (b,c) (c,): 2 of 5 are shared, of "q r s t" none
    assert most_different(["a b c", "a b", "q r s t"], 2) == ["a b", "q r s t"]


def test_own_right_replies_and_the_hint() -> None:
    said = [WRONG, RIGHT, RIGHT]
    voices = MadeVoices(student=lambda text, draw: said[draw])
    assert only(voices, "own-right", traces=3) == [(TWO.text, RIGHT)]
    assert voices.asked == []  # neither the teacher nor a hint
    lost = MadeVoices(student=by_text({}, WRONG), wrote=by_text({"The answer is 42": RIGHT}))
    assert only(lost, "own-right", traces=2) == [(TWO.text, RIGHT)]
    hopeless = MadeVoices(student=by_text({}, WRONG), wrote=by_text({}, WRONG))
    assert only(hopeless, "own-right", traces=2) == "none of 2 replies has the gold answer"
    assert only(voices, "own-right", Prompt("general", "x", "Hm?"), traces=3).startswith(
        "there is no gold"
    )


def test_own_words_keep_the_answer() -> None:
    mine = "Adding gives 42.\nAnswer: 42"
    voices = MadeVoices(wrote=by_text({"Write it again": mine}))
    assert only(voices, "own-words") == [(TWO.text, mine)]
    gold = "17 + 25 = 42\nAnswer: 42"
    assert gold in voices.asked[0][1]
    assert only(MadeVoices(wrote=by_text({}, WRONG)), "own-words") == [(TWO.text, gold)]
    assert only(MadeVoices(), "own-words") == [(TWO.text, gold)]
    free = Prompt("general", "x", "Name a colour.", checker="final")
    said = MadeVoices(by_text({}, "Answer: red"), wrote=by_text({}, "I say\nAnswer: red"))
    assert only(said, "own-words", free) == [("Name a colour.", "I say\nAnswer: red")]
    other = MadeVoices(by_text({}, "Answer: red"), wrote=by_text({}, "Answer: blue"))
    assert only(other, "own-words", free) == [("Name a colour.", "Answer: red")]


def test_the_answer_is_shown_to_the_one_that_scores_alone() -> None:
    voices = MadeVoices(student=by_text({}, WRONG))
    (lesson,) = signal("answer-shown").lessons([TWO], voices)[0]
    assert lesson.asked is TWO
    assert (lesson.said, list(lesson.ids)) == (WRONG, [ord(c) for c in WRONG])
    assert "17 + 25 = 42\nAnswer: 42" in lesson.shown
    assert lesson.shown.startswith(TWO.text)
    nano = MadeVoices(student=by_text({}, "x"), style=NANO)
    (lesson,) = signal("answer-shown").lessons([Prompt("math", "m", "m17+25", "42", "7+5")], nano)[
        0
    ]
    assert lesson.shown == "m17+257+5=42 m17+25~"
