"""The rules that judge replies, on awkward ones."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import CapabilityMissingError, UnknownNameError
from readsim_hf.prompts import expression
from readsim_hf.prompts.checkers import check, checker_names, format_ok
from readsim_hf.prompts.reading import fold, read_label, read_list, read_number
from tests.support.made_templates import asked


@pytest.mark.parametrize(
    "reply",
    [
        "42",
        "42.",
        "$42",
        "42 km",
        "**42**",
        "17 + 25 = 42",
        "42.0",
        "84/2",
        "4.2e1",
        "So: +42",
        "42%",
    ],
)
def test_number_is_found(reply: str) -> None:
    assert check(asked("number", answer="42"), reply)


@pytest.mark.parametrize("reply", ["", "none", "forty-two", "x42", "1/0", "9" * 5000])
def test_no_number(reply: str) -> None:
    assert not format_ok(asked("number", answer="42"), reply)
    assert not check(asked("number", answer="42"), reply)


@given(st.fractions(max_denominator=10**6), st.sampled_from(["{}", "It is {}.", "a = {} coins"]))
def test_numbers_come_back(number: Fraction, frame: str) -> None:
    assert read_number(frame.format(number)) == number


@given(st.integers(-(10**15), 10**15))
def test_thousands_separators_and_signs(number: int) -> None:
    assert read_number(f"{number:,}") == number
    assert read_number(f"{number:,}".replace("-", "\u2212")) == number


def test_number_tolerance() -> None:
    prompt = asked("number", answer="1/3", tolerance=0.01)
    assert check(prompt, "0.33")
    assert not check(prompt, "0.3")


OPTIONS = {"letters": "ABCD", "options": ["Rome", "Paris", "Bern", "Oslo"]}


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        *[
            (text, "B")
            for text in ("B", "b", "(B)", "B.", "B. Paris", "B) Paris", "**B**", "paris.")
        ],
        *[(text, "B") for text in ("The answer is B.", "Option (B)", "I think it is (B)", "[b]")],
        *[
            (text, "")
            for text in ("", "E", "A dog", "(A) or (B)", "London", "Both", "A. No, option B")
        ],
    ],
)
def test_choice(reply: str, letter: str) -> None:
    prompt = asked("choice", answer=letter or "B", **OPTIONS)
    assert format_ok(prompt, reply) == bool(letter)
    assert check(prompt, reply) == bool(letter)


def test_label() -> None:
    prompt = asked("label", answer="true", labels=["true", "not true"])
    assert check(prompt, "It is True.")
    assert not check(prompt, "It is not true.")
    assert format_ok(prompt, "It is not true.")
    assert read_label("yes and no", ["yes", "no"]) is None
    assert read_label("yesterday", ["yes", "no"]) is None


@pytest.mark.parametrize(
    "reply",
    [
        "Ann, Bob, Cy",
        "1. Ann\n2. Bob\n3. Cy",
        "- ann\n- bob\n\n- cy",
        '["Ann", "Bob", "Cy"]',
        "```json\n['Ann', 'Bob', 'Cy']\n```",
        "Ann, Bob, and Cy.",
        "Ann > Bob > Cy",
    ],
)
def test_lists(reply: str) -> None:
    assert check(asked("list_equal", answer="ann, bob, cy"), reply)
    assert not check(asked("list_equal", answer="bob, ann, cy"), reply)
    assert check(asked("list_equal", answer="bob, ann, cy", ordered=False), reply)
    assert not check(asked("list_equal", answer="ann, bob, cy, cy", ordered=False), reply)


@given(st.lists(st.integers(-99, 99), min_size=1))
def test_lists_of_numbers_come_back(numbers: list[int]) -> None:
    wanted = [str(number) for number in numbers]
    assert read_list(", ".join(wanted)) == wanted
    assert read_list("\n".join(wanted)) == wanted
    assert read_list(str(numbers)) == wanted


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(plain)
def test_json_is_equal_to_itself_in_any_dress(value: object) -> None:
    prompt = asked("json_equal", answer=json.dumps(value))
    assert check(prompt, json.dumps(value, indent=2, sort_keys=True))
    for fence in ("```json\n{}\n```", "```\n{}\n```", "```json {}```"):
        assert "```" in json.dumps(value) or check(prompt, fence.format(json.dumps(value)))
    assert not check(prompt, json.dumps([value, "more"]))


@pytest.mark.parametrize(
    ("gold", "reply", "formed"),
    [
        ("1", "true", True),
        ("[1]", "[1, 1]", True),
        ('{"a": 1}', '{"a": 1, "b": 2}', True),
        ("null", "NaN", False),
        ("null", "[" * 100_000, False),
        ("{}", "{", False),
    ],
)
def test_json_differs(gold: str, reply: str, formed: bool) -> None:
    prompt = asked("json_equal", answer=gold)
    assert not check(prompt, reply)
    assert format_ok(prompt, reply) == formed


def test_json_keys() -> None:
    keys = {"name": "string", "age": "integer", "tags": "array", "ok": "boolean"}
    good = {"name": "Ana", "age": 31, "tags": [], "ok": True}
    prompt = asked("json_keys", keys=keys, values={"name": "Ana"})
    assert check(prompt, json.dumps(good))
    wrongs: list[tuple[str, object]] = [("age", True), ("age", 31.5), ("name", "Bo"), ("tags", {})]
    for key, value in (*wrongs, ("more", 1), ("ok", None)):
        assert not check(prompt, json.dumps({**good, key: value})), (key, value)
    assert check(asked("json_keys", keys=keys, extra=True), json.dumps(good | {"more": 1}))
    assert not check(asked("json_keys", keys=keys, extra=True), json.dumps({"name": "Ana"}))
    assert not format_ok(prompt, "[1]")


@pytest.mark.extra("regex")
@pytest.mark.parametrize(
    ("checker", "options", "right", "wrong"),
    [
        ("exact", {"answer": "Great-aunt"}, '"great-aunt".', "aunt"),
        ("exact", {"answer": "*"}, "`*`", "**"),
        ("final", {"answer": "18"}, "It is 9 and 9, so 18.", "It is 18 less 1, so 17."),
        ("final", {"answer": "He has 9. #### 1,018"}, "So\n#### 1018", "#### 1018, no: 3"),
        ("final", {"answer": "Paris"}, "I think of France.\nIt is Paris.", "Paris?\nNo, Rome."),
        ("one_of", {"accepted": ["grand-uncle"], "answer": "great-uncle"}, "Grand-Uncle", "uncle"),
        ("contains_all", {"parts": ["cat", "two dogs"]}, "A CAT and two  dogs", "cats, two dogs"),
        ("contains_none", {"parts": ["cat"]}, "concatenate", "a Cat."),
        ("regex", {"pattern": r"^\d+$"}, " 12 ", "12a"),
        ("word_count", {"low": 2, "high": 3}, "one two three", "one two three four"),
        ("line_count", {"low": 2, "high": 2}, "a\n\nb", "a"),
    ],
)
def test_short_rules(checker: str, options: dict[str, object], right: str, wrong: str) -> None:
    prompt = asked(checker, **options)
    assert check(prompt, right)
    assert format_ok(prompt, right)
    assert not check(prompt, wrong)


def test_all_of_needs_every_rule() -> None:
    rules = [
        {"checker": "word_count", "expect": {"low": 1, "high": 3}},
        {"checker": "number", "answer": "7"},
    ]
    prompt = asked("all_of", rules=rules)
    assert check(prompt, "it is 7")
    assert not check(prompt, "it is 8")
    assert not check(prompt, "the right number is 7")
    assert not format_ok(prompt, "seven")


SUM = {"tests": [[{"a": 1, "b": 2}, 3], [{"a": -4, "b": 0}, -4]]}


@pytest.mark.parametrize(
    "reply",
    [
        *("a + b", "b+a", "`a + b`", "(a - -b)", "return a + b", "lambda a, b: a + b"),
        *("```python\ndef f(a, b):\n    return a + b\n```", "b + a if a > b else a + b"),
        'def f(a, b):\n    """Add."""\n    return min(a, b) + max(a, b)',
    ],
)
def test_expressions_that_agree(reply: str) -> None:
    assert check(asked("expression", **SUM), reply)


@pytest.mark.parametrize(
    ("reply", "formed"),
    [
        *[
            (text, True)
            for text in ("a - b", "a + b + c", "9**9**9", "a // (b - b)", "min(a)", "2**a")
        ],
        *[
            (text, False)
            for text in ("__import__('os')", "a.b", "[a]", "f'{a}'", "a; b", "x = a", "")
        ],
        *[(text, False) for text in ("sum(a, b)", "(" * 250, "a if", "1.5", "print(a)", "a" * 301)],
        *[
            (text, False)
            for text in ("min(*a)", "(a := b)", "a @ b", "a is b", "1 << 99", "abs(x=a)")
        ],
        ("@f\ndef g(a): return a", False),
        ("-" * 299 + "a", True),
    ],
)
def test_expressions_that_do_not(reply: str, formed: bool) -> None:
    prompt = asked("expression", **SUM)
    assert not check(prompt, reply)
    assert format_ok(prompt, reply) == formed


OPERATIONS = st.sampled_from(["+", "-", "*", "<", "==", "and", "or", "//", "%"])
WRITTEN = st.recursive(
    st.sampled_from(["a", "b", "3", "0", "7"]),
    lambda inner: (
        st.builds("({} {} {})".format, inner, OPERATIONS, inner)
        | st.builds("(not {})".format, inner)
        | st.builds("max({}, {})".format, inner, inner)
    ),
    max_leaves=8,
)


@given(WRITTEN, st.integers(-9, 9), st.integers(-9, 9))
def test_expressions_have_the_value_that_python_gives(text: str, a: int, b: int) -> None:
    node = expression.parse_expression(text)
    assert node is not None
    try:
        wanted = eval(text, {"a": a, "b": b})
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            expression.evaluate(node, {"a": a, "b": b})
        return
    assert expression.evaluate(node, {"a": a, "b": b}) == wanted


def test_unit_tests_are_not_run_here() -> None:
    prompt = asked("unit_tests", tests=["assert f(1) == 2"])
    with pytest.raises(CapabilityMissingError, match="has to run code"):
        check(prompt, "def f(x): return x + 1")
    assert format_ok(prompt, "```python\ndef f(x):\n    return x + 1\n```")
    assert not format_ok(prompt, "def f(x) return")


def test_unknown_checker_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'number'"):
        check(asked("numbr"), "1")


@pytest.mark.extra("regex")
@given(st.text(max_size=60), st.sampled_from([n for n in checker_names() if n != "unit_tests"]))
def test_no_reply_breaks_a_checker(reply: str, checker: str) -> None:
    prompt = asked(
        checker,
        answer="B",
        letters="ABCD",
        labels=["B", "C"],
        parts=["x"],
        keys={"a": "string"},
        pattern="x",
        low=1,
        high=2,
        tests=SUM["tests"],
        rules=[],
    )
    right, formed = check(prompt, reply), format_ok(prompt, reply)
    assert formed or not right
    assert fold(fold(reply)) == fold(reply) or not formed
