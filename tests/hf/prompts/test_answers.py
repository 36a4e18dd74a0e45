"""Where an answer is: behind thoughts, in a box, in emphasis; and where none is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim_hf.prompts.checkers import check, correct, format_ok
from readsim_hf.prompts.latex import last_box, plain_text, value_of
from readsim_hf.prompts.library import NANO, PROSE
from readsim_hf.prompts.thinking import continuing, opened_by, said_from, thoughts, whole_reply
from tests.support.made_templates import asked

CHOICE = asked("choice", answer="C", letters="ABCD", options=["Rome", "Paris", "Bern", "Oslo"])
RIGHT = [
    r"\boxed{C}",
    r"\boxed{\text{C}}",
    r"$\boxed{\textbf{(C)}}$",
    r"\[\boxed{\mathrm{C}}\]",
    r"\boxed C",
    r"\boxed{\text{C) Bern}}",
    r"\boxed{Bern}",
    r"First \boxed{A}? No. Finally $\boxed{C}$.",
    r"$C$",
    r"\(C\)",
    "**C**",
    "__C__",
    "(C)",
    "The answer is C.",
    "The answer is: **C**",
    "The correct answer is option C, because A is wrong.",
    "Answer: (c) Bern",
    "Answer: C - Bern",
    "Answer: C because it is the capital",
    "Answer: {C}",
    "Answer: C\n\nA is wrong: Rome is in Italy.",
    "**Answer:** C",
    "**Answer**: **C**",
    "Answer: (C) Bern",
    r"Answer: So it is $\boxed{C}$.",
    "<think>A? The answer is B. Answer: A \\boxed{A}</think>\nC",
    "It may be A. Answer: A</think>\n\nAnswer: C",  # the prompt opened the thoughts
    "[THINK]A[/THINK]C",
    "<|channel|>analysis<|message|>A? B?<|start|>assistant<|channel|>final<|message|>C",
]
WRONG = [
    r"\boxed{A}",
    r"\boxed{A} or \boxed{C}",
    r"\boxed{A, C}",
    r"\boxed{C",
    "The answer is A or C",
    "The answer is C or A",
    "The answer is not C",
    "C, D",
    "A and C",
    "(A) (C)",
    "<think>C</think>A",
    "<think>The answer is C",
    "<think>C</think>",
    "<think>\nAnswer: C\n",
    "Answer: A, not C",
    "Answer: (c) or (d)",
    "<think>A</think>Answer: C<think>or D",
    "cat",
    "",
]


@pytest.mark.parametrize("reply", RIGHT)
def test_a_choice_in_any_dress(reply: str) -> None:
    answer = PROSE.final_answer(reply)
    assert format_ok(CHOICE, answer)
    assert check(CHOICE, answer)
    other = asked("choice", answer="D", **CHOICE.expect)
    assert not check(other, answer)


@pytest.mark.parametrize("reply", WRONG)
def test_what_is_no_such_choice(reply: str) -> None:
    assert not check(CHOICE, PROSE.final_answer(reply))


@pytest.mark.parametrize(
    ("gold", "reply"),
    [
        ("42", r"\boxed{42}"),
        ("42", r"\boxed{x = 42}"),
        ("42", r"so \boxed{42}, which takes 3 steps"),
        ("42", r"\boxed{42\text{ km}^2}"),
        ("42", "42 km^2"),
        ("42", r"\$42"),
        ("42", "<think>41, 43</think>42"),
        ("3/4", r"\boxed{\frac{3}{4}}"),
        ("3/4", r"\boxed{\dfrac34}"),
        ("-3/4", r"$-\frac{3}{4}$"),
        ("7/2", r"3\frac{1}{2}"),
        ("1250", r"\boxed{1{,}250}"),
        ("1250", r"1\,250"),
        ("4200", r"4.2 \times 10^{3}"),
    ],
)
def test_numbers_in_latex(gold: str, reply: str) -> None:
    answer = PROSE.final_answer(reply)
    assert check(asked("number", answer=gold), answer)
    assert not check(asked("number", answer="5"), answer)


@pytest.mark.parametrize(
    ("gold", "reply"),
    [
        ("42", "Answer: 42\n\nLet me know if you have 3 more questions!"),
        ("42", "**Answer:** $42$ apples\n\n(I used 2 steps.)"),
        ("42", "Answer: 42, not 41"),
        ("42", "There are 17.\n\nWith 25 more there are 42"),
        ("42", "答案是42。"),
        ("42", "答えは42です"),
        ("1250", "1'250"),
        ("1250", "1\u202f250 €"),
        ("7/2", "3,5"),
        ("7/2", "3 1/2"),
        ("7/2", "3½"),
        ("3/4", "¾"),
        ("3/4", "3 / 4"),
        ("-3", "\u20133"),
        ("-3", "minus 3"),
    ],
)
def test_numbers_as_people_write_them(gold: str, reply: str) -> None:
    answer = PROSE.final_answer(reply)
    assert check(asked("number", answer=gold), answer)
    assert not check(asked("number", answer="5"), answer)


@pytest.mark.parametrize(
    ("gold", "reply"),
    [
        ("42", "It is not 42"),
        ("42", "It isn't 42."),
        ("1/2", "3 1/2"),
        ("250", "1'250"),
        ("0", "42,0"),
        ("42", "<think>a</think>Answer: 42<think>or 43"),
        ("42", "Answer: 41\n\nSome say 42."),
    ],
)
def test_wrong_numbers(gold: str, reply: str) -> None:
    assert not check(asked("number", answer=gold), PROSE.final_answer(reply))


def test_what_is_denied_is_no_label() -> None:
    asks = asked("label", answer="possible", labels=["possible", "impossible"])
    assert not check(asks, "It is not possible.")
    assert not check(asks, "That can't be possible")
    assert check(asks, "It is possible, not impossible.")
    assert check(asked("label", answer="not sure", labels=["not sure", "sure"]), "not sure")


def test_a_json_key_that_is_there_twice_has_no_value() -> None:
    asks = asked("json_equal", answer='{"a": 1}')
    assert check(asks, '~~~json\n{"a": 1}\n~~~')
    assert not check(asks, '{"a": 2, "a": 1}')
    assert not format_ok(asks, '{"a": 2, "a": 1}')


@pytest.mark.parametrize(
    "reply", [r"\boxed{\text{a}, \text{b}, \text{c}}", "(a, b, c)", "a → b -> c"]
)
def test_lists_as_people_write_them(reply: str) -> None:
    assert check(asked("list_equal", answer="a, b, c"), PROSE.final_answer(reply))
    assert not check(asked("list_equal", answer="b, a, c"), PROSE.final_answer(reply))


def test_texts_and_lists_in_a_box() -> None:
    paris = asked("exact", answer="Paris")
    for reply in (r"\boxed{\text{Paris}}", r"it is \boxed{Paris}.", "**Paris**", r"$\text{Paris}$"):
        assert check(paris, PROSE.final_answer(reply)), reply
    for reply in (r"\boxed{\text{Rome}}", "Paris or Rome", r"\boxed{Rome} Paris"):
        assert not check(paris, PROSE.final_answer(reply)), reply
    assert not check(asked("exact", answer="x^2"), "x^3")
    assert check(asked("list_equal", answer="1, 2, 3"), r"\boxed{1, 2, 3}")
    assert check(asked("label", answer="true", labels=["true", "false"]), r"\boxed{\text{True}}")
    assert not check(asked("label", answer="true", labels=["true", "false"]), r"\boxed{false}")
    code = 'Answer: ```python\nprint("\\\\boxed{3}")\n```'
    assert "print" in PROSE.final_answer(code)  # a box in code is none


@given(st.recursive(st.text("ab1 ", max_size=4), lambda inner: inner.map("{{{}}}".format)))
def test_braces_in_a_box_are_matched(content: str) -> None:
    box = last_box(f"so $\\boxed{{{content}}}$ and }} more")
    assert box is not None
    assert box.content == content


def test_boxes_that_are_none() -> None:
    assert last_box("no box") is None
    assert last_box(r"\boxed{1} then \boxed{2") is None
    assert last_box("```\n\\boxed{1}\n```") is None
    assert value_of("plain") == "plain"
    assert plain_text(r"50\%") == "50%"


WORDS = st.text("a <>/think=\n", max_size=12).filter(lambda text: "think>" not in text)


@given(thought=WORDS, said=WORDS.map(str.strip), opened=st.booleans())
def test_thoughts_and_what_is_said_come_apart(thought: str, said: str, opened: bool) -> None:
    reply = ("" if opened else "<think>") + f"{thought}</think>\n\n{said}"
    assert reply[said_from(reply) :] == said
    assert thoughts(reply) == thought.strip()
    endless = f"<think>{thought}"
    assert endless[said_from(endless) :] == ""
    assert said[said_from(said) :] == said
    for keep in (True, False):
        again = continuing(reply, None, keep=keep)
        assert again[said_from(again) :] == said
        assert thoughts(again) == (thought.strip() if keep else "")
        opened_again = continuing(reply, "</think>", keep=keep)
        assert opened_again.count("</think>") == 1
        assert "<think>" not in opened_again


def test_what_a_prompt_opens() -> None:
    assert opened_by("<|user|>hi<|assistant|><think>\n") == "</think>"
    assert opened_by("<|assistant|><think>\n\n</think>\n\n") is None  # told not to think
    assert whole_reply("endless", "</think>") == "<think>endless"
    assert whole_reply("a</think>b", "</think>") == "a</think>b"


def test_markup_that_was_asked_for_is_no_thought() -> None:
    xml = "<answer><reasoning>because</reasoning>42</answer>"
    assert said_from(xml) == 0
    assert NANO.final_answer("1+1=2") == "2"


def test_what_leads_to_the_answer() -> None:
    assert PROSE.before_answer("<think>hm</think>steps\nAnswer: 3") == "steps"
    assert PROSE.before_answer("<think>hm</think>3") == "hm"
    assert PROSE.before_answer(r"so it is $\boxed{3}$") == "so it is"
    assert PROSE.before_answer("3") == ""


def test_correct_knows_where_no_gold_answer_is() -> None:
    assert correct(asked("exact", answer="a"), "a") is True
    assert correct(asked("exact", answer="a"), "b") is False
    assert correct(asked("exact"), "a") is None
    assert correct(asked("unit_tests", answer="x"), "x") is None
    assert correct(asked("contains_all", parts=["x"]), "a x") is True
