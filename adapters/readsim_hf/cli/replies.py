"""`readsim replies`."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from readsim.cli.output import Terminal
from readsim.errors import ConfigError, ReadsimError, unknown
from readsim_hf.cli.options import Text, need_extra

if TYPE_CHECKING:
    from readsim_hf.teachers.heard import Heard, Kept

SUFFIXES = (".sqlite", ".db")
STORE = "store.json"  # `readsim_hf.store.manifest.FILE`, without loading it


def replies(
    where: Annotated[
        Path,
        typer.Argument(
            help="The replies are in this file, in this folder of a run, or in this store of `readsim teach`."
        ),
    ],
    show: Annotated[
        int, typer.Option(min=0, help="This many replies are shown, with their prompts.")
    ] = 0,
    capability: Annotated[
        Text, typer.Option(help="Only replies for this capability are counted.")
    ] = None,
    rejected: Annotated[
        bool,
        typer.Option(
            "--rejected",
            help="Only replies that were rejected, and are not trained on, are counted.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The output is one JSON object.")] = False,
    salvage: Annotated[
        Path | None,
        typer.Option(help="The undamaged replies of a damaged file are copied into this new file."),
    ] = None,
) -> None:
    """Show the replies collected from teachers.

    It prints how many there are, why they ended, which are rejected, and examples.
    """
    need_extra()
    if salvage is not None:
        _salvage(where, salvage)
        return
    if (where / STORE).is_file():
        _show_store(where, show, capability, as_json)
        return
    console, shown = Terminal(), []
    for path in _files(where):
        try:
            kept = _read(path)
        except ReadsimError as error:
            if path == where:
                raise
            Terminal(stderr=True).print(f"warning: {error}", highlight=False)
            continue
        some = _chosen(kept.heard, capability, rejected)
        if as_json:
            shown.append(_document(path, kept, some, show))
        else:
            _print(console, path, kept, some, show)
    if as_json:
        typer.echo(json.dumps({"files": shown}, indent=1))


def _show_store(where: Path, show: int, source: str | None, as_json: bool) -> None:
    """What a teach store holds; `source`: examples of it alone."""
    from readsim_hf.store.manifest import TOKENIZER
    from readsim_hf.store.reading import TeachStore
    from readsim_hf.teach import show_store

    store = TeachStore(where)
    manifest = store.manifest
    if source is not None and source not in manifest.sources:
        raise unknown("source", source, manifest.sources)
    chosen = manifest.sources if source is None else (source,)
    if as_json:
        table = {
            "store": str(where),
            "content": manifest.content,
            "complete": manifest.complete,
            "bytes_a_token": manifest.token_bytes,
            "rejected": manifest.rejected(),
            "sources": {name: manifest.totals(name) for name in chosen},
        }
        typer.echo(json.dumps(table, indent=1))
        return
    console = Terminal()
    show_store(console, manifest)
    if rejected := manifest.rejected():
        console.print(f"rejected: {_counted(rejected)}", highlight=False)
    if not show:
        return
    from readsim_hf.models.loading import load_stored_tokenizer

    tokenizer = load_stored_tokenizer(where / TOKENIZER)
    for name in chosen:
        for at in range(min(show, len(store.indices[name]))):
            prompt = store.prompt(name, at)
            console.print(f"\n{name}, {prompt.template}", highlight=False)
            console.print(f"  prompt:  {prompt.text!r}", highlight=False)
            for record in prompt.records:
                first, end = record.span
                said = tokenizer.decode(record.completion_ids[first:end].tolist())
                console.print(f"  trained: {said!r}", highlight=False)


def _salvage(path: Path, to: Path) -> None:
    from readsim_hf.teachers.salvage import salvage

    kept = salvage(path, to)
    said = f"{kept['records']} replies of models here, {kept['replies']} of servers are whole"
    Terminal().print(f"{said}; they are in {to}", highlight=False)


def _files(where: Path) -> list[Path]:
    """ConfigError where there is none."""
    if where.is_file():
        return [where]
    if not where.is_dir():
        raise ConfigError(f"{where}: there is no such file or folder of teacher replies")
    found = sorted(p for p in where.rglob("*") if p.suffix in SUFFIXES and p.is_file())
    if not found:
        raise ConfigError(f"{where}: no file of teacher replies ({', '.join(SUFFIXES)}) is in it")
    return found


def _read(path: Path) -> "Kept":
    from readsim_hf.teachers.heard import kept_in

    if not path.stat().st_size:  # opening it as a cache would make it one
        raise ConfigError(f"{path} is empty: no teacher's reply was kept in it")
    return kept_in(path)


def _chosen(heard: list["Heard"], capability: str | None, rejected: bool) -> list["Heard"]:
    """UnknownNameError for a capability that nothing was asked of."""
    known = sorted({h.capability for h in heard})
    if capability is not None and capability not in known:
        raise unknown("capability", capability, known)
    return [
        h
        for h in heard
        if (capability is None or h.capability == capability) and not (rejected and h.kept)
    ]


def _rows(some: list["Heard"]) -> list[dict[str, Any]]:
    """One a template, and one a data set, in the order of their names."""
    parts: dict[tuple[str, str], list[Heard]] = {}
    for h in some:
        row = h.template.startswith(f"{h.capability}#")  # of a data set: its number
        parts.setdefault((h.capability, "(rows)" if row else h.template), []).append(h)
    return [
        {"capability": capability, "template": template, **_sums(own)}
        for (capability, template), own in sorted(parts.items(), key=lambda part: part[0])
    ]


def _sums(own: list["Heard"]) -> dict[str, Any]:
    judged = [h.right for h in own if h.right is not None]
    return {
        "replies": len(own),
        "finish": dict(Counter(h.finish for h in own)),
        "rejected": dict(Counter(h.reason for h in own if h.reason is not None)),
        "right": sum(judged),
        "judged": len(judged),
        "prompt_tokens": sum(h.prompt_tokens for h in own),
        "reply_tokens": sum(h.reply_tokens for h in own),
    }


def _document(path: Path, kept: "Kept", some: list["Heard"], show: int) -> dict[str, Any]:
    return {
        "file": str(path),
        "teachers": sorted({h.teacher for h in some}),
        **_sums(some),
        "without_text": kept.without_text,
        "damaged": kept.damaged,
        "templates": _rows(some),
        "examples": [{**asdict(h), "kept": h.kept} for h in some[:show]],
    }


def _print(console: Console, path: Path, kept: "Kept", some: list["Heard"], show: int) -> None:
    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    names = ("capability", "template", "replies", "ended", "rejected", "right")
    counted = ("prompt tokens", "reply tokens")
    table = Table(*(Column(name, overflow="fold") for name in (*names, *counted)))
    whole = {"capability": "all", "template": "", **_sums(some)}
    for row in (*_rows(some), whole):
        table.add_row(
            row["capability"],
            row["template"],
            str(row["replies"]),
            _counted(row["finish"]),
            _counted(row["rejected"]) or "0",
            f"{row['right']} of {row['judged']}" if row["judged"] else "",
            *(str(row["prompt_tokens"]), str(row["reply_tokens"])),
        )
    say(f"{path}:")
    if some:
        console.print(table)
    else:
        say("there is no such reply")
    if kept.without_text:
        say(
            f"{kept.without_text} more replies are stored without their prompt: a judge's grades, or what an "
            "older readsim kept in token ids alone (a run that uses such a reply again writes its text)"
        )
    if kept.damaged:
        say(f"{kept.damaged} entries are damaged: a run asks for them again")
    for one in some[:show]:
        why = "trained on" if one.kept else f"rejected ({one.reason})"
        gold = "" if one.gold is None else f"; gold {one.gold!r}"
        say(f"\n{one.template}, {one.signal}: {why}, ended by {one.finish}{gold}")
        say(f"  prompt:  {one.prompt!r}")
        say(f"  reply:   {one.reply!r}")
        if one.kept:
            say(f"  trained: {one.supervised!r}")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items())
