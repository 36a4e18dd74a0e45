"""`readsim models`: prepare, list, methods, benchmarks, templates."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich import text as styled
from rich.table import Table

from readsim.cli.help import Help
from readsim.cli.output import Terminal
from readsim.errors import unknown
from readsim.streams import generator
from readsim_hf.cli.options import Text, need_extra
from readsim_hf.prompts.library import Library

models = typer.Typer(
    help="Prepare models; list methods, benchmarks and templates.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@models.command(
    **Help(
        ("readsim models prepare smollm2-135m", "readsim models prepare smollm2-135m --layers 8")
    ).settings()
)
def prepare(
    name: Annotated[str, typer.Argument(help="The name of a model, such as smollm2-135m.")],
    layers: Annotated[int, typer.Option(help="The pruned student has this many layers.")] = 10,
) -> None:
    """Fetch a small real model once, and prune a student from it.

    The download is checked against its digest and converted.
    """
    need_extra()
    from readsim_hf.models.prepare import prepare as make

    typer.echo(str(make(name, layers, typer.echo)))


@models.command(
    "list", **Help(("readsim models list", "readsim distill --pair smollm2")).settings()
)
def list_() -> None:
    """List the models known by name, and whether they are prepared."""
    need_extra()
    from readsim_hf.models.prepare import list_models

    table = Table("model", "about", "ready")
    for model in list_models():
        ready = f"{', '.join(model.parts)} ({model.bytes / 1e6:.0f} MB)" if model.parts else "no"
        table.add_row(model.name, model.description, ready)
    Terminal().print(table)


@models.command(
    **Help(("readsim models methods", "readsim models methods --write docs")).settings()
)
def methods(
    write: Annotated[
        Path | None,
        typer.Option(
            help="The pages of the documentation and their figure are written into this folder instead."
        ),
    ] = None,
) -> None:
    """List the distillation methods, which `--method` takes."""
    from readsim_hf.methods.page import in_families, method_line, write_methods

    if write is not None:
        need_extra()
        from readsim_hf.combinations import write_combinations

        write_methods(write)
        write_combinations(write)
        return
    console = Terminal()
    longest = max(len(name) for of_it in in_families().values() for name in of_it)
    for family, of_it in in_families().items():
        table = Table(title=family, title_justify="left", title_style="bold")
        table.add_column("method", no_wrap=True, min_width=longest)
        table.add_column("what is done")
        for name, method in of_it.items():
            table.add_row(name, method_line(method))
        console.print(table)


@models.command(**Help(("readsim models benchmarks", "readsim models benchmarks gsm8k")).settings())
def benchmarks(
    name: Annotated[
        Text, typer.Argument(help="This benchmark is shown with its data and licence.")
    ] = None,
) -> None:
    """List the paper's benchmarks, and how to get the data."""
    need_extra()
    from readsim_hf.probes.registry import REGISTRY, benchmark

    console = Terminal()
    if name is not None:
        for key, value in asdict(benchmark(name)).items():
            console.print(styled.Text.assemble((key, "bold"), f" {value}"))
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


@models.command(
    **Help(
        ("readsim models templates nano", "readsim models templates text --capability math")
    ).settings()
)
def templates(
    library: Annotated[str, typer.Argument(help="The library is nano or text.")] = "text",
    capability: Annotated[
        Text, typer.Option(help="Only this capability is shown, with examples.")
    ] = None,
) -> None:
    """List the prompt templates of a library."""
    need_extra()
    found, console = library_named(library), Terminal()
    if capability is None:
        table = Table("capability", "templates")
        for known, of_it in found.templates.items():
            table.add_row(known, ", ".join(t.id.partition("/")[2] for t in of_it))
        console.print(table)
        return
    if capability not in found.templates:
        raise unknown("capability", capability, found.capabilities)
    for place, template in enumerate(found.templates[capability]):
        prompt = template.make(generator(0, "data", place))
        console.print(template.id, style="bold")
        console.print(prompt.text, highlight=False)
        console.print(styled.Text.assemble(("answer:", "dim"), f" {prompt.answer}"))
