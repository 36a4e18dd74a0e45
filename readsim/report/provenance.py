"""Section: where the numbers come from, as the headers of the run logs say it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from readsim.amounts import show_tokens
from readsim.report.parts import Code, Facts, Item, Notes, Section
from readsim.report.reading import Group
from readsim.report.reproduce import commands_of
from readsim.summary.runs import SHARED
from readsim.worlds import load_world

LISTED = 12  # names of a list that are shown


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
