"""The page of equations against the code: each formula of its tables is evaluated as it stands there."""

import re
from dataclasses import fields

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.theory.all_checks import NAMES
from readsim.worlds.data import WorldData
from readsim.worlds.gains import gain, harm_grows_with_tokens
from readsim.worlds.links import LINKS, link
from readsim.worlds.potential import Potential
from readsim.worlds.utility import KINDS, utility
from readsim.worlds.validation import DYNAMICS
from readsim.worlds.world import World
from tests.support.paths import ROOT
from tests.support.tutorial import blocks

PAGE = ROOT / "docs" / "reference" / "equations.md"
NUMPY = {name: getattr(np, name) for name in ("exp", "minimum", "where", "sum")}
SIGNS = {
    **NUMPY,
    "ln": np.log,
    "logit": lambda q: np.log(q / (1 - q)),
    "sigmoid": lambda y: 1 / (1 + np.exp(-y)),
}


def rows(first: str) -> list[list[str]]:
    """The cells of the table whose first header is `first`, without code marks."""
    lines = PAGE.read_text(encoding="utf-8").split("\n")
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first} |")) + 2
    found: list[list[str]] = []
    for line in lines[start:]:
        if not line.startswith("|"):
            return found
        found.append([cell.strip(" `") for cell in line.strip("|").split(" | ")])
    return found


def value(formula: str, **numbers: object) -> Array:
    """A formula of the page with these numbers in it."""
    return np.asarray(eval(formula, {"__builtins__": {}}, {**SIGNS, **numbers}))


def test_gain_curves_and_harm() -> None:
    x = np.linspace(0.01, 7.0, 50)
    table = rows("`gain`")
    assert {row[0].partition(":")[0] for row in table} == {
        *("exponential", "hill", "log", "broken", "power"),
    }
    for name, formula, slope, ends, harmed in table:
        family = name.replace("Q", "0.3")
        u = gain(family)
        said = value(formula, x=x, Q=0.3)
        np.testing.assert_allclose(u.value(x), said, rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(u.slope(x), value(slope, x=x, Q=0.3), rtol=1e-12, err_msg=name)
        assert u.bounded == (ends == "1")
        assert harm_grows_with_tokens(family) == (harmed == "x")
        world = made(link="saturating", gain=family, harm=[[1.0]], help=[[0.0]])
        assert isinstance(world.model, Potential)
        lost = value(harmed, x=x, u=lambda x, formula=formula: value(formula, x=x, Q=0.3))
        np.testing.assert_allclose(-world.model.latent(x[:, None])[:, 0], lost, rtol=1e-12)


def test_the_example_of_harm() -> None:
    """What harm .1 takes, as the text says it."""
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    said = re.search(
        r"harm \.1 takes (\.\d+) at x = 1, (\.\d+) at x = 2 and (\.\d+) at x = 5", text
    )
    assert said is not None
    x = np.array([1.0, 2.0, 5.0])
    took = 0.1 * (x - gain("exponential").value(x))
    assert [f"{v:.3f}"[1:] for v in took] == list(said.groups())


def made(**numbers: object) -> World:
    """A world of one source and one capability with one token a scale."""
    usual: dict[str, object] = {
        "name": "one",
        "sources": ("a",),
        "capabilities": ("b",),
        "dynamics": "potential",
        "scale_tokens": [1.0],
        "start": [0.4],
        "floor": [0.2],
        "ceiling": [0.9],
    }
    return World(**{**usual, **numbers})  # type: ignore[arg-type]


def test_links() -> None:
    z = np.linspace(-2.0, 2.0, 41)
    s, f, c = 0.4, 0.2, 0.9
    table = rows("`link`")
    assert {row[0] for row in table} == set(LINKS)
    for name, where, formula, _ in table:
        some = {"z > 0": z > 0, "z < 0": z < 0, "all z": z < np.inf}[where]
        q = (s - f) / (c - f)
        said = value(formula, z=z[some], s=s, f=f, c=c, q=q)
        bounds = (np.array([v]) for v in (s, f, c))
        np.testing.assert_allclose(
            link(name, *bounds).value(z[some]), said, rtol=1e-12, err_msg=name
        )


def test_utilities() -> None:
    p, w = np.array([0.2, 0.5, 0.9]), np.array([0.5, 0.3, 0.2])
    table = rows("`utility`")
    assert {row[0] for row in table} == set(KINDS)
    for name, formula in table:
        for number in (-2.0, 0.4):
            kind = re.sub("[RC]$", str(number), name)
            said = value(formula, p=p, w=w, R=number, C=number)
            assert utility(kind, w, p) == pytest.approx(said, rel=1e-12), name


def test_every_statement_dynamics_and_term_is_there() -> None:
    assert [row[0] for row in rows("name")] == list(NAMES)
    assert {row[0] for row in rows("`dynamics`")} == set(DYNAMICS)
    terms = {row[0] for row in rows("field")}
    assert terms <= {f.name for f in fields(WorldData)}
    text = PAGE.read_text(encoding="utf-8")
    for name in ("feeds", "pool_tokens", "efficiency_sd", "process_sd", "forgetting_tokens"):
        assert name in text


def test_the_plain_program(capsys: pytest.CaptureFixture[str]) -> None:
    programs = [text for language, _, text in blocks(PAGE) if language == "python"]
    assert len(programs) == 1
    exec(compile(programs[0], str(PAGE), "exec"), {})
    assert "agree" in capsys.readouterr().out
