"""The prose template library: eight capabilities, for models that read text."""

from importlib import import_module

from readsim_hf.prompts.library import PROSE, Library
from readsim_hf.prompts.prompt import CAPABILITIES


def text_library() -> Library:
    """The library `text`: the `TEMPLATES` of one module a capability."""
    return Library(
        name="text",
        style=PROSE,
        templates={
            name: tuple(import_module(f"{__name__}.{name}").TEMPLATES) for name in CAPABILITIES
        },
    )
