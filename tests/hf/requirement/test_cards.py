"""Task cards: four fields from a file, none of them from the test split."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from readsim.errors import ConfigError, UnknownNameError
from readsim.streams import generator
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)

CARD = """
description = "Add two numbers."
format = "A sum goes in, a number comes out."
evaluation = "Exact match."
exemplars = [{ input = "M17+25", output = "42" }]
"""


def load(text: str, path: Path) -> Any:
    from readsim_hf.requirement.card import load_card

    path.write_text(text, encoding="utf-8")
    return load_card(path)


@pytest.mark.parametrize("suffix", ["toml", "yaml", "yml"])
def test_a_card_comes_back_as_it_was_written(suffix: str, tmp_path: Path) -> None:
    import yaml

    from readsim_hf.requirement.card import Exemplar, TaskCard

    card = TaskCard("Écrire: court", 'in "quotes"', "exact", (Exemplar("a: b\n- c", "déjà"),))
    table = {**asdict(card), "exemplars": [asdict(e) for e in card.exemplars]}
    text = tomli_w.dumps(table) if suffix == "toml" else yaml.safe_dump(table, allow_unicode=True)
    assert load(text, tmp_path / f"card.{suffix}") == card


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_card_with_a_byte_order_mark(encoding: str, tmp_path: Path) -> None:
    import yaml

    from readsim_hf.requirement.card import TaskCard, load_card

    card = TaskCard("Écrire: court", "007", "exact")
    table = {**asdict(card), "exemplars": []}
    for name, text in (
        ("card.toml", tomli_w.dumps(table)),
        ("card.yaml", yaml.safe_dump(table, allow_unicode=True)),
    ):
        (tmp_path / name).write_bytes(text.replace("\n", "\r\n").encode(encoding))
        assert load_card(str(tmp_path / name)) == card


def test_a_field_of_a_card_is_given_once(tmp_path: Path) -> None:
    for name, text in (
        ("card.yaml", "format: a\nformat: b\n"),
        ("card.toml", CARD + 'format = "b"'),
    ):
        with pytest.raises(
            ConfigError, match=r"task card .*, line \d+.*: not (YAML|TOML)"
        ) as caught:
            load(text, tmp_path / name)
        assert str(caught.value).count(str(tmp_path)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CARD.replace("evaluation", "evaluations"), "evaluation"),
        (CARD.replace('"Exact match."', '" "'), "evaluation is empty"),
        (CARD.replace('"Exact match."', "7"), "evaluation"),
        (CARD.replace('output = "42"', 'answer = "42"'), "exemplars.0"),
        (CARD + 'more = "x"', "more"),
        ("description = ", "card.toml"),
    ],
)
def test_a_wrong_card_is_refused_with_its_field(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said):
        load(text, tmp_path / "card.toml")


def test_a_file_that_is_no_card(tmp_path: Path) -> None:
    from readsim_hf.requirement.card import load_card

    with pytest.raises(ConfigError, match=r"card\.txt"):
        load(CARD, tmp_path / "card.txt")
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        load_card(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match=r"four\.yaml"):
        load("- a\n- b\n", tmp_path / "four.yaml")
    with pytest.raises(ConfigError, match=r"open\.yaml"):
        load("description: [", tmp_path / "open.yaml")


def test_an_exemplar_of_the_test_split_is_refused(tmp_path: Path) -> None:
    """However it is spaced or cased; other items are taken."""
    from readsim_hf.prompts.prompt import question_key

    card = load(CARD, tmp_path / "card.toml")
    card.check_unseen({question_key("M18+25")})
    with pytest.raises(ConfigError, match=r"mine: exemplar 1 .*M17\+25.* is an item of the test"):
        card.check_unseen({question_key("  m17+25 ")}, "mine")


@pytest.mark.parametrize("library", ["nano", "text"])
def test_there_is_a_card_for_every_capability_and_for_safety(library: str) -> None:
    from readsim_hf.cli.models import library_named
    from readsim_hf.prompts.prompt import question_key
    from readsim_hf.requirement.builtin import SHOWN, card_names, draw_card

    made = library_named(library)
    assert {*made.capabilities, "safety"} <= set(card_names())
    for name in made.capabilities:
        card = draw_card({name: 1.0}, made, generator(1, "requirement"))
        again = draw_card({name: 1.0}, made, generator(1, "requirement"))
        assert card == again
        assert len(card.exemplars) == 3
        first = question_key(card.exemplars[0].input)
        other = draw_card({name: 1.0}, made, generator(1, "requirement"), {first})
        if len(card.exemplars[0].input) < SHOWN:  # else it was cut, and is nobody's question
            assert first not in {question_key(e.input) for e in other.exemplars}
    safety = draw_card({"safety": 1.0}, made, generator(1, "requirement"))
    assert not safety.exemplars
    assert "refus" in safety.text.lower()
    with pytest.raises(UnknownNameError, match="math"):
        draw_card({"maths": 1.0}, made, generator(0, "requirement"))


def test_a_mixture_names_what_counts_heaviest_first() -> None:
    from readsim_hf.cli.models import library_named
    from readsim_hf.requirement.builtin import draw_card, phrases

    library = library_named("nano")
    card = draw_card({"math": 0.3, "code": 0.65, "general": 0.05}, library, generator(3, "world"))
    said = [card.description.find(p) for n in ("code", "math") for p in phrases(n)["description"]]
    found = [at for at in said if at >= 0]
    assert found[0] == 0
    assert len(found) == 2
    assert not any(p in card.description for p in phrases("general")["description"])


def test_held_out_cards_share_no_wording_with_training_cards() -> None:
    from readsim_hf.cli.models import library_named
    from readsim_hf.requirement.auxiliary import auxiliary_tasks
    from readsim_hf.requirement.builtin import phrases
    from readsim_hf.requirement.config import IdentifierConfig

    library, config = library_named("nano"), IdentifierConfig(mixtures=6, wordings=2)
    tasks = auxiliary_tasks(config, library, 0)
    others = auxiliary_tasks(config, library, 0, held_out=True)
    assert len(tasks) == 2 * (8 + 6)
    assert len(others) == 8 + 6
    assert all(abs(t.weights.sum() - 1) < 1e-12 for t in [*tasks, *others])
    for name in library.capabilities:
        last = phrases(name)["description"][2]
        assert not any(last in t.text for t in tasks)
        assert any(last in t.text for t in others)
