"""Distributions as DistillKit keeps them: a folder of parquet files and `compression_config.yaml`.

Format: arcee-ai/DistillKit, `distillkit/compression/` (`compressor.py`, `bitpack.py`,
`monotonic_logprobs.py`) at commit a61c2e7d25c2e990d45832e12bd8542bdee9c810, its `config.py` at
897bd134682892a04a8b12d87a5a966f81c720d6; the columns, `compressed_logit_schema` of
`distillkit/sample_common.py` at 40198e1159965d16a40ed9077cfcb6d03cc58f31; how they are trained on,
`distillkit/trainer.py` at b8ed189b23bd23fa8f846dd72be6aa7ca075c7ff. Nothing of it is copied. In short:

    input_ids             T ids
    compressed_logprobs   T rows of bytes: the first `exact_k` log-probabilities, falling, in `exact_dtype`;
                          coefficients of `polynomial_terms` of the others over their place (0, 1, ...; 0 to
                          1 with `normalize_t`); for each of `residual_bins` a scale and `num_elements`
                          numbers of `element_bits` bits, which are added less 2^(bits - 1), times the scale.
                          With `delta_encoding` all of these are differences to the entry before
    bytepacked_indices    T rows of bytes: the k ids in ceil(log2 d) bits each, the highest bit first

Row t is the distribution of the token behind position t. All k values are written exactly, as float32; every
configuration is read.

DistillKit masks its distillation losses by `labels >= 0` at the position itself. So the column `labels` that
is written marks the positions whose distribution is there, with the ids at those positions: a cross-entropy
beside them would train on tokens one place further left (give it the weight 0). Other rows are filled with
even probabilities of ids 0 to k - 1. Rows without `labels` are supervised at all positions.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.errors import ConfigError, unknown
from readsim_hf.teachers.record import Soft, TeacherRecord

CONFIG = "compression_config.yaml"
IGNORED = -100
_TYPES = {"float16": "<f2", "bfloat16": "<u2", "float32": "<f4", "float64": "<f8"}

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


def index_bits(d: int) -> int:
    """Bits of one id."""
    return max(1, math.ceil(math.log2(d)))


def exact_config(d: int, k: int) -> dict[str, Any]:
    """The configuration of what is written."""
    return {
        "d": d,
        "k": k,
        "exact_k": k,
        "exact_dtype": "float32",
        "polynomial_terms": None,
        "term_dtype": "float32",
        "residual_bins": [],
        "delta_encoding": False,
        "error_diffusion": False,
        "normalize_t": False,
    }


def checked(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """ConfigError for a configuration without the sizes that reading needs, or with other types."""
    for name, least in (("d", 1), ("k", 1), ("exact_k", 0)):
        value = config.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(
                f"{path}: {name} = {value!r}: expected a whole number of at least {least}"
            )
    bins = config.get("residual_bins") or []
    kinds = [config.get("exact_dtype", "float32"), config.get("term_dtype", "float32")]
    try:
        kinds += [one["scale_dtype"] for one in bins]
        sizes = [(int(one["element_bits"]), int(one["num_elements"])) for one in bins]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{path}: residual_bins: expected tables of scale_dtype, element_bits, num_elements"
        ) from error
    for kind in kinds:
        if kind not in _TYPES:
            raise unknown(f"type in {path}", str(kind), _TYPES)
    if config["exact_k"] + sum(n for _, n in sizes) > config["k"]:
        raise ConfigError(
            f"{path}: exact_k and residual_bins hold more than k = {config['k']} entries"
        )
    for term in config.get("polynomial_terms") or []:
        if not (isinstance(term, int) or term in ("sqrt", "exp")):
            raise ConfigError(
                f"{path}: polynomial_terms has {term!r}: expected powers, 'sqrt', 'exp'"
            )
    return dict(config)


def distillkit_row(record: TeacherRecord, d: int) -> dict[str, Any]:
    """The row of a record with top-k distributions."""
    assert record.soft is not None
    ids = np.concatenate([record.prompt_ids, record.completion_ids])
    first, end = (len(record.prompt_ids) + n - 1 for n in record.span)
    k = record.soft.ids.shape[1]
    top = np.tile(np.arange(k), (len(ids), 1))
    logp = np.full((len(ids), k), -math.log(k), np.float32)
    top[first:end], logp[first:end] = record.soft.ids, record.soft.logp
    labels = np.full(len(ids), IGNORED)
    labels[first:end] = ids[first:end]
    return {
        "input_ids": ids.tolist(),
        "compressed_logprobs": _rows(np.ascontiguousarray(logp, "<f4").view(np.uint8)),
        "bytepacked_indices": _rows(packed_bits(top, index_bits(d))),
        "labels": labels.tolist(),
    }


def read_distillkit_row(
    row: Mapping[str, Any], *, config: Mapping[str, Any], source: str
) -> TeacherRecord:
    """The record of a row. ConfigError for one that is not of this format."""
    ids = np.array(row["input_ids"], np.int32)
    logp = read_logprobs(_bytes(row["compressed_logprobs"]), config)
    top = unpacked_bits(_bytes(row["bytepacked_indices"]), index_bits(config["d"]), config["k"])
    if len(top) != len(logp) or not len(ids) - 1 <= len(top) <= len(ids):
        raise ConfigError(
            f"a row has {len(ids)} input_ids, {len(logp)} compressed_logprobs and {len(top)} "
            "bytepacked_indices: one each a token"
        )
    known = np.arange(len(ids) - 1)
    if row.get("labels") is not None:
        known = np.flatnonzero(np.array(row["labels"])[:-1] >= 0)
    if not len(known) or len(known) != known[-1] - known[0] + 1:
        raise ConfigError("labels of a row: expected one run of supervised tokens")
    first, end = int(known[0]) + 1, int(known[-1]) + 2
    soft = Soft(
        "topk", top[known].astype(np.int32), np.minimum(logp[known], 0.0).astype(np.float32)
    )
    return TeacherRecord(source, ids[:first], ids[first:], (0, end - first), soft)


def read_logprobs(packed: Bytes, config: Mapping[str, Any]) -> Floats:
    """(T, k) log-probabilities of (T, bytes). ConfigError where there are fewer or more bytes."""
    k, exact = int(config["k"]), int(config["exact_k"])
    terms = config.get("polynomial_terms") or []
    at = 0

    def take(count: int, kind: str) -> Floats:
        nonlocal at
        width = np.dtype(_TYPES[kind]).itemsize * count
        part = np.ascontiguousarray(packed[:, at : at + width])
        at += width
        if part.shape[1] != width:
            raise ConfigError(f"compressed_logprobs has {packed.shape[1]} bytes a token: too few")
        numbers = part.view(_TYPES[kind])
        if kind == "bfloat16":
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(numbers, dtype=np.float64)

    values = [take(exact, config.get("exact_dtype", "float32"))]
    rest = np.zeros((len(packed), k - exact))
    if terms:
        rest += take(len(terms), config.get("term_dtype", "float32")) @ _powers(config, k - exact).T
    done = 0
    for one in config.get("residual_bins") or []:
        bits, count = int(one["element_bits"]), int(one["num_elements"])
        scale = take(1, one["scale_dtype"])
        width = -(-bits * count // 8)
        codes = unpacked_bits(packed[:, at : at + width], bits, count).astype(np.float64)
        at += width
        codes = 2.0 * codes - 1.0 if bits == 1 else codes - 2.0 ** (bits - 1)
        rest[:, done : done + count] += codes * scale
        done += count
    if at != packed.shape[1]:
        raise ConfigError(
            f"compressed_logprobs has {packed.shape[1]} bytes a token, {CONFIG} says {at}"
        )
    made = np.concatenate([*values, rest], axis=1)
    return made.cumsum(axis=1) if config.get("delta_encoding", True) else made


def _powers(config: Mapping[str, Any], count: int) -> Floats:
    """(count, terms) of the polynomial's terms over the places."""
    place = np.linspace(0, 1, count) if config.get("normalize_t") else np.arange(float(count))
    special = {"sqrt": np.sqrt, "exp": np.exp}
    columns = [
        special[t](place) if isinstance(t, str) else place**t for t in config["polynomial_terms"]
    ]
    return np.stack(columns, axis=1)


def packed_bits(numbers: NDArray[Any], bits: int) -> Bytes:
    """(T, n) whole numbers as (T, ceil(n bits / 8)), the highest bit first."""
    shifts = np.arange(bits - 1, -1, -1)
    each = (numbers.astype(np.int64)[..., None] >> shifts) & 1
    return np.packbits(each.astype(np.uint8).reshape(len(numbers), -1), axis=1)


def unpacked_bits(packed: Bytes, bits: int, count: int) -> NDArray[np.int64]:
    """The inverse. ConfigError where there are too few bytes."""
    each = np.unpackbits(packed, axis=1)[:, : bits * count]
    if each.shape[1] < bits * count:
        raise ConfigError(f"{packed.shape[1]} bytes for {count} numbers of {bits} bits: too few")
    powers = 1 << np.arange(bits - 1, -1, -1, dtype=np.int64)
    return np.asarray(each.reshape(len(packed), count, bits) @ powers, dtype=np.int64)


def _rows(packed: Bytes) -> list[list[int]]:
    return [row.tolist() for row in packed]


def _bytes(rows: Sequence[Sequence[int]]) -> Bytes:
    try:
        return np.array(rows, np.uint8).reshape(len(rows), -1)
    except (ValueError, OverflowError, TypeError) as error:
        raise ConfigError(f"a row is no list of lists of bytes of one length: {error}") from error
