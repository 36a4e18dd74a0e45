"""A store to and from other tools' files, against their formats written down once more, naively."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from readsim.errors import ConfigError, ReadsimError
from tests.support.hf import NEEDS
from tests.support.stores import SOURCES, facts, taught

pytestmark = pytest.mark.extra(*NEEDS, "pyarrow")

PROMPTS = 6
NANO = {"pair": {"name": "nano"}}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teach") / "store"
    taught(folder, PROMPTS)
    return folder


def records(folder: Path, source: str) -> list[Any]:
    from readsim_hf.store.reading import TeachStore

    read = TeachStore(folder)
    return [r for at in range(len(read.indices[source])) for r in read.prompt(source, at).records]


# ------------------------------------------------------------------------------------- DistillKit


def bits_of(data: bytes, bits: int, count: int) -> list[int]:
    """Numbers in a string of bits, the highest bit first, one character at a time."""
    text = "".join(f"{byte:08b}" for byte in data)
    return [int(text[n * bits : (n + 1) * bits], 2) for n in range(count)]


def test_distillkit_reads_what_is_written(store: Path, tmp_path: Path) -> None:
    """Its columns, read naively as its own reader does, give the stored entries at the right positions."""
    import pyarrow.parquet as pq
    import yaml

    from readsim_hf.exchange import export_store

    export_store(store, "distillkit", tmp_path)
    config = yaml.safe_load((tmp_path / "compression_config.yaml").read_text())
    assert (config["d"], config["k"], config["exact_k"], config["delta_encoding"]) == (
        99,
        5,
        5,
        False,
    )
    rows = pq.read_table(tmp_path / "data_1.parquet").to_pylist()
    math = records(store, "math")
    assert len(rows) == len(math) > 0
    for row, record in zip(rows, math, strict=True):
        ids = [*record.prompt_ids.tolist(), *record.completion_ids.tolist()]
        assert row["input_ids"] == ids
        assert len(row["compressed_logprobs"]) == len(row["bytepacked_indices"]) == len(ids)
        known = [t for t, label in enumerate(row["labels"]) if label >= 0]
        start = len(record.prompt_ids) + record.span[0]
        assert known == list(range(start - 1, start - 1 + record.supervised))
        for n, t in enumerate(known):
            values = struct.unpack("<5f", bytes(row["compressed_logprobs"][t]))
            assert values == tuple(record.soft.logp[n].tolist())
            top = bits_of(bytes(row["bytepacked_indices"][t]), 7, 5)
            assert top == record.soft.ids[n].tolist()


def test_distillkit_round_trip(store: Path, tmp_path: Path) -> None:
    from readsim_hf.exchange import export_store, import_store
    from readsim_hf.store.manifest import load_manifest

    export_store(store, "distillkit", tmp_path / "dk")
    import_store(None, NANO, tmp_path / "back", "distillkit", tmp_path / "dk", "exact")
    assert load_manifest(tmp_path / "back").sources == SOURCES
    for source in SOURCES:
        for mine, theirs in zip(
            records(tmp_path / "back", source), records(store, source), strict=True
        ):
            whole, other = (
                [*r.prompt_ids.tolist(), *r.completion_ids.tolist()] for r in (mine, theirs)
            )
            assert whole == other
            at, at_other = (len(r.prompt_ids) + r.span[0] for r in (mine, theirs))
            assert (at, mine.supervised) == (at_other, theirs.supervised)
            np.testing.assert_array_equal(mine.soft.ids, theirs.soft.ids)
            np.testing.assert_array_equal(mine.soft.logp, theirs.soft.logp)
    before = load_manifest(tmp_path / "back")
    import_store(None, NANO, tmp_path / "back", "distillkit", tmp_path / "dk", "exact")
    assert load_manifest(tmp_path / "back") == before


def naive_logprobs(values: NDArray[np.float64], config: Mapping[str, Any]) -> tuple[bytes, Any]:
    """One position compressed as `monotonic_logprobs.py` describes, by loops; and what it then says."""
    if config["delta_encoding"]:
        values = np.array([values[0], *np.diff(values)])
    kinds = {"float16": "<e", "float32": "<f"}
    exact = config["exact_k"]
    data, read = b"", []
    for value in values[:exact]:
        packed = struct.pack(kinds[config["exact_dtype"]], value)
        data += packed
        read.append(struct.unpack(kinds[config["exact_dtype"]], packed)[0])
    rest = values[exact:]
    places = np.arange(float(len(rest)))
    if config["normalize_t"]:
        places = places / (len(rest) - 1)
    terms = np.stack(
        [np.sqrt(places) if t == "sqrt" else places**t for t in config["polynomial_terms"]], axis=1
    )
    coefficients = np.linalg.lstsq(terms, rest, rcond=None)[0].astype(np.float32)
    data += b"".join(struct.pack("<f", c) for c in coefficients)
    made = terms @ coefficients.astype(np.float64)
    residual, at, text = rest - made, 0, ""
    for one in config["residual_bins"]:
        bits, count = one["element_bits"], one["num_elements"]
        some = residual[at : at + count]
        scale = struct.pack(
            kinds[one["scale_dtype"]], max(np.abs(some).max() / 2 ** (bits - 1), 1e-6)
        )
        (step,) = struct.unpack(kinds[one["scale_dtype"]], scale)
        codes = np.clip(np.rint(some / step), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1).astype(int)
        text = "".join(f"{code + 2 ** (bits - 1):0{bits}b}" for code in codes)
        text += "0" * (-len(text) % 8)
        data += scale + bytes(int(text[n : n + 8], 2) for n in range(0, len(text), 8))
        made[at : at + count] += codes * step
        at += count
    said = np.array([*read, *made])
    return data, said.cumsum() if config["delta_encoding"] else said


@pytest.mark.parametrize("delta", [True, False])
@pytest.mark.parametrize("normalised", [True, False])
def test_every_configuration_of_distillkit_is_read(delta: bool, normalised: bool) -> None:
    from readsim_hf.store.distillkit import checked, read_logprobs

    config = {
        "d": 500,
        "k": 20,
        "exact_k": 4,
        "exact_dtype": "float16",
        "polynomial_terms": [0, 1, 2, "sqrt"],
        "term_dtype": "float32",
        "residual_bins": [
            {"scale_dtype": "float16", "element_bits": 5, "num_elements": 7},
            {"scale_dtype": "float32", "element_bits": 3, "num_elements": 6},
        ],
        "delta_encoding": delta,
        "normalize_t": normalised,
    }
    rng = np.random.default_rng(0)
    made = [
        naive_logprobs(-np.sort(rng.exponential(3.0, 20)), checked(config, Path("c")))
        for _ in range(6)
    ]
    packed = np.stack([np.frombuffer(data, np.uint8) for data, _ in made])
    expected = np.stack([said for _, said in made])
    np.testing.assert_allclose(read_logprobs(packed, config), expected, atol=1e-5)
    with pytest.raises(ConfigError, match=r"compression_config.yaml says"):
        read_logprobs(np.pad(packed, ((0, 0), (0, 1))), config)
    with pytest.raises(ConfigError, match="too few"):
        read_logprobs(packed[:, :9], config)


def test_bfloat16_is_read() -> None:
    from readsim_hf.store.distillkit import exact_config, read_logprobs

    values = np.array([[-0.5, -2.0]], np.float32)
    high = (values.view(np.uint32) >> 16).astype("<u2").view(np.uint8)
    config = {**exact_config(9, 2), "exact_dtype": "bfloat16"}
    np.testing.assert_array_equal(read_logprobs(high, config), values)


# ---------------------------------------------------------------------------------------- Axolotl


@pytest.fixture(scope="module")
def chat_store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store in a chat template, made by hand from a conversation; and the student's folder."""
    from readsim_hf.models.loading import load_tokenizer
    from readsim_hf.store.shards import StoredPrompt
    from readsim_hf.store.writing import (
        begun,
        completed,
        save_tokenizer,
        tokenizer_digests,
        write_shard,
    )
    from readsim_hf.teachers.encoding import bare_ids, encode, end_ids, end_of
    from readsim_hf.teachers.record import Soft, TeacherRecord
    from tests.support.chat_models import FAMILIES, chat_folder

    where = tmp_path_factory.mktemp("chat")
    student = chat_folder(where / "student", FAMILIES["qwen-3"], instruct=True)
    tokenizer = load_tokenizer(student)
    ends = end_ids(None, tokenizer)
    known = facts(
        len(tokenizer),
        3,
        "exact",
        suffix=" Say it.",
        ends=ends,
        tokenizer=tokenizer_digests(tokenizer),
    )
    rng = np.random.default_rng(1)
    prompts = []
    for text, reply in (("What is 17 + 25?", "It is 42"), ("Where is Paris?", "In France")):
        asked = np.array(encode(tokenizer, text + known.suffix), np.int32)
        said = np.array([*bare_ids(tokenizer, reply), end_of(tokenizer, ends)], np.int32)
        top = np.stack([rng.permutation(len(tokenizer))[:3] for _ in said]).astype(np.int32)
        logp = -np.sort(rng.exponential(2.0, (len(said), 3))).astype(np.float32)
        soft = Soft("topk", top, logp)
        record = TeacherRecord("chat", asked, said, (0, len(said)), soft)
        prompts.append(StoredPrompt("chat", "chat/a", text, records=(record,)))
    save_tokenizer(tokenizer, where / "store")
    completed(
        write_shard(
            begun(where / "store", known, {}), "000-00000.parquet", "chat", prompts, {"cut": 2}
        )
    )
    return where / "store", student


def test_axolotl_reads_what_is_written(chat_store: tuple[Path, str], tmp_path: Path) -> None:
    """Rows are of the last tokens of the conversation in its chat template, each of the token itself."""
    import pyarrow.parquet as pq

    from readsim_hf.exchange import export_store
    from readsim_hf.models.loading import load_tokenizer

    store, student = chat_store
    export_store(store, "axolotl", tmp_path)
    tokenizer = load_tokenizer(student)
    rows = pq.read_table(tmp_path / "data_0.parquet").to_pylist()
    kept = records(store, "chat")
    assert len(rows) == len(kept) == 2
    assert [m["role"] for m in rows[0]["messages"]] == ["user", "assistant"]
    assert rows[0]["messages"][0]["content"] == "What is 17 + 25? Say it."
    for row, record in zip(rows, kept, strict=True):
        ids = tokenizer.apply_chat_template(row["messages"], tokenize=True, return_dict=False)
        padding = len(ids) - len(row["logprobs"])
        assert padding == len(record.prompt_ids)
        assert ids[padding : padding + record.supervised] == record.completion_ids.tolist()
        n = record.supervised
        np.testing.assert_array_equal(np.float32(row["logprobs"][:n]), record.soft.logp)
        assert row["target_token_ids"][:n] == record.soft.ids.tolist()
        assert len({len(entries) for entries in row["logprobs"]}) == 1


def test_axolotl_round_trip(chat_store: tuple[Path, str], tmp_path: Path) -> None:
    from readsim_hf.exchange import export_store, import_store

    store, student = chat_store
    export_store(store, "axolotl", tmp_path / "ax")
    import_store(
        None, {"pair": {"student": student}}, tmp_path / "back", "axolotl", tmp_path / "ax", "exact"
    )
    for mine, theirs in zip(
        records(tmp_path / "back", "chat"), records(store, "chat"), strict=True
    ):
        for name in ("prompt_ids", "completion_ids", "span"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
        np.testing.assert_array_equal(mine.soft.ids, theirs.soft.ids)
        np.testing.assert_array_equal(mine.soft.logp, theirs.soft.logp)


# ----------------------------------------------------------------------------------- what is none


def write(path: Path, **columns: list[Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"input_ids": [[1, 2]]}, "no column 'compressed_logprobs'"),
        (
            {
                "input_ids": [[1, 2]],
                "compressed_logprobs": [[[1, 2], [3]]],
                "bytepacked_indices": [[[1], [2]]],
            },
            "row 0: a row is no list of lists of bytes",
        ),
        (
            {
                "input_ids": [[1, 2, 3, 4]],
                "compressed_logprobs": [[[0] * 20] * 2],
                "bytepacked_indices": [[[0] * 5] * 2],
            },
            "row 0: a row has 4 input_ids",
        ),
        (
            {
                "input_ids": [[1, 2, 999]],
                "compressed_logprobs": [[[0] * 20] * 3],
                "bytepacked_indices": [[[0] * 5] * 3],
            },
            "ids up to 999",
        ),
    ],
)
def test_what_is_not_distillkits_is_refused(
    columns: dict[str, list[Any]], words: str, tmp_path: Path
) -> None:
    from readsim_hf.exchange import import_store

    write(tmp_path / "dk" / "data_0.parquet", **columns)
    config = {"d": 99, "k": 5, "exact_k": 5, "delta_encoding": False, "residual_bins": []}
    (tmp_path / "dk" / "compression_config.yaml").write_text(json.dumps(config))
    with pytest.raises(ReadsimError, match=words) as caught:
        import_store(None, NANO, tmp_path / "out", "distillkit", tmp_path / "dk", "exact")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": None}, "k = None: expected a whole number"),
        ({"exact_dtype": "int8"}, "int8"),
        ({"exact_k": 6}, "more than k = 5"),
        ({"polynomial_terms": ["log"]}, "polynomial_terms has 'log'"),
        ({"residual_bins": [{"element_bits": 4}]}, "residual_bins: expected tables of"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_named(changes: dict[str, Any], words: str) -> None:
    from readsim_hf.store.distillkit import checked, exact_config

    with pytest.raises(ReadsimError, match=words):
        checked({**exact_config(99, 5), **changes}, Path("compression_config.yaml"))


def test_what_cannot_be_exported_is_said(store: Path, tmp_path: Path) -> None:
    from readsim_hf.exchange import export_store

    with pytest.raises(ConfigError, match="prompts without a chat template"):
        export_store(store, "axolotl", tmp_path / "ax")
    taught(tmp_path / "full", 2, soft={"kind": "full"})
    with pytest.raises(ConfigError, match="distributions of kind 'full': distillkit reads 'topk'"):
        export_store(tmp_path / "full", "distillkit", tmp_path / "dk")
