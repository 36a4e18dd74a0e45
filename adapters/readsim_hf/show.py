"""What `readsim models ...` prints."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from readsim.errors import unknown
from readsim.streams import generator
from readsim_hf.prompts.library import Library


def show_models() -> None:
    """Named models and where they are."""
    from readsim_hf.models.prepare import list_models

    table = Table("model", "about", "ready")
    for model in list_models():
        ready = f"{', '.join(model.parts)} ({model.bytes / 1e6:.0f} MB)" if model.parts else "no"
        table.add_row(model.name, escape(model.description), ready)
    Console().print(table)


def show_benchmarks() -> None:
    """The registry, one row a benchmark."""
    from readsim_hf.probes.table import ENTRIES

    table = Table(
        "benchmark", "capability", "task in lm-eval", "metric", "chance", "data", "licence"
    )
    for entry in ENTRIES:
        table.add_row(
            entry.name,
            entry.capability,
            entry.task or "own scoring",
            entry.metric,
            f"{entry.chance:g}",
            escape(f"{entry.source}: {entry.get}"),
            entry.licence,
        )
    Console().print(table)


def library_named(name: str) -> Library:
    """`nano` or `text`."""
    from readsim_hf.prompts.nano.library import nano_library
    from readsim_hf.prompts.text import text_library

    made = {"nano": nano_library, "text": text_library}
    if name not in made:
        raise unknown("library", name, made)
    return made[name]()


def show_templates(name: str, capability: str | None) -> None:
    """Templates by capability, or those of one with an example each."""
    library, console = library_named(name), Console()
    if capability is None:
        table = Table("capability", "templates")
        for known, templates in library.templates.items():
            table.add_row(known, ", ".join(t.id.partition("/")[2] for t in templates))
        console.print(table)
        return
    if capability not in library.templates:
        raise unknown("capability", capability, library.capabilities)
    for place, template in enumerate(library.templates[capability]):
        prompt = template.make(generator(0, "data", place))
        console.print(f"[bold]{escape(template.id)}[/]")
        console.print(escape(prompt.text), highlight=False)
        console.print(f"[dim]answer:[/] {escape(str(prompt.answer))}", highlight=False)
