"""How sources, names and code are written in a model card."""

import re
from collections.abc import Sequence
from pathlib import PurePath

from readsim.errors import ConfigError
from readsim.summary.show import markdown_text
from readsim_hf.models.loading import locate
from readsim_hf.published import published, without_keys

FILL_IN = "fill-in"  # begins each value of the front matter that nobody but the owner knows
TODO = "**TO FILL IN:**"


def card_title(student: str) -> str:
    """The name of the new model, until its owner gives it another."""
    return f"{source_name(student)}-distilled"


def hub_id(source: str) -> str | None:
    """The source where it is an id on the Hugging Face hub."""
    try:
        found = locate(source)
    except ConfigError:
        return None
    return found if isinstance(found, str) else None


def source_text(source: str) -> str:
    """A source as it may be shown, fit for a code span."""
    return str(published(source)).replace("`", "'")


def source_name(source: str) -> str:
    """A source as one word: an id with a hyphen for its slash, the last part of a path."""
    shown = source_text(source)
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", shown):
        shown = PurePath(shown).name.removesuffix(".gguf")
    return re.sub(r"[^\w.-]+", "-", shown).strip("-.") or "student"


def name_list(names: Sequence[str]) -> str:
    """Names with commas, each once."""
    return ", ".join(markdown_text(name) for name in dict.fromkeys(names))


def as_code(value: object) -> str:
    """A value on one line, as code."""
    text = without_keys(repr(value))
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def code_block(language: str, text: str) -> str:
    """A block of code; its fence is longer than any in the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
