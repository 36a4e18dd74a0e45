"""A teach store to and from the files of other tools: `readsim teach --export`, `--import`."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from transformers import PreTrainedTokenizerBase

from readsim.cli.common import need_target
from readsim.cli.output import Terminal
from readsim.errors import ConfigError
from readsim.files import read_settings
from readsim.files.json_text import digest_of
from readsim.files.names import check_name
from readsim.tree_file import write_atomic
from readsim_hf.config import resolve_config
from readsim_hf.models import catalogue
from readsim_hf.models.chat_template import PromptSettings, fixed_tokenizer
from readsim_hf.models.loading import generation_config_of, load_stored_tokenizer, load_tokenizer
from readsim_hf.models.meta import config_of
from readsim_hf.models.pairs import sources
from readsim_hf.models.tokens import vocabulary_size
from readsim_hf.store import axolotl, distillkit
from readsim_hf.store.manifest import FILE, TOKENIZER, Precision, StoreFacts
from readsim_hf.store.reading import TeachStore
from readsim_hf.store.shards import StoredPrompt
from readsim_hf.store.writing import (
    begun,
    completed,
    save_tokenizer,
    tokenizer_digests,
    write_shard,
)
from readsim_hf.teach import SHARD, show_store
from readsim_hf.teachers.encoding import end_ids
from readsim_hf.teachers.record import TeacherRecord
from readsim_hf.training.saved import file_digest

SOURCES = "readsim.json"  # which file is of which source: what the other tools have no place for
_LISTS = pa.list_(pa.list_(pa.uint8()))
_DISTILLKIT = pa.schema(
    [
        ("input_ids", pa.list_(pa.uint64())),
        ("compressed_logprobs", _LISTS),
        ("bytepacked_indices", _LISTS),
        ("labels", pa.list_(pa.int64())),
    ]
)
_AXOLOTL = pa.schema(
    [
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("logprobs", pa.list_(pa.list_(pa.float32()))),
        ("target_token_ids", pa.list_(pa.list_(pa.int32()))),
        ("source", pa.string()),
    ]
)


def export_store(store: Path, tool: str, folder: Path) -> None:
    """Write the store's records into `folder` as `tool` reads them. ConfigError for a store without top-k
    distributions."""
    read = TeachStore(store)
    facts = read.manifest.facts
    if facts.soft is None or facts.soft["kind"] != "topk":
        kind = None if facts.soft is None else facts.soft["kind"]
        raise ConfigError(f"{store} holds distributions of kind {kind!r}: {tool} reads 'topk'")
    need_target(folder / SOURCES)
    written, left = _EXPORTS[tool](read, folder)
    said = f"{written} records are in {folder}"
    if left:
        said += f"; {left} are left out: their chat template writes them in other ids"
    Terminal().print(said, highlight=False)


def _records(store: TeachStore, source: str) -> Iterator[tuple[StoredPrompt, TeacherRecord]]:
    for at in range(len(store.indices[source])):
        prompt = store.prompt(source, at)
        for record in prompt.records:
            if record.positions is not None:
                raise ConfigError(
                    f"{store.manifest.folder}: a conversation of {source!r} is trained on in several places "
                    "(earlier turns of the assistant too); neither tool's format says so: teach a store with "
                    "train_on = 'last'"
                )
            yield prompt, record


def _to_distillkit(store: TeachStore, folder: Path) -> tuple[int, int]:
    facts = store.manifest.facts
    assert facts.soft is not None
    files, written = {}, 0
    for number, source in enumerate(store.manifest.sources):
        name = f"data_{number}.parquet"
        rows = [distillkit.distillkit_row(r, facts.vocabulary) for _, r in _records(store, source)]
        _write_rows(folder / name, rows, _DISTILLKIT)
        files[name] = source
        written += len(rows)
    config = distillkit.exact_config(facts.vocabulary, int(facts.soft["k"]))
    write_atomic(folder / distillkit.CONFIG, yaml.safe_dump(config).encode())
    write_atomic(folder / SOURCES, json.dumps(files, indent=1).encode())
    return written, 0


def _to_axolotl(store: TeachStore, folder: Path) -> tuple[int, int]:
    facts = store.manifest.facts
    if facts.tasks > 1:
        raise ConfigError(
            f"{store.manifest.folder} has {facts.tasks} records of a reply ({facts.supervised}): Axolotl's "
            "conversations have one"
        )
    tokenizer = load_stored_tokenizer(store.manifest.folder / TOKENIZER)
    if tokenizer.chat_template is None:
        raise ConfigError(
            f"{store.manifest.folder} has prompts without a chat template: Axolotl reads conversations; "
            "--export distillkit=DIR has token ids"
        )
    files, written, left = {}, 0, 0
    for number, source in enumerate(store.manifest.sources):
        rows = []
        for prompt, record in _records(store, source):
            row = axolotl.axolotl_row(
                record, _messages(prompt, record, facts, tokenizer), tokenizer
            )
            left += row is None
            rows += [row] if row is not None else []
        name = f"data_{number}.parquet"
        _write_rows(folder / name, rows, _AXOLOTL)
        files[name] = source
        written += len(rows)
    write_atomic(folder / SOURCES, json.dumps(files, indent=1).encode())
    return written, left


def _write_rows(path: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink, compression="zstd")
    write_atomic(path, sink.getvalue().to_pybytes())


def _messages(
    prompt: StoredPrompt,
    record: TeacherRecord,
    facts: StoreFacts,
    tokenizer: PreTrainedTokenizerBase,
) -> list[axolotl.Message]:
    """The conversation of a record; a system prompt is in the tokenizer's template already."""
    ids = [i for i in record.completion_ids.tolist() if i not in facts.ends]
    said = str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))
    return [
        {"role": "user", "content": prompt.text + facts.suffix},
        {"role": "assistant", "content": said},
    ]


_EXPORTS: Mapping[str, Callable[[TeachStore, Path], tuple[int, int]]] = {
    "distillkit": _to_distillkit,
    "axolotl": _to_axolotl,
}


class _Foreign(NamedTuple):
    """Another tool's data: records by source, their k, and ids that they are over (None: not said)."""

    records: dict[str, list[TeacherRecord]]
    vocabulary: int | None


def import_store(
    file: Path | None,
    options: Mapping[str, Any],
    out: Path,
    tool: str,
    folder: Path,
    precision: Precision,
) -> None:
    """Make a store of another tool's data, in the tokens of the student that the settings name.

    ConfigError for what is not of the tool's format, or has ids that the student does not have.
    """
    config = resolve_config(file, options)
    need_target(out / FILE)
    pair, student = config.pair, config.pair.student
    if pair.teacher is not None or student is None:
        _, _, student = sources(pair.name, pair.teacher, student, pair.layers)
    given = pair.system_prompt, pair.chat_template, pair.chat_template_kwargs, pair.date
    prompts = PromptSettings(*given)
    tokenizer = fixed_tokenizer(load_tokenizer(student), prompts, student)
    data = sorted(folder.glob("*.parquet"))
    if not data:
        raise ConfigError(f"{folder} has no .parquet file of {tool}")
    found = _IMPORTS[tool](folder, data, tokenizer)
    if not found.records:
        raise ConfigError(f"{folder}: the .parquet files of {tool} in it have no rows")
    columns = vocabulary_size(config_of(student))
    size = min(columns, found.vocabulary or columns)
    widths = {r.soft.ids.shape[1] for some in found.records.values() for r in some if r.soft}
    highest = max(
        int(ids.max(initial=0))
        for some in found.records.values()
        for r in some
        for ids in (r.prompt_ids, r.completion_ids, *((r.soft.ids,) if r.soft else ()))
    )
    if len(widths) != 1 or highest >= columns:
        raise ConfigError(
            f"{folder}: {sorted(widths)} entries per token and ids up to {highest}; expected one number "
            f"of entries, and ids below {columns}, which the student {student!r} has"
        )
    digests = [file_digest(path) for path in data]
    facts = StoreFacts(
        teacher=f"{tool}:{digest_of(digests)}",
        prompts={**prompts.table(), "date": prompts.date},
        method="",
        signal="",
        objective="",
        supervised="logit",
        form="answer",
        suffix="",
        tasks=1,
        decoding={},
        soft={"kind": "topk", "k": widths.pop()},
        precision=precision,
        vocabulary=max(size, highest + 1),
        ends=end_ids(generation_config_of(student), tokenizer),
        keep="all",
        keep_cut=True,
        library=catalogue.prompts_for(student),
        tokenizer=tokenizer_digests(tokenizer),
        sampled={"files": digests},
    )
    named = {"teacher": f"{tool}:{folder.name}", "student": student}
    manifest = begun(out, facts, {**named, "named": named})
    if not manifest.complete:
        save_tokenizer(tokenizer, out)
        for number, (source, records) in enumerate(found.records.items()):
            there = sum(shard.source == source for shard in manifest.shards)
            for n in range(there, -(-len(records) // SHARD)):
                some = [
                    _imported(source, record, tokenizer)
                    for record in records[n * SHARD : (n + 1) * SHARD]
                ]
                manifest = write_shard(manifest, f"{number:03d}-{n:05d}.parquet", source, some, {})
    show_store(Terminal(), completed(manifest))


def _imported(
    source: str, record: TeacherRecord, tokenizer: PreTrainedTokenizerBase
) -> StoredPrompt:
    text = str(tokenizer.decode(record.prompt_ids.tolist(), skip_special_tokens=True))
    asked = len(record.prompt_ids), len(record.completion_ids)
    return StoredPrompt(source, f"{source}/imported", text, records=(record,), asked=asked)


def _from_distillkit(
    folder: Path, data: list[Path], tokenizer: PreTrainedTokenizerBase
) -> _Foreign:
    path = folder / distillkit.CONFIG
    if not path.is_file():
        raise ConfigError(f"{folder} has no {distillkit.CONFIG}: DistillKit's sampler writes one")
    config = distillkit.checked(read_settings(path), path)
    read = partial(distillkit.read_distillkit_row, config=config)
    return _Foreign(_read(folder, data, read, _DISTILLKIT), int(config["d"]))


def _from_axolotl(folder: Path, data: list[Path], tokenizer: PreTrainedTokenizerBase) -> _Foreign:
    if tokenizer.chat_template is None:
        raise ConfigError(f"{folder} holds conversations, and the student has no chat template")
    return _Foreign(
        _read(folder, data, partial(axolotl.read_axolotl_row, tokenizer=tokenizer), _AXOLOTL), None
    )


_IMPORTS: Mapping[str, Callable[[Path, list[Path], PreTrainedTokenizerBase], _Foreign]] = {
    "distillkit": _from_distillkit,
    "axolotl": _from_axolotl,
}


def _read(
    folder: Path, data: list[Path], read: Callable[..., TeacherRecord], schema: pa.Schema
) -> dict[str, list[TeacherRecord]]:
    """The records of all files by source. ConfigError, with file and row, for what is none."""
    named = _named(folder)
    records: dict[str, list[TeacherRecord]] = {}
    for path in data:
        source = named.get(path.name, folder.name)
        for n, row in enumerate(_rows(path, schema)):
            try:
                record = read(row, source=row.get("source") or source)
            except ConfigError as error:
                raise ConfigError(f"{path}, row {n}: {error}") from error
            check_name(record.source, f"source of {path}, row {n}")
            records.setdefault(record.source, []).append(record)
    return records


def _rows(path: Path, schema: pa.Schema) -> Iterator[dict[str, Any]]:
    """ConfigError for a file that is no parquet, or lacks a column."""
    try:
        with pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            if missing := [n for n in schema.names if n not in (*there, "labels", "source")]:
                raise ConfigError(f"{path} has no column {missing[0]!r}: it has {', '.join(there)}")
            columns = [name for name in schema.names if name in there]
            for batch in file.iter_batches(SHARD, columns=columns):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _named(folder: Path) -> dict[str, str]:
    """Sources by file, where this library wrote the folder."""
    path = folder / SOURCES
    found = read_settings(path) if path.is_file() else {}
    return {name: source for name, source in found.items() if isinstance(source, str)}
