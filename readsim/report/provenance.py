"""Section: where the numbers come from, as the headers of the run logs say it."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from readsim.errors import ReadsimError
from readsim.report.reading import Group
from readsim.report.render import Code, Facts, Item, Notes, Section
from readsim.runs.cell import world_digest
from readsim.runs.read_logs import SHARED
from readsim.token_counts import parse_tokens, show_tokens
from readsim.worlds import load_world

LISTED = 12  # names of a list that are shown


def commands_of(group: Group, folder: Path) -> tuple[list[str], list[str]]:
    """Lines for a shell in the folder of the report that make its runs again, and what they do not cover."""
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


def provenance_section(group: Group, folder: Path) -> Section:
    """Facts and the command; for a simulated world also what its file says of its numbers."""
    headers = list(group.headers.values())
    config = headers[0]["config"]
    lines, remarks = commands_of(group, folder)
    items: list[Item] = [Facts(facts_of(headers))]
    if len(set(group.meaning.values()) - {""}) > 0:
        items.append(Facts([(name, f"trained with {how}") for name, how in group.meaning.items()]))
    file = folder / "world.toml"
    if file.is_file():
        world = load_world(str(file))
        said = {"about": world.description, **world.provenance}
        items.append(Facts([(f"world: {key}", str(text)) for key, text in said.items() if text]))
    elif not group.is_real:
        remarks = [
            *remarks,
            f"No world.toml in the folder: of {config['world']} only the digest is known.",
        ]
    return Section(
        "Provenance and how to repeat it", (), [*items, Code("\n".join(lines)), Notes(remarks)]
    )


def facts_of(headers: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What the headers of one comparison share, and where they differ all values."""
    configs = [header["config"] for header in headers]
    first = configs[0]
    shared = {key: first[key] for key in SHARED}
    made = sorted(str(header["created"]) for header in headers if header.get("created"))
    real = [config["manifest"] for config in configs if "manifest" in config]
    out = [
        ("world", str(shared["world"])),
        ("digest of the world", listed(unique(str(config["world_digest"]) for config in configs))),
        ("sources", listed(shared["sources"])),
        ("capabilities", listed(shared["capabilities"])),
        ("tasks", listed(unique(config["task"] for config in configs))),
        ("budgets", listed([show_tokens(b) for b in sorted({c["budget"] for c in configs})])),
        ("decision steps", str(shared["steps"])),
        ("seeds", listed([str(s) for s in sorted({s for c in configs for s in c["seeds"]})], 40)),
    ]
    for key, title in (("pair", "pair"), ("teacher", "teacher"), ("student", "student")):
        if real:
            out.append((title, listed(unique(str(manifest.get(key)) for manifest in real))))
    for name, value in versions_of(headers).items():
        out.append((f"version of {name}", value))
    out.append(
        ("git revision", listed(unique(str(h.get("git") or "not recorded") for h in headers)))
    )
    out.append(("created", " to ".join(unique([*made[:1], *made[-1:]])) or "not recorded"))
    out.append(("run logs", str(len(headers))))
    return out


def versions_of(headers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Each library's version; several if the logs differ."""
    seen: dict[str, list[str]] = {}
    for header in headers:
        inner = header["config"].get("manifest", {}).get("versions", {})
        for name, version in {**header.get("versions", {}), **inner}.items():
            seen.setdefault(str(name), []).append(str(version))
    return {name: listed(unique(values)) for name, values in sorted(seen.items())}


def unique(values: Iterable[str]) -> list[str]:
    """Each value once, in order."""
    return list(dict.fromkeys(values))


def listed(names: Sequence[str], most: int = LISTED) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
