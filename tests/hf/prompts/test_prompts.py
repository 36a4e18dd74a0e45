"""The prose templates: rendering, gold answers, control factors, slots and scaffolds."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from fractions import Fraction

import numpy as np
import pytest

from readsim.errors import ConfigError
from readsim_hf.prompts.checkers import check, checker_names, format_ok
from readsim_hf.prompts.library import PROSE
from readsim_hf.prompts.prompt import CAPABILITIES, Prompt
from readsim_hf.prompts.scaffold import Scaffold, Solution
from readsim_hf.prompts.slots import Choice, Day, Integer, Integers, Sample, Sized, Slot
from readsim_hf.prompts.text import text_library
from readsim_hf.prompts.text.general.draws import FactSample
from readsim_hf.prompts.text.general.facts import RELATIONS
from readsim_hf.prompts.text.math.tree import Trees
from readsim_hf.prompts.text.reasoning.formula import Formulas
from tests.support.prose_templates import ALL, BY_ID, FACTORS, made, scaffolds

each = pytest.mark.parametrize("template", ALL, ids=list(BY_ID))


@pytest.mark.parametrize("capability", FACTORS)
def test_twelve_scaffolds_a_capability_with_names_of_their_own(capability: str) -> None:
    ids = [template.id for template in scaffolds(capability)]
    assert len(ids) >= 12
    assert len(set(ids)) == len(ids)
    assert {template.capability for template in scaffolds(capability)} == {capability}


def test_the_library_has_the_eight_capabilities_and_no_id_twice() -> None:
    library = text_library()
    assert library.capabilities == CAPABILITIES
    assert (library.name, library.style) == ("text", PROSE)
    for capability, templates in library.templates.items():
        assert {template.capability for template in templates} == {capability}
    ids = [template.id for templates in library.templates.values() for template in templates]
    assert len(set(ids)) == len(ids)


@each
def test_hundred_seeds_render_and_their_gold_answer_is_right(template: Scaffold) -> None:
    for prompt in made(template.id):
        assert prompt.template == template.id
        assert not re.search(r"\{[a-z_]+\}", prompt.text)
        assert "None" not in prompt.text
        assert prompt.checker in checker_names()
        assert prompt.answer is not None
        assert prompt.rationale
        assert format_ok(prompt, prompt.answer), prompt
        assert check(prompt, prompt.answer), prompt
        json.dumps([prompt.expect, prompt.factors], allow_nan=False)


@each
def test_same_seed_same_prompt(template: Scaffold) -> None:
    again = [template.make(np.random.default_rng(seed)) for seed in range(5)]
    assert again == made(template.id)[:5]


def corrupted(prompt: Prompt) -> str:
    """A well-formed reply that is wrong."""
    gold = prompt.answer or ""
    expect = prompt.expect
    wrong: dict[str, Callable[[], str]] = {
        "number": lambda: str(Fraction(gold) + 1),
        "choice": lambda: next(letter for letter in expect["letters"] if letter != gold),
        "label": lambda: next(label for label in expect["labels"] if label != gold),
        "list_equal": lambda: gold + ", something else",
        "json_equal": lambda: json.dumps([*json.loads(gold), 1]),
        "expression": lambda: f"not ({body(gold)})",
        "exact": lambda: f"great-{gold}",
    }
    return wrong[prompt.checker]()


def body(gold: str) -> str:
    return gold.rpartition("return ")[2]


@each
def test_a_corrupted_answer_is_well_formed_and_wrong(template: Scaffold) -> None:
    for prompt in made(template.id, 30):
        reply = corrupted(prompt)
        assert format_ok(prompt, reply), (prompt, reply)
        assert not check(prompt, reply), (prompt, reply)
        assert not format_ok(prompt, "")
        assert not check(prompt, " ")


def test_a_constant_passes_for_a_condition_only_if_it_is_one() -> None:
    for prompt in made("code/complete-condition", 200):
        p, q = prompt.expect["tests"][0][0]
        rule = eval(f"lambda {p}, {q}: {prompt.answer}")
        wide = range(-25, 45, 2), range(-24, 45, 3)
        constant = len({rule(x, y) for x in wide[0] for y in wide[1]}) == 1
        assert constant or not check(prompt, "True")
        assert constant or not check(prompt, "False")


@each
def test_factors_have_the_names_of_the_capability_and_come_from_slots(template: Scaffold) -> None:
    for prompt in made(template.id, 20):
        assert tuple(prompt.factors) == FACTORS[template.capability]
        assert all(value >= 0 for value in prompt.factors.values())
    other_words = replace(template, text=template.text + " Thank you.")
    assert other_words.make(np.random.default_rng(3)).factors == made(template.id)[3].factors


@pytest.mark.parametrize("capability", FACTORS)
def test_every_factor_varies_within_a_capability(capability: str) -> None:
    prompts = [prompt for t in scaffolds(capability) for prompt in made(t.id, 30)]
    for name in FACTORS[capability]:
        assert len({prompt.factors[name] for prompt in prompts}) >= 3


@pytest.mark.parametrize("capability", FACTORS)
def test_two_thousand_draws_are_nearly_all_different(capability: str) -> None:
    """At least 1,900 of 2,000; and more than 10,000 prompts can be drawn.

    Two draws agree with chance sum p^2 >= 1 / S where S prompts have chances p. Between two samples
    of 1,000 that is 10^6 sum p^2 agreeing pairs on average: fewer than 100 speak for S > 10,000.
    """
    templates = scaffolds(capability)
    rng = np.random.default_rng(11)
    keys = [templates[n % len(templates)].make(rng).key for n in range(2000)]
    assert len(set(keys)) >= 1900
    one, other = Counter(keys[:1000]), Counter(keys[1000:])
    assert sum(one[key] * other[key] for key in one) < 100


SLOTS: list[Slot] = [
    Integer(-3, 4),
    Sized(1, 4),
    Integers(1, 4, 0, 5),
    Integers(2, 5, 1, 9, distinct=True),
    Choice(("a", "b")),
    Sample("abcdef", 2, 5),
    Trees(2, 4, 1, 9),
    Formulas(3, 2, 5),
    FactSample(tuple(RELATIONS), 3, 5, 1, 4),
    Day(date(2000, 2, 27), date(2000, 3, 2)),
]
STRANGERS = (
    "?",
    99999,
    1.5,
    True,
    None,
    (),
    (0,) * 9,
    ("a", "a"),
    ("+", 1),
    ("not", "Z"),
    object(),
)


@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: type(slot).__name__)
def test_slots_accept_what_they_draw_and_nothing_else(slot: Slot) -> None:
    drawn = [slot.draw(np.random.default_rng(seed)) for seed in range(200)]
    assert all(slot.check(value) for value in drawn)
    assert len(set(drawn)) > 1
    assert not any(slot.check(stranger) for stranger in STRANGERS)


def small(text: str = "{a} and {b}", **options: object) -> Scaffold:
    return Scaffold(
        "math/small",
        text,
        slots={"a": Integer(1, 9)},
        solve=lambda v: Solution(str(v["a"]), shown={"b": v["a"] + 1}),
        factors={"size": lambda v: v["a"], "one": 1},
    )


def test_fill_renders_slots_and_derived_fields() -> None:
    prompt = small().fill({"a": 4})
    assert (prompt.text, prompt.answer, prompt.factors) == ("4 and 5", "4", {"size": 4, "one": 1})


@pytest.mark.parametrize(
    ("text", "values", "match"),
    [
        ("{a} and {b}", {}, "'a' is not filled"),
        ("{a} and {b}", {"a": 10}, "slot 'a' is 10; accepted: Integer"),
        ("{a} and {b}", {"a": 1, "z": 2}, "'z' is not a slot"),
        ("{a} {b} {c}", {"a": 1}, "field 'c' of the text is not filled"),
        ("{a}", {"a": 1}, "'b' is derived"),
    ],
)
def test_fill_refuses(text: str, values: dict[str, int], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        small(text).fill(values)
