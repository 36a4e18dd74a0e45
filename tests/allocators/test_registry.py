"""Families of allocators: every one has one, and the page of allocators groups them so."""

import re

import pytest

from readsim.allocators.registry import (
    BUILT_IN,
    FIRST,
    ON_REQUEST,
    Family,
    base_name,
    display_order,
    family_of,
    is_oracle,
)
from readsim.runs.cell import PAPER_ALLOCATORS
from tests.support.paths import ROOT


def test_the_page_groups_allocators_by_family() -> None:
    page = ROOT / "docs" / "reference" / "allocators.md"
    table = page.read_text(encoding="utf-8").split("| family | names |")[1]
    rows = [line.split("|")[1:3] for line in table.split("\n\n")[0].splitlines()[2:]]
    seen: dict[str, set[Family]] = {}
    for title, names in rows:
        known = [n for n in re.findall("`([^`*]+)`", names) if n in BUILT_IN | ON_REQUEST]
        seen[title.strip()] = {family_of(name) for name in known}
    assert seen.pop("the paper's") == {Family.BASELINE, Family.READ}
    assert seen == {family.value: {family} for family in map(Family, seen)}
    assert {f for found in seen.values() for f in found} == {*Family} - {
        *(Family.BASELINE, Family.READ, Family.OTHER)
    }


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("read+guard=0.1, logit-kd, identified", Family.READ),
        ("read-no-history", Family.READ),
        ("read-mine", Family.READ),
        ("readsim.allocators.static:Uniform", Family.OTHER),
        ("reader", Family.OTHER),
        ("greedy", Family.BASELINE),
        ("one-hot, cot-kd", Family.BASELINE),
        ("oracle-mine+x=1", Family.ORACLE),
        ("exp3+floor=0.02", Family.BANDIT),
        ("mine", Family.OTHER),
    ],
)
def test_families_of_names(name: str, family: Family) -> None:
    assert family_of(name) is family
    assert is_oracle(name) == (family is Family.ORACLE)


def test_base_names() -> None:
    assert base_name("read+guard=0.1, logit-kd") == base_name("read, logit-kd") == "read"
    assert base_name("a.b:C+x=1") == "a.b:C"


def test_the_order_of_tables() -> None:
    names = [
        "oracle-planning",
        "read-no-history",
        "read+kappa=1",
        "zeta",
        "aioli",
        *PAPER_ALLOCATORS,
    ]
    assert display_order(reversed(names)) == [
        *FIRST,
        *("aioli", "zeta", "read", "read+kappa=1", "read-no-history"),
        *("oracle-planning", "oracle-static"),
    ]
