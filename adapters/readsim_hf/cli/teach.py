"""`readsim teach`."""

from pathlib import Path
from typing import Annotated

import typer

from readsim.errors import ConfigError, unknown
from readsim.token_counts import parse_tokens
from readsim_hf.cli.options import Chosen, Text, need_extra, with_run_options


@with_run_options
def teach(
    chosen: Chosen,
    out: Annotated[Path, typer.Option(help="The store is written into this folder.")] = Path(
        "results/teach"
    ),
    prompts: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="This many prompts of each source are sent to the teacher.",
            show_default="all rows of data sets",
        ),
    ] = None,
    tokens: Annotated[
        Text,
        typer.Option(
            help="Prompts are sent until each source has this many supervised tokens, such as "
            "500k; this replaces --prompts."
        ),
    ] = None,
    small: Annotated[
        bool,
        typer.Option(
            "--small",
            help="Top-k distributions are quantised to 8 bits, at most 200 bytes per token at k = 64.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="What would be asked and written is printed, and nothing is asked."
        ),
    ] = False,
    export: Annotated[
        Text,
        typer.Option(
            help="The finished store is exported to another tool's format, and nothing is asked: "
            "distillkit=DIR or axolotl=DIR."
        ),
    ] = None,
    import_: Annotated[
        Text,
        typer.Option(
            "--import",
            help="The store is made from another tool's data: distillkit=DIR or axolotl=DIR.",
        ),
    ] = None,
) -> None:
    """Collect a teacher's replies once, for any number of runs.

    Prompts, replies and distributions go into a folder, from which `readsim distill --store` trains.
    """
    need_extra()
    if export is not None and import_ is not None:
        raise ConfigError("--export and --import exclude each other: give one of them")
    if export is not None:
        from readsim_hf.exchange import export_store

        export_store(out, *_tool("export", export))
        return
    if import_ is not None:
        from readsim_hf.exchange import import_store

        where = _tool("import", import_)
        import_store(chosen.file, chosen.table, out, *where, "small" if small else "exact")
        return
    if prompts is not None and tokens is not None:
        raise ConfigError(
            f"--prompts {prompts} and --tokens {tokens} exclude each other: give one of them"
        )
    from readsim_hf.teach import Amount
    from readsim_hf.teach import teach as run

    wanted = Amount(prompts, None if tokens is None else parse_tokens(tokens, "tokens"))
    run(
        chosen.file,
        chosen.table,
        out,
        wanted,
        "small" if small else "exact",
        dry_run=dry_run,
        allow_code=chosen.allow_code,
    )


def _tool(option: str, text: str) -> tuple[str, Path]:
    """`"axolotl=DIR"` -> axolotl, DIR. ConfigError for something else."""
    tools = ("distillkit", "axolotl")
    tool, _, folder = text.partition("=")
    if tool not in tools:
        raise unknown(f"tool in --{option}", tool, tools)
    if not folder:
        raise ConfigError(f"--{option} {text!r}: expected {tool}=DIR, with a folder")
    return tool, Path(folder)
