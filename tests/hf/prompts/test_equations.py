"""Equations in a reply: what is read, what is solved, which replies are told from others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim_hf.prompts.equations import judge
from readsim_hf.prompts.text import text_library


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("3 * 4 = 12\n12 + 5 = 17", "17"),
        ("x + y = 10\nx - y = 4", "x = 7"),
        ("1. 3x + 2(x + 1) = 12", "2"),
        ("n + n + 1 = 7", "3"),
        ("-x = 3", "-3"),
        ("Step 2: y = 2^3", "8"),
        ("a = 5; b = 6, c = a*b", "30"),
        ("a * b = 12\na = 3", "4"),  # a product waits for a value
        ("5 apples + 3 apples = 8 apples", "8 apples"),
        ("total cost = 3 \u00d7 4 + 2 = 14 dollars", "$14"),
        ("1,200 + 300 = 1,500", "1500"),
        ("10 / 3 = 3.33", "3.33"),  # rounded
        ("part = 20% * 50", "10"),
        ("u = 3x\nx = 4", "12"),
    ],
)
def test_equations_that_lead_to_the_answer(text: str, answer: str) -> None:
    assert judge(text, answer) == "leads"
    assert judge(text, "1234567") == "wrong"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("3 * 4 = 13\n13 + 5 = 17", "wrong"),  # the last line fits nothing before it
        ("x = 3\nx = 4\ny = 17", "wrong"),
        ("2 + 2 = 5\nwhatever comes = next (", "wrong"),  # one false line is enough
        ("The sum is 17.", "none"),
        ("", "none"),
        ("x ** 2 = 289", "unclear"),
        ("x + y = 18", "unclear"),
        ("x = 9 ** 9 ** 9", "unclear"),
        ("x = 17 / 0", "unclear"),
        ("f(3) = 17 % 20", "unclear"),
        ("x = __import__('os')", "unclear"),
        ("x = " + "(" * 200 + "17" + ")" * 90, "unclear"),
        ("x = " + "1" * 400, "none"),  # the line is too long to be read
    ],
)
def test_what_is_not_an_argument_for_the_answer(text: str, verdict: str) -> None:
    assert judge(text, "17") == verdict


def test_an_answer_that_is_no_number_is_not_judged() -> None:
    assert judge("2 + 2 = 4", "four") == "unclear"


@given(
    a=st.integers(-9, 9).filter(bool),
    b=st.integers(-20, 20),
    x=st.integers(-50, 50),
    y=st.integers(-50, 50),
    off=st.integers(-5, 5),
)
def test_linear_systems(a: int, b: int, x: int, y: int, off: int) -> None:
    """Two unknowns, whatever the coefficients; another answer is told unless it is the other unknown."""
    text = f"{a} * p + ({b}) = {a * x + b}\np + q = {x + y}"
    assert judge(text, str(y)) == "leads"
    expected = "leads" if y + off in (x, y, x + y) else "wrong"
    assert judge(text, str(y + off)) == expected


def test_worked_solutions_of_the_templates_are_never_called_wrong() -> None:
    library = text_library()
    verdicts: dict[str, list[str]] = {}
    for capability in library.capabilities:
        for template in library.templates[capability]:
            for seed in range(5):
                prompt = template.make(np.random.default_rng(seed))
                if prompt.checker == "number" and prompt.rationale and prompt.answer:
                    verdict = judge(prompt.rationale, prompt.answer)
                    assert verdict != "wrong", prompt
                    verdicts.setdefault(capability, []).append(verdict)
                    if verdict == "leads" and capability == "math":
                        assert judge(prompt.rationale, prompt.answer + "9") != "leads", prompt
    assert verdicts["math"].count("leads") > 0.7 * len(verdicts["math"])
