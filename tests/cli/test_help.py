"""What `--help` shows of each command: panels, defaults, sentences, two examples that are right."""

import shlex
from typing import Any

import pytest
from typer.main import get_command

from readsim.cli.app import app, extend

MOST_FIRST = 10


def commands() -> dict[str, Any]:
    """Every command of the program, those of groups by both names."""
    extend(app)
    found: dict[str, Any] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found |= {f"{name} {n}": c for n, c in inner.items()} if inner else {name: command}
    return found


COMMANDS = commands()


def options_of(command: Any) -> set[str]:
    return {option for p in command.params for option in (*p.opts, *p.secondary_opts)}


def panels_of(name: str) -> dict[str, list[str]]:
    """The lines under each title of its help."""
    with COMMANDS[name].make_context(f"readsim {name}", [], resilient_parsing=True) as context:
        text = COMMANDS[name].get_help(context)
    panels: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.strip() == "Examples:" or (line[:1].strip() and line.endswith(":")):
            panels[line.strip().rstrip(":")] = []
        elif panels and line.strip():
            panels[next(reversed(panels))].append(line)
    return panels


@pytest.mark.parametrize("name", COMMANDS)
def test_it_ends_with_two_examples_whose_options_exist(name: str) -> None:
    examples = " ".join(panels_of(name)["Examples"]).replace("\\", "")
    calls = [shlex.split(f"readsim{call}") for call in examples.split("readsim")[1:]]
    calls = [call for call in calls if call[0] == "readsim"]
    assert len(calls) == 2
    for _, *words in calls:
        called = words[0] if words[0] in COMMANDS else " ".join(words[:2])
        given = {word for word in words if word.startswith("-") and not word.lstrip("-").isdigit()}
        assert given <= options_of(COMMANDS[called]), words


@pytest.mark.parametrize("name", COMMANDS)
def test_what_matters_first_stands_first(name: str) -> None:
    """A command with many options shows ten at most in its first panel; each stands in one panel."""
    panels = panels_of(name)
    rows = [line for line in panels["Options"] if line.startswith("  -")]
    named = [o for t, lines in panels.items() if t != "Examples" for o in lines if o[:3] == "  -"]
    assert len(rows) <= MOST_FIRST or len(named) <= MOST_FIRST + 3
    assert len(named) == len([p for p in COMMANDS[name].params if p.opts[0][0] == "-"]) + 1


@pytest.mark.parametrize("name", COMMANDS)
def test_its_texts_are_sentences(name: str) -> None:
    """They begin with a capital letter or a name, end with a stop, and state no default in passing."""
    for p in COMMANDS[name].params:
        text = p.help or ""
        assert text[:1].isupper() or text.startswith(("-", "live", "plan", "theory")), (
            p.name,
            text,
        )
        assert text.endswith("."), (p.name, text)
        assert not text.startswith("Of "), (p.name, text)
        assert "default:" not in text, (p.name, text)
