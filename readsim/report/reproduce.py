"""The command that makes the runs of a folder again, from their headers."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from readsim.amounts import parse_tokens, show_tokens
from readsim.errors import ReadsimError
from readsim.experiment import world_digest
from readsim.report.reading import Group
from readsim.worlds import load_world


def commands_of(group: Group, folder: Path) -> tuple[list[str], list[str]]:
    """Lines for a shell in the folder of the report, and what they do not cover."""
    configs = [header["config"] for header in group.headers.values()]
    if group.is_real:
        return _distill(group, folder)
    first, remarks = configs[0], []
    world = _world(first, folder)
    if world is None:
        world = str(first["world"])
        remarks.append(
            f"The world {world} is neither a preset with this digest nor a file beside the runs."
        )
    seeds = [int(seed) for seed in first["seeds"]]
    if (text := seeds_text(seeds)) is None:
        text = ",".join(map(str, seeds))
        remarks.append(
            f"A single seed other than 0 has no form on the command line: {text} means 0 to {text}."
        )
    if any(config["settings"] for config in configs):
        remarks.append(
            "Some allocators had settings that were passed by a program, which are not in the command."
        )
    told = sorted({str(config["told"]) for config in configs if "told" in config})
    parts = ["readsim", "compare", "--world", world]
    parts += ["--tasks", ",".join(dict.fromkeys(str(config["task"]) for config in configs))]
    parts += ["--budgets", ",".join(budget_text(b) for b in sorted({c["budget"] for c in configs}))]
    parts += ["--steps", str(first["steps"]), "--seeds", text]
    parts += ["--allocators", ",".join(dict.fromkeys(str(c["allocator"]) for c in configs))]
    parts += ["--requirement", told[0]] if told else []
    return [shlex.join([*parts, "--out", "again"])], remarks


def _world(config: Mapping[str, Any], folder: Path) -> str | None:
    """What `--world` takes for this world: a preset's name or the file beside the runs."""
    names = [str(config["world"])]
    if (folder / "world.toml").is_file():
        names.append(str(folder / "world.toml"))
    for name in names:
        try:
            found = load_world(name)
        except ReadsimError:
            continue
        if world_digest(found) == config["world_digest"]:
            return name if name == config["world"] else "world.toml"
    return None


def seeds_text(seeds: Sequence[int]) -> str | None:
    """`8` for 0 to 7, `3,5`; None for a single seed other than 0."""
    if list(seeds) == list(range(len(seeds))):
        return str(len(seeds))
    return ",".join(map(str, seeds)) if len(seeds) > 1 else None


def budget_text(budget: int) -> str:
    """`20M`, or all digits where that would round."""
    return show_tokens(budget) if parse_tokens(show_tokens(budget)) == budget else str(budget)


def _distill(group: Group, folder: Path) -> tuple[list[str], list[str]]:
    """A line a run: its settings file lies beside its log."""
    lines, without = [], []
    for path in group.headers:
        settings = path.with_suffix(".toml")
        if settings.is_file():
            where = settings.relative_to(folder).as_posix()
            lines.append(shlex.join(["readsim", "distill", "--config", where, "--out", "again"]))
        else:
            without.append(path.name)
    remarks = []
    if without:
        remarks.append(
            f"{len(without)} runs have no settings file (.toml) beside their log, such as {without[0]}: "
            "their command is not known."
        )
    return lines or ["# no settings files beside the run logs"], remarks
