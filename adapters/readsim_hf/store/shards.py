"""Training records as rows of a parquet file, and back.

One row is one training record; a reply that is cut into several records has several rows, one after the
other, of which the first has `part` 0; a prompt whose replies were all rejected has one row without ids.

    template, prompt, about   of the `Prompt`; `about` is JSON of what else it says, "" for nothing
    bucket                    0 easy, 1 medium, 2 hard
    part                      which record of its reply
    teacher_prompt, teacher_generated   tokens that asking took, all attempts; at part 0
    prompt_ids, completion_ids, first, end, weight, positions, row   the `TeacherRecord`; [first, end) is
                              supervised, of it `positions` alone where these are given
    soft_ids, soft_logp, soft_scale   the distributions at the n supervised tokens, little-endian, by rows:
        exact  ids uint16 where all are below 65536, else int32 (n k); log-probabilities float32 (n k),
               all V of them and no ids where the kind is "full"; no scale
        small  see `Quantised`: ids n x id_bytes(V, k), codes n x k, scale float32 n x 2

Rows lie in groups of `GROUP`, so that one can be read without the whole file; compressed with zstd.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from readsim_hf.prompts.prompt import Prompt
from readsim_hf.store.manifest import StoreFacts
from readsim_hf.store.quantised import Quantised, id_bytes, quantise, restored
from readsim_hf.teachers.record import Soft, TeacherRecord

GROUP = 64
LEVEL = 9  # of zstd: prompts take 10 % less than with 3, distributions take no more time to read

_IDS = pa.list_(pa.int32())
SCHEMA = pa.schema(
    [
        ("template", pa.string()),
        ("prompt", pa.string()),
        ("about", pa.string()),
        ("bucket", pa.int8()),
        ("part", pa.int16()),
        ("teacher_prompt", pa.int32()),
        ("teacher_generated", pa.int32()),
        ("prompt_ids", _IDS),
        ("completion_ids", _IDS),
        ("first", pa.int32()),
        ("end", pa.int32()),
        ("weight", pa.float32()),
        ("positions", _IDS),
        ("row", pa.int32()),
        ("soft_ids", pa.binary()),
        ("soft_logp", pa.binary()),
        ("soft_scale", pa.binary()),
    ]
)
_SHOWN = ("capability", "template", "text")  # what has columns of its own


@dataclass(frozen=True)
class StoredPrompt(Prompt):
    """A prompt with what its teacher said.

    records   none where every reply was rejected
    asked     tokens of prompt and reply that asking took
    """

    records: tuple[TeacherRecord, ...] = ()
    asked: tuple[int, int] = (0, 0)
    bucket: int = 0


def to_parquet(prompts: Sequence[StoredPrompt], facts: StoreFacts) -> bytes:
    """The file of these prompts: the same bytes for the same prompts and version of pyarrow."""
    rows = [row for prompt in prompts for row in _rows(prompt, facts)]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    buffer = io.BytesIO()
    pq.write_table(
        table,
        buffer,
        row_group_size=GROUP,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=["template"],
        write_statistics=False,
    )
    return buffer.getvalue()


def from_rows(source: str, rows: Sequence[Mapping[str, Any]], facts: StoreFacts) -> StoredPrompt:
    """The prompt that these rows, of one reply, are."""
    head = rows[0]
    about = json.loads(head["about"]) if head["about"] else {}
    return StoredPrompt(
        capability=source,
        template=head["template"],
        text=head["prompt"],
        **about,
        records=tuple(
            _record(source, row, facts) for row in rows if row["completion_ids"] is not None
        ),
        asked=(head["teacher_prompt"], head["teacher_generated"]),
        bucket=head["bucket"],
    )


def _rows(prompt: StoredPrompt, facts: StoreFacts) -> list[dict[str, Any]]:
    shared = {
        "template": prompt.template,
        "prompt": prompt.text,
        "about": _about(prompt),
        "bucket": prompt.bucket,
        "teacher_prompt": 0,
        "teacher_generated": 0,
    }
    made = [
        {
            **shared,
            "part": part,
            "prompt_ids": record.prompt_ids,
            "completion_ids": record.completion_ids,
            "first": record.span[0],
            "end": record.span[1],
            "weight": record.weight,
            "positions": record.positions,
            "row": record.row,
            **_soft_columns(record.soft, facts),
        }
        for part, record in enumerate(prompt.records)
    ] or [{**shared, "part": 0}]
    made[0]["teacher_prompt"], made[0]["teacher_generated"] = prompt.asked
    return made


def _about(prompt: Prompt) -> str:
    """What a prompt says beyond its columns, without what is as by default."""
    plain = Prompt("", "", "")
    found = {
        f.name: value
        for f in fields(Prompt)
        if f.name not in _SHOWN and (value := getattr(prompt, f.name)) != getattr(plain, f.name)
    }
    return json.dumps(found, sort_keys=True, default=dict) if found else ""


def _soft_columns(soft: Soft | None, facts: StoreFacts) -> dict[str, bytes]:
    if soft is None:
        return {}
    if facts.precision == "small":
        made = quantise(soft, facts.vocabulary)
        scale = made.scale.astype("<f4").tobytes()
        return {
            "soft_ids": made.ids.tobytes(),
            "soft_logp": made.codes.tobytes(),
            "soft_scale": scale,
        }
    narrow = facts.vocabulary <= 2**16
    ids = soft.ids.astype("<u2" if narrow else "<i4")
    return {"soft_ids": ids.tobytes(), "soft_logp": soft.logp.astype("<f4").tobytes()}


def _record(source: str, row: Mapping[str, Any], facts: StoreFacts) -> TeacherRecord:
    span, positions = (row["first"], row["end"]), row["positions"]
    n = span[1] - span[0] if positions is None else len(positions)
    return TeacherRecord(
        source=source,
        prompt_ids=np.array(row["prompt_ids"], np.int32),
        completion_ids=np.array(row["completion_ids"], np.int32),
        span=span,
        soft=None if row["soft_logp"] is None else _soft(row, n, facts),
        weight=row["weight"],
        positions=None if positions is None else np.array(positions, np.int32),
        row=row["row"],
    )


def _soft(row: Mapping[str, Any], n: int, facts: StoreFacts) -> Soft:
    assert facts.soft is not None
    kind, vocabulary = facts.soft["kind"], facts.vocabulary
    k = 0 if kind == "full" else int(facts.soft["k"])
    if facts.precision == "small":
        packed = Quantised(
            _array(row["soft_ids"], "u1", (n, id_bytes(vocabulary, k))),
            _array(row["soft_logp"], "u1", (n, k)),
            _array(row["soft_scale"], "<f4", (n, 2)),
        )
        return restored(packed, vocabulary)
    ids = _array(row["soft_ids"], "<u2" if vocabulary <= 2**16 else "<i4", (n, k))
    logp = _array(row["soft_logp"], "<f4", (n, k or vocabulary))
    return Soft(kind, ids.astype(np.int32), logp.astype(np.float32))


def _array(data: bytes, dtype: str, shape: tuple[int, int]) -> NDArray[Any]:
    return np.frombuffer(data, dtype).reshape(shape)


def cut_to(soft: Soft, k: int) -> Soft:
    """The k likeliest entries of a top-k record, whose tail then holds the others; the first k draws."""
    return soft._replace(ids=soft.ids[:, :k], logp=soft.logp[:, :k])
