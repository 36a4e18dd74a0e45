"""Data sets of users: the same rows whatever they lie in, and damage refused in one line with its place."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, ReadsimError

pytestmark = pytest.mark.extra("datasets", "pydantic")

CHAT = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": 'Say é, "5"'},
    {"role": "assistant", "content": "5\nfive"},
    {"role": "user", "content": "Again"},
    {"role": "assistant", "content": "5"},
]
ASK = [{"role": "user", "content": "Hi"}]
ROWS: dict[str, list[dict[str, Any]]] = {
    "prompt": [{"prompt": f"What is {n}?\nSay it.", "answer": str(n)} for n in range(5)],
    "prompt-completion": [{"prompt": f"a{n}", "completion": f"b, {n}"} for n in range(5)],
    "conversational": [
        {"prompt": ASK, "completion": [{"role": "assistant", "content": f"b{n}"}]} for n in range(5)
    ],
    "messages": [
        {"messages": [*CHAT[:4], {"role": "assistant", "content": str(n)}]} for n in range(5)
    ],
}
KINDS = ("jsonl", "jsonl.gz", "csv", "parquet", "folder", "splits")


def write(path: Path, kind: str, rows: list[dict[str, Any]]) -> str:
    """The rows in a container of that kind; its path."""
    import datasets

    if kind in ("folder", "splits"):
        from readsim_hf.models.loading import no_progress_bars

        made: Any = datasets.Dataset.from_list(rows)
        if kind == "splits":
            made = datasets.DatasetDict({"train": made, "test": made.select([0])})
        datasets.disable_progress_bars()
        with no_progress_bars():
            made.save_to_disk(str(path))
        return str(path)
    file = path.with_name(f"{path.name}.{kind}")
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), file)
    elif kind == "csv":
        with file.open("w", newline="", encoding="utf-8") as sheet:
            out = csv.writer(sheet)
            out.writerow(rows[0])
            out.writerows(
                [v if isinstance(v, str) else json.dumps(v) for v in row.values()] for row in rows
            )
    else:
        text = "".join(json.dumps(row) + "\n\n" for row in rows).encode()
        file.write_bytes(gzip.compress(text) if kind.endswith(".gz") else text)
    return str(file)


def stored(path: str, **settings: Any) -> Any:
    from readsim_hf.sources.config import SourceConfig
    from readsim_hf.sources.stored import stored_rows

    return stored_rows(SourceConfig(path, **settings))


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_the_same_in_every_container(tmp_path: Path, name: str) -> None:
    found = {}
    for kind in KINDS:
        path = write(tmp_path / f"rows-{kind[:5]}", kind, ROWS[name])
        more = {"split": "train"} if kind == "splits" else {}
        if name == "prompt":
            more["answer"] = "answer"
        rows = stored(path, **more)
        found[kind] = (rows.facts, [rows[n] for n in range(len(rows))])
    assert all(one == found["jsonl"] for one in found.values())
    facts, rows = found["jsonl"]
    assert (facts.rows, facts.distinct, facts.guessed) == (5, 5, True)
    assert facts.format == ("prompt-completion" if name == "conversational" else name)
    assert facts.replies == ("ask" if name == "prompt" else "given")
    if name == "messages":
        assert rows[3]["messages"] == CHAT[:4]
        assert (rows[3]["reply"], rows[3]["taught"]) == ("3", [2])
    if name == "prompt":
        assert rows[2]["answer"] == "2"
        assert rows[2]["messages"] == [{"role": "user", "content": "What is 2?\nSay it."}]


@pytest.mark.parametrize("name", ["rows.jsonl", "starts.npy", "codes.npy", "facts.json"])
@pytest.mark.parametrize("how", ["gone", "empty", "changed"])
def test_damaged_rows_are_converted_again(tmp_path: Path, name: str, how: str) -> None:
    path = write(tmp_path / "rows", "jsonl", ROWS["messages"])
    rows = stored(path)
    whole = [rows[n] for n in range(len(rows))]
    (kept,) = (tmp_path / "cache" / "sources").glob(f"*/{name}")
    if how == "gone":
        kept.unlink()
    elif how == "empty":
        kept.write_bytes(b"")
    else:
        data = bytearray(kept.read_bytes())
        data[len(data) // 2] ^= 1
        kept.write_bytes(data)
    with pytest.warns(UserWarning, match="is damaged or incomplete: its rows are converted again"):
        again = stored(path)
    assert [again[n] for n in range(len(again))] == whole
    assert len(stored(path)) == len(whole)


def test_the_last_turn_or_the_teacher(tmp_path: Path) -> None:
    path = write(tmp_path / "rows", "jsonl", ROWS["messages"])
    assert "taught" not in stored(path, train_on="last")[0]
    asked = stored(path, replies="ask")[0]
    assert asked == {"messages": CHAT[:4]}
    waiting = write(tmp_path / "more", "jsonl", [{"messages": CHAT[:4]}])
    assert stored(waiting).facts.replies == "ask"


def test_other_columns_tools_and_values(tmp_path: Path) -> None:
    from readsim_hf.sources.config import SourceConfig
    from readsim_hf.sources.opened import open_sources

    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    call: dict[str, Any] = {
        "role": "assistant",
        "tool_calls": [{"function": {"name": "f", "arguments": {}}}],
    }
    rows: list[dict[str, Any]] = [
        {"talk": [*ASK, call], "tools": json.dumps(tools), "domain": "x"},
        {"talk": CHAT, "tools": None, "domain": "y"},
        {"talk": CHAT, "tools": None, "domain": "x"},
    ]
    path = write(tmp_path / "rows", "jsonl", rows)
    config = SourceConfig(path, columns={"messages": "talk"}, by="domain")
    x, y = open_sources([config], ())
    assert (x.name, x.many, y.name, y.many) == ("x", 2, "y", 1)
    assert x.rows.facts.tools == 1
    first, last = x.sample(9)
    assert (first.row, last.row) == (0, 2)
    assert first.tools == tuple(tools)
    assert first.calls == tuple(call["tool_calls"])
    named = SourceConfig(path, name="mix", columns={"messages": "talk"}, by="domain")
    assert [s.name for s in open_sources([named], ())] == ["mix/x", "mix/y"]
    with pytest.raises(ConfigError, match="name = 'x' is given twice"):
        open_sources([config, config], ())


def test_the_hash_is_of_the_rows_not_of_the_file(tmp_path: Path) -> None:
    rows = ROWS["messages"]
    one = stored(write(tmp_path / "one", "jsonl", rows)).facts.digest
    assert stored(write(tmp_path / "two", "parquet", rows)).facts.digest == one
    changed = [*rows[:4], {"messages": CHAT}]
    assert stored(write(tmp_path / "three", "jsonl", changed)).facts.digest != one
    assert stored(write(tmp_path / "four", "jsonl", rows[::-1])).facts.digest != one
    twice = stored(write(tmp_path / "five", "jsonl", [*rows, rows[0]])).facts
    assert (twice.rows, twice.distinct) == (6, 5)


def jsonl(*lines: str) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        file = path.with_suffix(".jsonl")
        file.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
        return str(file)

    return make


def sheet(text: str) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        file = path.with_suffix(".csv")
        file.write_text(text)
        return str(file)

    return make


def rowed(kind: str, *rows: dict[str, Any]) -> Callable[[Path], str]:
    return lambda path: write(path, kind, list(rows))


GOOD = '{"prompt": "a", "completion": "b"}'
DAMAGED: list[tuple[Callable[[Path], str], dict[str, Any], str]] = [
    (jsonl(GOOD, '{"prompt": "a"'), {}, "line 2, column 15: not JSON"),
    (jsonl(GOOD, '{"prompt": "x", ', GOOD), {}, "line 2, column 16: not JSON"),
    (jsonl(GOOD, "", '{"prompt": "a", "completion": NaN}'), {}, "line 3.*'completion'.*NaN"),
    (jsonl(GOOD, '{"prompt": "a"}'), {}, "line 2, column 'completion': not in this row"),
    (jsonl(GOOD, '{"prompt": "a", "completion": ""}'), {}, "line 2, column 'completion': an empty"),
    (jsonl(GOOD, '{"prompt": 3, "completion": "b"}'), {}, "line 2, column 'prompt': 3 is neither text"),
    (jsonl(GOOD, '{"prompt": "\udcff", "completion": "b"}'), {}, "line 2, column 13: byte 0xff"),
    (jsonl(GOOD, "[1, 2]"), {}, "line 2: a list is not a JSON object"),
    (jsonl('{"question": "a"}'), {}, "no column 'messages' or 'prompt' .there: question"),
    (jsonl('{"messages": "hello"}'), {}, "line 1, column 'messages': 'hello' is no list"),
    (jsonl('{"messages": []}'), {}, "column 'messages': an empty conversation"),
    (
        jsonl('{"messages": [{"role": "user", "content": "a"}, {"from": "gpt", "value": "b"}]}'),
        {},
        r"column 'messages\[1\]': no role .its fields: from, value",
    ),
    (
        jsonl('{"messages": [{"role": "human", "content": "a"}]}'),
        {},
        r"line 1, column 'messages\[0\].role': 'human'; accepted: system",
    ),
    (
        jsonl('{"messages": [{"role": "user", "content": [{"type": "image", "url": "x"}]}]}'),
        {},
        "parts that are no text",
    ),
    (jsonl(GOOD), {"by": "domian"}, "column for by in .*'domian'"),
    (jsonl(GOOD), {"replies": "given", "columns": {"prompt": "promt"}}, "did you mean 'prompt'"),
    (jsonl('{"prompt": "a"}'), {"replies": "given"}, "prompts without replies"),
    (jsonl(""), {}, "no rows"),
    (sheet("prompt,completion\na,b\nc\n"), {}, "line 3: 1 cells where the header has 2"),
    (sheet('prompt,completion\na,b\nc,"d\n'), {}, "line 3: a quotation mark"),
    (sheet("prompt,completion\na,b\nprompt,completion\n"), {}, "line 3: the header once more"),
    (sheet("prompt,completion\na,b\n,c\n"), {}, "line 3, column 'prompt': an empty text"),
    (sheet("prompt,prompt\na,b\n"), {}, "column 'prompt' appears twice"),
    (sheet("prompt,completion\n"), {}, "no rows below the header"),
    (rowed("parquet", {"prompt": "a"}, {"prompt": None}), {}, "row 2, column 'prompt'"),
    (rowed("folder", {"prompt": "a"}, {"prompt": " "}), {}, "row 2, column 'prompt': an empty"),
    (rowed("splits", {"prompt": "a"}), {}, "split is not given.*train, test"),
    (rowed("splits", {"prompt": "a"}), {"split": "tset"}, "'tset'; did you mean 'test'"),
    (rowed("jsonl", {"prompt": "a"}), {"split": "train"}, "a file has no split"),
    (lambda path: str(path.parent), {}, "no data set that `save_to_disk`"),
    (lambda path: str(path / "x.jsonl"), {}, "no such file"),
    (lambda path: "/absent/x", {}, "no such file or folder"),
    (
        jsonl(
            GOOD.replace('"a"', '[{"role": "user", "content": "a", "x": ' + "[" * 900 + "]" * 900 + "}]")
        ),
        {},
        r"line 1, column 'prompt\[0\]': nested too deeply",
    ),
    (
        sheet('prompt,completion\n"[{\'role\': \'user\'}]",b\n'),
        {},
        "column 'prompt': not JSON: Expecting property name",
    ),
    (rowed("parquet", {"prompt": "a", "gold": float("nan")}), {"answer": "gold"}, "nan is no text"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "settings", "said"), DAMAGED)
def test_damage_is_refused_in_one_line_with_its_place(
    tmp_path: Path, make: Callable[[Path], str], settings: dict[str, Any], said: str
) -> None:
    path = make(tmp_path / "rows")
    with pytest.raises(ReadsimError, match=said) as refused:
        stored(path, **settings)
    text = str(refused.value)
    assert "\n" not in text
    assert Path(path).name in text


def test_columns_of_one_name_and_a_folder_without_a_split_are_refused(tmp_path: Path) -> None:
    import datasets
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "twice.parquet"
    texts = pa.array(["a"])
    parquet.write_table(pa.Table.from_arrays([texts, texts], names=["prompt", "prompt"]), path)
    with pytest.raises(ConfigError, match=r"twice.parquet: column 'prompt' appears twice"):
        stored(str(path))
    datasets.DatasetDict().save_to_disk(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="none: a data set without a split"):
        stored(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"cannot be read .*too long"):
        stored("x" * 5000 + ".jsonl")


def test_a_cut_parquet_file_is_refused(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "rows", "parquet", ROWS["messages"]))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ConfigError, match="not a whole parquet file"):
        stored(str(path))


class Listed:
    """Rows in memory."""

    def __init__(self, many: int) -> None:
        self.rows = [
            {"messages": [{"role": "user", "content": f"q{n % 7}"}], "reply": "a"}
            for n in range(many)
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.rows[number]


def test_a_stream_goes_through_all_rows_again_and_again() -> None:
    from readsim_hf.sources.stream import DatasetStream

    stream = DatasetStream("s", Listed(10), 3)
    taken = [p.row for p in stream.take(25, 0.5)]
    epochs = taken[:10], taken[10:20]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1] != list(range(10))
    counts = stream.counts
    assert (counts["drawn"], counts["epochs"], counts["rows"]) == (25, 2.5, 10)
    assert counts["repeated"] == 25 - 7  # rows 7, 8, 9 are copies of 0, 1, 2
    again = DatasetStream("s", Listed(10), 3)
    assert [p.row for p in again.take(7, 0.0) + again.take(18, 1.0)] == taken
    assert [p.row for p in DatasetStream("s", Listed(10), 4).take(10, 0)] != epochs[0]
    plain = DatasetStream("s", Listed(10), 3, shuffle=False, members=np.array([2, 5, 8]))
    assert [p.row for p in plain.take(4, 0)] == [2, 5, 8, 2]


def test_a_stream_resumes_where_it_was() -> None:
    from readsim_hf.sources.stream import DatasetStream

    whole = [p.row for p in DatasetStream("s", Listed(6), 1).take(20, 0)]
    for cut in (0, 5, 6, 13):
        first = DatasetStream("s", Listed(6), 1)
        head = [p.row for p in first.take(cut, 0)]
        second = DatasetStream("s", Listed(6), 1)
        second.restore(first.state())
        assert head + [p.row for p in second.take(20 - cut, 0)] == whole
    with pytest.raises(ConfigError, match="expected"):
        DatasetStream("other", Listed(6), 1).restore(first.state())


def test_rows_that_leak_or_do_not_fit_are_passed_by_and_counted() -> None:
    from readsim_hf.generation.leaks import LeakFilter
    from readsim_hf.sources.stream import DatasetStream

    rows = Listed(4)
    rows.rows[1]["messages"] = [*ASK, {"role": "assistant", "content": "x"}, *CHAT[1:2]]
    leaks = LeakFilter(['say É,  "5"'])
    stream = DatasetStream("s", rows, 0, leaks, passed=lambda p: "too_long" if p.row == 2 else None)
    assert {p.row for p in stream.take(9, 0)} == {0, 3}
    assert (stream.counts["leaked"], stream.counts["too_long"]) == (1, 1)
    none = DatasetStream("s", rows, 0, passed=lambda p: "wrong")
    with pytest.raises(ConfigError, match=r"none of its 4 rows.*4 have a reply without"):
        none.take(1, 0)


@pytest.mark.parametrize("column", ["reply", "Response", "output", "answer", "target", "text"])
def test_columns_that_are_not_used_are_named(tmp_path: Path, column: str) -> None:
    from readsim_hf.sources.config import SourceConfig
    from readsim_hf.sources.opened import open_sources

    rows = [{"prompt": f"rev cat{n}=", column: "tac", "id": n} for n in range(3)]
    path = write(tmp_path / "rows", "jsonl", rows)

    def said(**settings: Any) -> str:
        return open_sources([SourceConfig(path, name="own", **settings)], ())[0].words

    assert said() == (
        f"own: 3 rows of prompt (guessed from the columns; not used: {column}, id; to train on it as the "
        f'reply, say columns = {{ completion = "{column}" }}), the teacher is asked'
    )
    told = said(columns={"completion": column})
    assert (
        told
        == "own: 3 rows of prompt-completion (guessed from the columns; not used: id), replies are given"
    )
    assert "say columns" not in said(replies="ask")
    assert "not used" not in said(columns={"completion": column}, by="id").split(",")[0]
    if column != "answer":
        return
    assert "not used: id)" in said(answer="answer")


def test_many_unused_columns_are_counted(tmp_path: Path) -> None:
    from readsim_hf.sources.config import SourceConfig
    from readsim_hf.sources.opened import open_sources

    path = write(tmp_path / "rows", "csv", [{"prompt": "a", **{f"c{n}": "b" for n in range(11)}}])
    (source,) = open_sources([SourceConfig(path)], ())
    assert "not used: c0, c1, c2, c3, c4, c5, c6, c7 and 3 more)" in source.words
