"""What `readsim models ...` prints."""

from dataclasses import asdict

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


def show_benchmarks(name: str | None) -> None:
    """The registry, one row a benchmark; or all that is known of one."""
    from readsim_hf.probes.registry import REGISTRY, benchmark

    console = Console()
    if name is not None:
        for key, value in asdict(benchmark(name)).items():
            console.print(f"[bold]{key}[/] {escape(str(value))}", highlight=False)
        return
    table = Table("benchmark", "capability", "task in lm-eval", "metric", "chance")
    for entry in REGISTRY.values():
        task = entry.task or "own scoring"
        table.add_row(entry.name, entry.capability, task, entry.metric, f"{entry.chance:g}")
    console.print(table)


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
