"""Section: where the numbers come from, as the headers of the run logs say it."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from readsim.errors import ReadsimError
from readsim.report.reading import Group
from readsim.report.render import Code, Facts, Item, Notes, Section
from readsim.runs.cell import world_digest
from readsim.runs.rows import RunHeader
from readsim.token_counts import parse_tokens, show_tokens
from readsim.worlds import World, load_world

LISTED = 12  # names of a list that are shown


def commands_of(group: Group, folder: Path) -> tuple[list[str], list[str]]:
    """Lines for a shell in the folder of the report that make its runs again, and what they do not cover."""
    headers = list(group.headers.values())
    if group.is_real:
        return _distill(group, folder)
    if "backend" in headers[0].extra:
        return [backend_command(header) for header in headers], []
    first, remarks = headers[0], []
    world = world_option(first, folder)
    if world is None:
        world = first.world
        remarks.append(
            f"The world {world} is neither a preset with this digest nor a file beside the runs."
        )
    if (text := seeds_text(first.seeds)) is None:
        text = ",".join(map(str, first.seeds))
        remarks.append(
            f"A single seed other than 0 has no form on the command line: {text} means 0 to {text}."
        )
    if any(header.settings.keys() - {"alias_of"} for header in headers):
        remarks.append(
            "Some allocators had settings that were passed by a program, which are not in the command."
        )
    told = sorted({header.told for header in headers if header.told is not None})
    parts = ["readsim", "compare", "--world", world]
    parts += ["--tasks", ",".join(unique(header.task for header in headers))]
    parts += ["--budgets", ",".join(budget_text(b) for b in sorted({h.budget for h in headers}))]
    parts += ["--steps", str(first.steps), "--seeds", text]
    parts += ["--allocators", ",".join(unique(header.allocator for header in headers))]
    parts += alias_options(headers)
    parts += ["--requirement", told[0]] if told else []
    if first.paid is not None:
        parts += ["--equal", "total" if first.paid["tasks"] == 1 else "shared"]
    return [shlex.join([*parts, "--out", "again"])], remarks


def world_option(header: RunHeader, folder: Path) -> str | None:
    """What `--world` takes for this world: a preset's name or the file beside the runs."""
    names = [header.world]
    if (folder / "world.toml").is_file():
        names.append(str(folder / "world.toml"))
    for name in names:
        try:
            found = load_world(name)
        except ReadsimError:
            continue
        if world_digest(found) == header.world_digest:
            return name if name == header.world else "world.toml"
    return None


def alias_options(headers: Iterable[RunHeader]) -> list[str]:
    """What gives allocators the names that these runs have."""
    known = {h.allocator: h.settings["alias_of"] for h in headers if "alias_of" in h.settings}
    return [part for name, spec in known.items() for part in ("--alias", f"{name}={spec}")]


def seeds_text(seeds: Sequence[int]) -> str | None:
    """`8` for 0 to 7, `3,5`; None for a single seed other than 0."""
    if list(seeds) == list(range(len(seeds))):
        return str(len(seeds))
    return ",".join(map(str, seeds)) if len(seeds) > 1 else None


def budget_text(budget: int) -> str:
    """`20M`, or all digits where that would round."""
    return show_tokens(budget) if parse_tokens(show_tokens(budget)) == budget else str(budget)


def backend_command(header: RunHeader) -> str:
    """The line of one run of anybody's backend."""
    weights = zip(header.capabilities, header.weights or (), strict=True)
    shares = ",".join(f"{name}={weight!r}" for name, weight in weights if weight)
    task = shares if "=" in header.task else header.task
    parts = ["readsim", "run", "--backend", header.extra["backend"]["factory"], "--task", task]
    parts += ["--budget", budget_text(header.budget), "--steps", str(header.steps)]
    parts += ["--seeds", f"{header.seeds[0]},", "--allocator", header.allocator]
    parts += ["--requirement", header.told] if header.told is not None else []
    return shlex.join([*parts, "--out", "again"])


def _distill(group: Group, folder: Path) -> tuple[list[str], list[str]]:
    """A line per run: its settings file lies beside its log."""
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
    lines, remarks = commands_of(group, folder)
    items: list[Item] = [Facts(facts_of(headers))]
    if len(set(group.meaning.values()) - {""}) > 0:
        items.append(Facts([(name, f"trained with {how}") for name, how in group.meaning.items()]))
    if (world := world_beside(folder, headers[0])) is not None:
        said = {"about": world.description, **world.provenance}
        items.append(Facts([(f"world: {key}", str(text)) for key, text in said.items() if text]))
    elif "backend" in headers[0].extra:
        about = headers[0].extra["backend"].get("manifest", {})
        items.append(Facts([(f"backend: {key}", str(value)) for key, value in about.items()]))
    elif not group.is_real:
        remarks = [
            *remarks,
            f"No world.toml in the folder: of {headers[0].world} only the digest is known.",
        ]
    return Section(
        "Provenance and how to repeat it", (), [*items, Code("\n".join(lines)), Notes(remarks)]
    )


def world_beside(folder: Path, header: RunHeader) -> World | None:
    """The world that was saved beside the runs, unless it is another than theirs."""
    file = folder / "world.toml"
    if not file.is_file():
        return None
    found = load_world(str(file))
    return found if world_digest(found) == header.world_digest else None


def facts_of(headers: Sequence[RunHeader]) -> list[tuple[str, str]]:
    """What the headers of one comparison share, and where they differ all values."""
    first = headers[0]
    made = sorted(header.created for header in headers if header.created)
    real = [header.manifest for header in headers if header.manifest is not None]
    out = [
        ("world", first.world),
        ("digest of the world", listed(unique(header.world_digest for header in headers))),
        ("sources", listed(first.sources)),
        ("capabilities", listed(first.capabilities)),
        ("tasks", listed(unique(header.task for header in headers))),
        ("budgets", listed([show_tokens(b) for b in sorted({h.budget for h in headers})])),
        ("decision steps", str(first.steps)),
        ("seeds", listed([str(s) for s in sorted({s for h in headers for s in h.seeds})], 40)),
    ]
    for key, title in (("pair", "pair"), ("teacher", "teacher"), ("student", "student")):
        if real:
            out.append((title, listed(unique(str(manifest.get(key)) for manifest in real))))
    for name, value in versions_of(headers).items():
        out.append((f"version of {name}", value))
    out.append(("git revision", listed(unique(h.git or "not recorded" for h in headers))))
    out.append(("created", " to ".join(unique([*made[:1], *made[-1:]])) or "not recorded"))
    out.append(("runs", runs_text(headers)))
    return out


def runs_text(headers: Sequence[RunHeader]) -> str:
    """`16, in 4 log files`: a log has a run a seed."""
    files = f"{len(headers)} log file" + "s" * (len(headers) != 1)
    return f"{sum(len(header.seeds) for header in headers)}, in {files}"


def versions_of(headers: Iterable[RunHeader]) -> dict[str, str]:
    """Each library's version; several if the logs differ."""
    seen: dict[str, list[str]] = {}
    for header in headers:
        inner = (header.manifest or {}).get("versions", {})
        for name, version in {**header.versions, **inner}.items():
            seen.setdefault(str(name), []).append(str(version))
    return {name: listed(unique(values)) for name, values in sorted(seen.items())}


def unique(values: Iterable[str]) -> list[str]:
    """Each value once, in order."""
    return list(dict.fromkeys(values))


def listed(names: Sequence[str], most: int = LISTED) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
