"""What a teach store says of itself: `store.json`, plain data that is read without any library."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from readsim.errors import ConfigError, RunLogError, SchemaError
from readsim.files import AnyPath
from readsim.tree_file import write_atomic

FILE = "store.json"
FORMAT = "readsim teach store"
VERSION = 1
TOKENIZER = "tokenizer"  # folder of the tokenizer that the ids are in
Precision = Literal["exact", "small"]


@dataclass(frozen=True)
class Shard:
    """One parquet file, of one source.

    rows      training records, and prompts without a reply
    prompts   prompts asked; `replies` of them got one that may be trained on
    tokens    supervised tokens
    teacher_prompt, teacher_generated   tokens that asking takes, rejected replies included; less was paid
              where two prompts are equal
    rejected  replies by the reason why they are not trained on
    """

    file: str
    source: str
    sha256: str
    bytes: int
    rows: int
    prompts: int
    replies: int
    tokens: int
    teacher_prompt: int
    teacher_generated: int
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StoreFacts:
    """What all records of a store have in common, and what a run that reads it has to agree with.

    teacher     fingerprint of model and tokenizer, `server:NAME`, or where the records were imported from
    prompts     what stood around each prompt: `system_prompt`, `chat_template_kwargs`, `date`; it is in the
                tokenizer's chat template too
    method, signal, objective   as in `RunConfig`; what the records were made for
    supervised  the teacher's signal by name; `form` and `suffix`, how it asks; `tasks`, records of a reply
    decoding    `max_new_tokens` and `temperature`; {} where it is not known
    soft        `kind` and `k` of the distributions; None without
    precision   "exact" (float32) or "small" (`store.quantised`)
    vocabulary  ids that records and distributions are over
    ends        ids that end a reply
    keep, keep_cut   which replies were kept (`data.keep`, `data.keep_cut`)
    library     prompts' library: "nano" or "text"
    tokenizer   SHA-256 of each file in the folder `tokenizer`
    sampled     seed of the prompts, `capabilities` of the library, hash of what prompts were drawn from
    """

    teacher: str
    prompts: Mapping[str, Any]
    method: str
    signal: str
    objective: str
    supervised: str
    form: str
    suffix: str
    tasks: int
    decoding: Mapping[str, Any]
    soft: Mapping[str, Any] | None
    precision: Precision
    vocabulary: int
    ends: tuple[int, ...]
    keep: str
    keep_cut: bool
    library: str
    tokenizer: Mapping[str, str]
    sampled: Mapping[str, Any]


@dataclass(frozen=True)
class Manifest:
    """StoreFacts and shards of the store at `folder`.

    models     names and sources of teacher and student, in words: where they lay is not content
    complete   nothing that was asked for is missing
    """

    folder: Path
    facts: StoreFacts
    models: Mapping[str, Any] = field(default_factory=dict)
    shards: tuple[Shard, ...] = ()
    complete: bool = False

    @property
    def taught(self) -> tuple[str, ...] | None:
        """Capabilities of our library that its prompts are of; None where that is not known (imported)."""
        names = self.facts.sampled.get("capabilities")
        return None if names is None else tuple(names)

    @property
    def content(self) -> str:
        """SHA-256 (hex) of facts and shards: the store's identity, wherever it lies."""
        shards = [[s.source, s.sha256] for s in self.shards]
        text = json.dumps([FORMAT, VERSION, asdict(self.facts), shards], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def sources(self) -> tuple[str, ...]:
        """In the order in which they were asked."""
        return tuple(dict.fromkeys(shard.source for shard in self.shards))

    def totals(self, source: str | None = None) -> dict[str, int]:
        """Sums over the shards of one source, or of all."""
        some = [s for s in self.shards if source in (None, s.source)]
        names = ("rows", "prompts", "replies", "tokens", "teacher_prompt", "teacher_generated")
        return {n: sum(getattr(s, n) for s in some) for n in (*names, "bytes")}

    @property
    def token_bytes(self) -> float:
        """Bytes of the shards for each supervised token: prompts, replies and distributions."""
        sums = self.totals()
        return sums["bytes"] / max(sums["tokens"], 1)

    def rejected(self) -> dict[str, int]:
        """Replies that are not trained on, by reason."""
        out: dict[str, int] = {}
        for shard in self.shards:
            for reason, n in shard.rejected.items():
                out[reason] = out.get(reason, 0) + n
        return out

    def added(self, shard: Shard) -> "Manifest":
        """With one more shard."""
        return replace(self, shards=(*self.shards, shard))

    def save(self) -> None:
        """Write it, whole or not at all. The shards that it names have to be there."""
        table = {
            "format": FORMAT,
            "version": VERSION,
            "content": self.content,
            "complete": self.complete,
            "facts": asdict(self.facts),
            "models": dict(self.models),
            "sources": {source: self.totals(source) for source in self.sources},
            "bytes_a_token": round(self.token_bytes, 2),
            "shards": [asdict(shard) for shard in self.shards],
        }
        write_atomic(self.folder / FILE, (json.dumps(table, indent=1) + "\n").encode())


def load_manifest(folder: AnyPath) -> Manifest:
    """Of the store at `folder`.

    ConfigError where there is none, SchemaError where a newer readsim wrote it, RunLogError where it is
    damaged or was changed by hand.
    """
    folder = Path(folder)
    path = folder / FILE
    try:
        table = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigError(
            f"{folder} is no teach store: it has no {FILE}; `readsim teach --out FOLDER` makes one"
        ) from error
    except OSError as error:
        raise RunLogError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RunLogError(f"{path} is damaged: {error}") from error
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise ConfigError(f"{path} is no manifest of a teach store")
    if table.get("version") != VERSION:
        raise SchemaError(
            f"{path} has version {table.get('version')}: this readsim reads {VERSION}"
        )
    try:
        facts = {**table["facts"], "ends": tuple(table["facts"]["ends"])}
        shards = tuple(Shard(**shard) for shard in table["shards"])
        models, complete = dict(table["models"]), bool(table["complete"])
        made = Manifest(folder, StoreFacts(**facts), models, shards, complete)
        whole = made.content == table["content"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunLogError(f"{path} is damaged: {error}") from error
    if not whole:
        raise RunLogError(f"{path} is damaged: its content does not match its hash")
    return made


def fact_differences(ours: StoreFacts, theirs: StoreFacts) -> list[str]:
    """In words, in which fields they differ."""
    mine, other = _flat(asdict(ours)), _flat(asdict(theirs))
    names = dict.fromkeys((*mine, *other))
    return [
        f"{name} = {mine.get(name)!r}, not {other.get(name)!r}"
        for name in names
        if mine.get(name) != other.get(name)
    ]


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """`{"soft": {"k": 64}}` -> `{"soft.k": 64}`."""
    out: dict[str, Any] = {}
    for name, value in table.items():
        parts = value.items() if isinstance(value, Mapping) else ()
        out |= {f"{name}.{part}": one for part, one in parts} or {name: value}
    return out
