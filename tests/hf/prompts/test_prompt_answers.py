"""Gold answers of prose templates against another computation from the text; the fact table."""

import contextlib
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import permutations

import numpy as np
import pytest

from readsim_hf.prompts.checkers import check
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.text.general.culture import EVENTS
from readsim_hf.prompts.text.general.facts import BY_RELATION, FACTS, OBJECTS, RELATIONS
from readsim_hf.prompts.text.general.tables import ELEMENTS
from tests.support.prose_templates import made, scaffolds


@pytest.mark.parametrize("name", ["math/sum", "math/product", "math/expression", "math/power"])
def test_arithmetic_is_what_python_makes_of_the_text(name: str) -> None:
    for prompt in made(name):
        written = re.search(r"(?:What is|Compute) ([-+*() 0-9]+)", prompt.text)
        assert written is not None
        assert eval(written[1]) == int(prompt.answer or "")


def test_linear_equations_hold_when_the_answer_is_put_in() -> None:
    for prompt in made("math/linear"):
        equation = prompt.text.partition(": ")[2].partition(".")[0]
        left, right = re.sub(r"(\d)x", r"\1 * x", equation).split(" = ")
        of = {"x": int(prompt.answer or "")}
        assert eval(left, {}, of) == eval(right, {}, of)


def test_story_and_base_read_back() -> None:
    for prompt in made("math/story"):
        first, *rest = re.findall(r"(has|buys|finds|given|away|loses|sells) (\d+)", prompt.text)
        total = int(first[1])
        for verb, number in rest:
            total += int(number) * (-1 if verb in {"away", "loses", "sells"} else 1)
        assert str(total) == prompt.answer
    for prompt in made("math/base"):
        written, base = re.findall(r"\d+", prompt.text)
        assert str(int(written, int(base))) == prompt.answer


@pytest.mark.parametrize("name", ["math/mean", "math/median"])
def test_averages(name: str) -> None:
    average = np.mean if name == "math/mean" else np.median
    for prompt in made(name):
        numbers = [int(number) for number in re.findall(r"\d+", prompt.text)]
        assert average(numbers) == int(prompt.answer or "")


def orders(people: Sequence[str], before: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
    """All orders of the people in which every pair stands as given."""
    return [
        order
        for order in permutations(people)
        if all(order.index(a) < order.index(b) for a, b in before)
    ]


def test_full_order_is_the_only_one_that_fits_the_clues() -> None:
    for prompt in made("reasoning/full-order", 25):
        more, less = re.findall(r"from (\w+) to (\w+),", prompt.text)[0]
        clues = re.findall(r"(\w+) is (\w+) than (\w+)\.", prompt.text)
        # `taller` belongs to `tallest`: all but the last two letters.
        before = [(a, b) if more[:3] == word[:3] else (b, a) for a, word, b in clues]
        assert less[:3] != more[:3]
        people = sorted({name for pair in before for name in pair})
        assert [", ".join(order) for order in orders(people, before)] == [prompt.answer]


def test_pets_have_one_solution() -> None:
    for prompt in made("reasoning/pets", 40):
        names = prompt.text.partition(" have one pet")[0].split(", ")
        pets = list(prompt.expect["labels"])
        clues = re.findall(r"(\w+) does not have the (\w+)\.", prompt.text)
        fits = [
            dict(zip(names, order, strict=True))
            for order in permutations(pets)
            if all(dict(zip(names, order, strict=True))[a] != b for a, b in clues)
        ]
        who = re.findall(r"does (\w+) have\?", prompt.text)[0]
        assert [fit[who] for fit in fits] == [prompt.answer]


def test_truth_values_and_tables_are_what_python_says() -> None:
    for prompt in made("reasoning/truth-value"):
        of = {name: word == "true" for name, word in re.findall(r"([PQRS]) is (\w+)", prompt.text)}
        written = prompt.text.rpartition(": ")[2].replace("xor", "!=")
        assert str(eval(written, {}, of)).lower() == prompt.answer
    for prompt in made("reasoning/truth-table", 40):
        written = prompt.text.rpartition(": ")[2].replace("xor", "!=")
        names = sorted(set(re.findall("[PQRS]", written)))
        rows = range(2 ** len(names))
        values = [
            eval(written, {}, {n: bool(row >> at & 1) for at, n in enumerate(names)})
            for row in rows
        ]
        assert str(sum(map(bool, values))) == prompt.answer


def test_walks_lead_where_complex_numbers_say() -> None:
    ways = {"north": 1j, "south": -1j, "east": 1, "west": -1}
    for prompt in made("reasoning/walk"):
        at = sum(int(n) * ways[way] for n, way in re.findall(r"(\d+) blocks (\w+)", prompt.text))
        assert str(int(abs(at.real) + abs(at.imag))) == prompt.answer


def test_sets_are_those_of_the_text() -> None:
    said = {
        "in both A and B": "A & B",
        "in A or in B or in both": "A | B",
        "in A but not in B": "A - B",
        "in exactly one of A and B": "A ^ B",
        "in all of A, B and C": "A & B & C",
        "in A and B but not in C": "(A & B) - C",
        "in A but in neither B nor C": "A - (B | C)",
        "in at least one of A, B and C": "A | B | C",
        "in C and in exactly one of A and B": "C & (A ^ B)",
    }
    for prompt in made("reasoning/sets"):
        sets = {
            name: set(map(int, members.split(", ")))
            for name, members in re.findall(r"(\w) = \{([^}]*)\}", prompt.text)
        }
        rule = said[prompt.text.partition("numbers are ")[2].rstrip("?")]
        assert str(len(eval(rule, {}, sets))) == prompt.answer


def reached(start: str, links: Sequence[tuple[str, str]]) -> set[str]:
    """Everything that links lead to, one or more steps from a start."""
    found: set[str] = set()
    while new := {b for a, b in links if a in found | {start}} - found:
        found |= new
    return found


@pytest.mark.parametrize(
    ("name", "link", "question"),
    [
        ("syllogism", r"All (\w+) are (\w+)\.", r"that all (\w+) are (\w+)\?"),
        ("exclusion", r"(?:Every|No) (\w+) is an? (\w+)\.", r"is a (\w+)\. Does .* not a (\w+)\?"),
        ("lamps", r"If lamp (\w) is on, lamp (\w) is on\.", r"Lamp (\w) is on\. Is lamp (\w) on"),
    ],
)
def test_yes_where_a_chain_leads_there(name: str, link: str, question: str) -> None:
    answers = set()
    for prompt in made(f"reasoning/{name}"):
        links = re.findall(link, prompt.text)
        start, end = re.findall(question, prompt.text)[0]
        assert prompt.answer == ("yes" if end in reached(start, links) else "no")
        answers.add(prompt.answer)
    assert answers == {"yes", "no"}


def test_liars_are_consistent() -> None:
    for prompt in made("reasoning/liars"):
        said = re.findall(r"(\w+) says that (\w+) (tells the truth|lies)", prompt.text)
        honest = {re.findall(r"truth\. (\w+) tells the truth\.", prompt.text)[0]: True}
        while len(honest) <= len(said):
            honest |= {b: honest[a] == (w != "lies") for a, b, w in said if a in honest}
        last = re.findall(r"Does (\w+) tell", prompt.text)[0]
        assert prompt.answer == ("yes" if honest[last] else "no")


def test_swaps_and_days_read_back() -> None:
    for prompt in made("reasoning/swaps"):
        held = dict(re.findall(r"(\w+) has the (\w+)\.", prompt.text))
        for a, b in re.findall(r"(\w+) and (\w+) swap", prompt.text):
            held[a], held[b] = held[b], held[a]
        assert held[re.findall(r"What does (\w+) have", prompt.text)[0]] == prompt.answer
    for prompt in made("reasoning/days-between"):
        start, end = (
            datetime.strptime(day, "%d %B %Y").replace(tzinfo=UTC)
            for day in re.findall(r"\d+ \w+ \d{4}", prompt.text)
        )
        assert str((end - start).days) == prompt.answer


def printed(prompt: Prompt) -> str:
    """What the program of a prompt prints: the library wrote it, so it may run."""
    code = re.findall(r"```python\n(.*?)```", prompt.text, re.DOTALL)[0]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    return out.getvalue().strip()


PRINTING = [t.id for t in scaffolds("code") if "program print" in t.text]


@pytest.mark.parametrize("name", PRINTING)
def test_programs_print_the_gold_answer(name: str) -> None:
    assert len(PRINTING) >= 9
    for prompt in made(name, 60):
        assert check(prompt, printed(prompt)), prompt


def test_assertions_fail_where_the_gold_answer_says() -> None:
    for name in ("code/failing-assert", "code/passing-asserts"):
        for prompt in made(name, 60):
            code = re.findall(r"```python\n(.*?)```", prompt.text, re.DOTALL)[0]
            space: dict[str, object] = {}
            exec(code[: code.index("assert")], space)
            held = [eval(line, space) for line in re.findall(r"assert (.*)", code)]
            wanted = held.index(False) + 1 if name == "code/failing-assert" else sum(held)
            assert prompt.answer == str(wanted)


@pytest.mark.parametrize(
    "name", ["code/complete-expression", "code/complete-condition", "code/write-function"]
)
def test_completed_functions_pass_the_assertions_that_are_shown(name: str) -> None:
    for prompt in made(name, 60):
        code = re.findall(r"```python\n(.*?)```", prompt.text, re.DOTALL)[0]
        gold = prompt.answer or ""
        code = f"{gold}\n{code}" if gold.startswith("def") else code.replace("...", gold)
        exec(code, {})
        assert code.count("assert") == prompt.factors["tests"]


@pytest.mark.parametrize("name", ["code/missing-number", "code/missing-operator"])
def test_only_the_gold_answer_fills_the_gap(name: str) -> None:
    for prompt in made(name, 60):
        code = re.findall(r"```python\n(.*?)```", prompt.text, re.DOTALL)[0]
        gaps = {str(n): str(n) for n in range(40)}
        if prompt.checker == "choice":
            gaps = dict(zip(prompt.expect["letters"], prompt.expect["options"], strict=True))
        assert [gap for gap, text in gaps.items() if holds(code.replace("?", text))] == [
            prompt.answer
        ]


def holds(code: str) -> bool:
    try:
        exec(code, {})
    except AssertionError:
        return False
    return True


# Facts


def test_facts_are_many_and_each_subject_has_one_object() -> None:
    assert len(FACTS) >= 150
    assert len({(fact.relation, fact.subject) for fact in FACTS}) == len(FACTS)
    assert {fact.tier for fact in FACTS} == {1, 2, 3}
    for name, relation in RELATIONS.items():
        assert len(OBJECTS[name]) >= 6
        assert relation.which == "" or len(OBJECTS[name]) == len(BY_RELATION[name])
    numbers = [number for _, _, number in ELEMENTS]
    assert numbers == sorted(set(numbers))
    assert len({year for _, year, _ in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize("name", ["general/true-statement", "general/false-statement"])
def test_exactly_one_statement_stands_out(name: str) -> None:
    true = {
        (s[0].upper() + s[1:]).casefold()
        for fact in FACTS
        for s in [RELATIONS[fact.relation].say.format(s=fact.subject, o=fact.object) + "."]
    }
    for prompt in made(name):
        held = [option.casefold() in true for option in prompt.expect["options"]]
        assert held.count(name == "general/true-statement") == 1
        assert held[ord(prompt.answer or "") - 65] == (name == "general/true-statement")


@pytest.mark.parametrize("name", ["general/member", "general/odd-one-out"])
def test_group_questions_have_one_answer(name: str) -> None:
    groups = {
        relation.group.format(o=answer): {f.subject for f in BY_RELATION[key] if f.object == answer}
        for key, relation in RELATIONS.items()
        if relation.group
        for answer in OBJECTS[key]
    }
    for prompt in made(name):
        group = groups[re.findall(r"(?:one of the|these are) ([^?.\n]+)[?.]", prompt.text)[0]]
        inside = [option in group for option in prompt.expect["options"]]
        wanted = name == "general/member"
        assert inside.count(wanted) == 1
        assert inside[ord(prompt.answer or "") - 65] == wanted


def test_options_are_all_different() -> None:
    for template in scaffolds("general"):
        for prompt in made(template.id):
            options = prompt.expect.get("options", [])
            assert len(set(options)) == len(options)
