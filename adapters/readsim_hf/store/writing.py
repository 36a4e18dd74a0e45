"""How a teach store is written: shards whole or not at all, the manifest behind them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers import PreTrainedTokenizerBase

from readsim.errors import ConfigError
from readsim.tree_file import write_atomic
from readsim_hf.store.manifest import (
    FILE,
    TOKENIZER,
    Manifest,
    Shard,
    StoreFacts,
    fact_differences,
    load_manifest,
)
from readsim_hf.store.shards import StoredPrompt, to_parquet


def begun(out: Path, facts: StoreFacts, models: Mapping[str, Any]) -> Manifest:
    """The manifest of what is there, or of an empty store. ConfigError where it was begun otherwise."""
    if not (out / FILE).exists():
        if (
            out.is_dir()
            and (other := next(out.glob("*.parquet"), None)) is not None
            and not (out / TOKENIZER).is_dir()
        ):
            raise ConfigError(
                f"{out} holds {other.name}, which is no teach store's: name another folder"
            )
        return Manifest(out, facts, models)
    found = load_manifest(out)
    if other_facts := fact_differences(found.facts, facts):
        raise ConfigError(
            f"{out} was begun with {other_facts[0]}: give the same settings, or another folder"
        )
    return found


def write_shard(
    manifest: Manifest,
    name: str,
    source: str,
    prompts: Sequence[StoredPrompt],
    rejected: Mapping[str, int],
) -> Manifest:
    """The shard, then the manifest that names it: a kill between them leaves the store as it was."""
    data = to_parquet(prompts, manifest.facts)
    write_atomic(manifest.folder / name, data)
    shard = Shard(
        file=name,
        source=source,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        rows=sum(max(1, len(p.records)) for p in prompts),
        prompts=len(prompts),
        replies=sum(bool(p.records) for p in prompts),
        tokens=sum(r.supervised for p in prompts for r in p.records),
        teacher_prompt=sum(p.asked[0] for p in prompts),
        teacher_generated=sum(p.asked[1] for p in prompts),
        rejected=dict(rejected),
    )
    made = replace(manifest.added(shard), complete=False)
    made.save()
    return made


def completed(manifest: Manifest) -> Manifest:
    """The same, with all that was asked for."""
    if manifest.complete:
        return manifest
    made = replace(manifest, complete=True)
    made.save()
    return made


def tokenizer_digests(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """SHA-256 of each file that the tokenizer is saved as."""
    return {n: hashlib.sha256(d).hexdigest() for n, d in _files(tokenizer).items()}


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    """Into the store's folder, each file whole or not at all."""
    for name, data in _files(tokenizer).items():
        write_atomic(out / TOKENIZER / name, data)


def _files(tokenizer: PreTrainedTokenizerBase) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        paths = sorted(p for p in Path(folder).rglob("*") if p.is_file())
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths}
