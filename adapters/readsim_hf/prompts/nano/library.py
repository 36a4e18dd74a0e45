"""The nano library."""

from readsim_hf.prompts.library import NANO, Library
from readsim_hf.prompts.nano import (
    arithmetic,
    general,
    languages,
    lookup,
    programs,
    reasoning,
    steerability,
    tools,
)


def nano_library() -> Library:
    """Eight capabilities in the order of `CAPABILITIES`; a prompt starts with its capability's letter.

    A prompt and its reply have at most 96 characters, of printable ASCII.
    """
    return Library(
        name="nano",
        style=NANO,
        templates={
            "general": general.TEMPLATES,
            "steerability": steerability.TEMPLATES,
            "reasoning": reasoning.TEMPLATES,
            "math": arithmetic.TEMPLATES,
            "code": programs.TEMPLATES,
            "tool_use": tools.TEMPLATES,
            "long_context": lookup.TEMPLATES,
            "multilingual": languages.TEMPLATES,
        },
    )
