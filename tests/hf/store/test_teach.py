"""`readsim teach`: what is written whatever stops it, and as a person meets it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest

from readsim.errors import ConfigError, ReadsimError
from tests.cli.test_app import call
from tests.support.hf import NEEDS
from tests.support.processes import python, wait_for
from tests.support.stores import PROMPTS, ROUNDING, SOURCES, live, same_record, stored, taught

pytestmark = pytest.mark.extra(*NEEDS, "pyarrow")

# ------------------------------------------------------------------------------ what a kill leaves


class _Killed(BaseException):
    """As SIGKILL: nothing behind it is done."""


@pytest.mark.slow
@pytest.mark.parametrize("writes", range(1, 9))
def test_whenever_it_is_stopped_the_same_command_makes_the_same_store(
    writes: int, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are written one after the other; after `writes` of them the process is gone."""
    from readsim_hf.store import manifest as manifests
    from readsim_hf.store import writing
    from readsim_hf.store.reading import TeachStore

    done = 0

    def failing(write: Callable[[Path, bytes], None]) -> Callable[[Path, bytes], None]:
        def write_some(path: Path, data: bytes) -> None:
            nonlocal done
            if done == writes:
                raise _Killed
            done += 1
            write(path, data)

        return write_some

    folder = tmp_path / "store"
    with monkeypatch.context() as patch:
        for module in (manifests, writing):
            patch.setattr(module, "write_atomic", failing(module.write_atomic))
        with pytest.raises(_Killed):
            taught(folder, PROMPTS)
    if (folder / "store.json").exists():
        half = TeachStore(folder)
        assert not half.manifest.complete
        assert half.manifest.totals()["prompts"] < 2 * PROMPTS
    made, whole = taught(folder, PROMPTS), TeachStore(store).manifest
    assert made.complete
    assert (made.content, made.shards) == (whole.content, whole.shards)


def test_more_is_added_to_a_store_and_other_settings_are_refused(
    store: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    shutil.copytree(store, folder)
    before = {p.name: p.read_bytes() for p in folder.glob("*.parquet")}
    more = taught(folder, PROMPTS + 3)
    assert [more.totals(source)["prompts"] for source in SOURCES] == [PROMPTS + 3] * 2
    assert all((folder / name).read_bytes() == data for name, data in before.items())
    assert taught(folder, PROMPTS) == more, "there is enough already"
    with pytest.raises(ConfigError, match=r"begun with decoding.temperature = 0.7, not 0.2"):
        taught(folder, PROMPTS, decoding={"temperature": 0.2})
    with pytest.raises(ConfigError, match=r"begun with sampled.seed = 0, not 4"):
        taught(folder, PROMPTS, seed=4)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "data.parquet").touch()
    with pytest.raises(ConfigError, match=r"holds data.parquet, which is no teach store's"):
        taught(tmp_path / "other", PROMPTS)


def test_tokens_are_asked_for_instead_of_prompts(tmp_path: Path) -> None:
    made = taught(tmp_path / "store", None, tokens=30)
    for source in SOURCES:
        sums = made.totals(source)
        assert 30 <= sums["tokens"] < 30 + 4 * 9, "the last group is whole"


def test_prompts_without_a_usable_reply_are_kept_and_counted(tmp_path: Path) -> None:
    """A random teacher that may not be cut: most replies are rejected; the account of a run is the same."""
    from readsim_hf.store.reading import TeachStore

    settings: dict[str, Any] = {"data": {"keep_cut": False}, "decoding": {"max_new_tokens": 12}}
    made = taught(tmp_path / "store", 24, **settings)
    sums = made.totals()
    assert 0 < sums["replies"] < sums["prompts"] == 48
    assert made.rejected()["cut"] >= sums["prompts"] - sums["replies"]
    index = TeachStore(tmp_path / "store").indices["math"]
    assert len(index) == 24
    parts = stored(tmp_path / "store", **settings)
    prompts = parts.feed(0, lambda: parts.pair.student).streams[1].take(24, 0.5)
    theirs = live(**settings)
    for mine, other in zip(parts.teacher.ask(prompts), theirs.teacher.ask(prompts), strict=True):
        assert same_record(mine, other, ROUNDING)
    mine_counts, other_counts = parts.teacher.counts, theirs.teacher.counts
    assert mine_counts.asked_prompt_tokens == other_counts.asked_prompt_tokens
    assert mine_counts.asked_generated_tokens == other_counts.asked_generated_tokens
    with pytest.raises(ReadsimError, match="no usable reply for general in 8 requests"):
        taught(tmp_path / "none", 99, data={"keep_cut": False}, decoding={"max_new_tokens": 1})


def test_a_signal_of_two_tasks_keeps_both_records(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"method": "step-by-step"}
    made = taught(tmp_path / "store", 6, **settings)
    assert made.facts.soft is None
    parts = stored(tmp_path / "store", **settings)
    feed = parts.feed(0, lambda: parts.pair.student)
    their_feed = live(**settings).feed(0, lambda: parts.pair.student)
    prompts = feed.streams[0].take(6, 0.5)
    theirs = their_feed.teacher.ask(prompts)
    for prompt, mine, other in zip(prompts, feed.teacher.ask(prompts), theirs, strict=True):
        ours, others = feed.records(prompt, mine), their_feed.records(prompt, other)
        assert len(ours) == len(others)
        assert all(map(same_record, ours, others))


# ----------------------------------------------------------------------------- as a person meets it


def test_given_a_store_teach_is_refused(store: Path, tmp_path: Path) -> None:
    from readsim_hf.teach import Amount, teach

    with pytest.raises(ConfigError, match=r"data.store = .*: `teach` asks a teacher"):
        teach(None, {"data": {"store": str(store)}}, tmp_path / "x", Amount(1))
    with pytest.raises(ConfigError, match=r"on_policy = 0.5"):
        teach(None, {"on_policy": 0.5, "soft": {"kind": "topk"}}, tmp_path / "x", Amount(1))
    with pytest.raises(ConfigError, match=r"--small with soft.kind = 'full'"):
        teach(None, {}, tmp_path / "x", Amount(1), "small")
    assert not (tmp_path / "x").exists()


def test_replies_shows_a_store(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "replies", str(store), "--json")
    assert code == 0
    shown = json.loads(out)
    assert shown["complete"]
    assert shown["sources"]["math"]["prompts"] == PROMPTS
    code, out, _ = call(capsys, "replies", str(store), "--show", "1", "--capability", "math")
    assert code == 0
    assert "bytes a token" in out.replace("\n", " ")
    assert out.count("prompt:") == 1
    code, _, err = call(capsys, "replies", str(store), "--capability", "maths")
    assert code == 2
    assert "math" in err


def test_how_much_is_asked_has_to_be_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", str(tmp_path / "x"))
    for more, words in (
        (("--pair", "nano"), "the prompts of 'general' have no end; say how much"),
        (("--prompts", "3", "--tokens", "9"), "--prompts 3 and --tokens 9 exclude each other"),
        (("--export", "axolotel=dir"), "axolotl"),
    ):
        code, _, err = call(capsys, "teach", *out, *more)
        assert code == 2
        assert words in " ".join(err.split())
    assert not (tmp_path / "x").exists()


class Rows:
    """A stream of seven rows, of which the last is passed by, as one of a data set's."""

    capability = name = "math"

    def __init__(self, inner: Any) -> None:
        self.rows, self.at = inner.take(6, 0.0), 0

    @property
    def counts(self) -> dict[str, Any]:
        return {"rows": 7, "epochs": self.at / 7}

    def take(self, n: int, spent: float) -> list[Any]:
        out = []
        for _ in range(n):
            self.at += 2 if self.at % 7 == 6 else 1  # passes the last row by
            out.append(self.rows[(self.at - 1) % 7])
        return out


@pytest.mark.parametrize(("prompts", "expected"), [(None, 6), (4, 4), (99, 6)])
def test_of_a_source_with_rows_each_is_asked_once(
    prompts: int | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from readsim_hf.components import Components

    feed = Components.feed

    def finite(self: Components, *arguments: Any) -> Any:
        made: Any = feed(self, *arguments)
        made.streams = tuple(Rows(stream) for stream in made.streams)
        return made

    monkeypatch.setattr(Components, "feed", finite)
    for _ in range(2):  # the second time there is nothing left to do
        made = taught(tmp_path / "store", prompts)
        assert [made.totals(source)["prompts"] for source in SOURCES] == [expected] * 2
        assert made.complete


NANO = ("--pair", "nano", "--soft", "topk", "--probe-items", "2", "--seed", "0")


@pytest.mark.slow
def test_taught_and_trained_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nano pair: its teacher is loaded once, and asked for in no run from the store."""
    from readsim_hf.models import pairs

    folder = str(tmp_path / "store")
    code, out, err = call(capsys, "teach", *NANO, "--prompts", "3", "--small", "--out", folder)
    assert code == 0, err
    assert "bytes a token" in out.replace("\n", " ")
    monkeypatch.setattr(pairs, "load_teacher_source", None)
    run = ("distill", "--store", folder, "--probe-items", "2", "--budget", "200", "--steps", "1")
    code, out, err = call(capsys, *run, "--dry-run", "--out", str(tmp_path / "run"))
    assert code == 0, err
    assert "the replies of a teach store" in " ".join(out.split())
    code, out, err = call(capsys, "plan", *run[1:])
    assert code == 0, err
    assert "data.store: " in out


def test_a_run_measures_of_ours_what_was_taught(tmp_path: Path) -> None:
    """Of a store of the user's data nothing; `data.capabilities` names more."""
    from readsim_hf.components import build_components, pair_of
    from readsim_hf.config import resolve_config

    rows = [{"prompt": f"{n}+1=", "completion": str(n + 1)} for n in range(10, 90)]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows[:40])))
    asked = [{"question": r["prompt"], "answer": r["completion"]} for r in rows[40:]]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, asked)))
    task = {"capability": "sums", "path": str(tmp_path / "items.jsonl"), "metric": "exact"}
    probes = {"tasks": [task], "probe": 4, "dev": 4, "test": 4}
    source = {"name": "sums", "path": str(tmp_path / "sums.jsonl")}
    settings = {"method": "resp-sft", "data": {"sources": [source]}, "probes": probes}
    from readsim_hf.teach import Amount, teach

    teach(None, settings, tmp_path / "own", Amount())
    teach(
        None,
        {"method": "resp-sft", "data": {"capabilities": ["math"]}, "probes": {"probe": 4}},
        tmp_path / "ours",
        Amount(prompts=2),
    )

    def measured(store: str, **data: Any) -> tuple[str, ...]:
        table = {"data": {"store": str(tmp_path / store), **data}, "probes": probes}
        config = resolve_config(None, table)
        return tuple(build_components(config, pair_of(config)).suite.capabilities)

    assert measured("own") == ("sums",)
    assert measured("own", capabilities=["math"]) == ("math", "sums")
    assert measured("ours") == ("math", "sums")


def test_the_check_of_a_run_from_a_store_shows_its_prompts(store: Path) -> None:
    """Stored prompts carry records, which are no part of the item that a probe asks."""
    from readsim_hf.check.preflight import free_check
    from readsim_hf.components import build_components, pair_of
    from readsim_hf.config import resolve_config

    table = {"data": {"store": str(store)}, "probes": {"probe": 2, "dev": 2, "test": 2}}
    config = resolve_config(None, table)
    free = free_check(build_components(config, pair_of(config)))
    assert free.failures == []
    assert {view.capability for view in free.views} == set(SOURCES)
    assert all(view.probe == view.student for view in free.views)


def test_students_of_other_tokens_are_refused(tmp_path: Path) -> None:
    from readsim_hf.components import pair_of
    from readsim_hf.config import resolve_config
    from tests.support.made_models import saved

    folder = tmp_path / "store"
    taught(folder, 2)
    student = saved(tmp_path / "student")
    config = resolve_config(None, {"data": {"store": str(folder)}, "pair": {"student": student}})
    with pytest.raises(ConfigError, match="is in other tokens than those of the student"):
        pair_of(config)


def test_a_served_teacher_is_paid_once(tmp_path: Path) -> None:
    """Its replies stand in the store's SQLite file until they are in a shard; then a run needs no address."""
    from readsim_hf.teach import Amount, teach
    from tests.support.made_server import serving

    settings: dict[str, Any] = {
        "method": "resp-sft",
        "decoding": {"max_new_tokens": 8},
        "probes": {"probe": 2, "dev": 2, "test": 2},
        "data": {"group": 4, "keep_cut": True, "capabilities": ["math"]},
    }
    with serving() as fake:
        settings["pair"] = {"teacher": fake.url, "student": "nano/student"}
        made = teach(None, settings, tmp_path / "store", Amount(6))
        assert made is not None
        asked = len(fake.asked)
        assert asked >= 6
        assert (tmp_path / "store" / "replies.sqlite").is_file()
        (tmp_path / "store" / "store.json").unlink()
        again = teach(None, settings, tmp_path / "store", Amount(6))
        assert again is not None
        assert again.content == made.content
        assert len(fake.asked) == asked, "nothing is paid for twice"
    assert made.facts.teacher == "server:m"
    assert fake.url not in (tmp_path / "store" / "store.json").read_text()
    from readsim_hf.components import build_components, pair_of
    from readsim_hf.config import resolve_config

    config = resolve_config(
        None,
        {
            "data": {"store": str(tmp_path / "store"), "capabilities": ["math"]},
            "probes": settings["probes"],
        },
    )
    assert config.method == "resp-sft"
    parts = build_components(config, pair_of(config))
    stream = parts.feed(0, lambda: parts.pair.student).streams[0]
    assert any(record is not None for record in parts.teacher.ask(stream.take(6, 0.5)))


@pytest.mark.slow
def test_killed_for_good_it_is_continued(tmp_path: Path) -> None:
    """SIGKILL while shards are written: what is there is valid, and the same command makes the same store."""
    command = ("-m", "readsim", "teach", *NANO, "--prompts", "300", "--out")
    with python(*command, tmp_path / "whole") as process:
        process.communicate()
    folder = tmp_path / "killed"
    with python(*command, folder, stdout=DEVNULL, stderr=DEVNULL) as process:
        wait_for(lambda: len(list(folder.glob("*.parquet"))) > 2, process)
    from readsim_hf.store.reading import TeachStore

    half = TeachStore(folder).manifest
    with python(*command, folder) as process:
        process.communicate()
    made, whole = TeachStore(folder).manifest, TeachStore(tmp_path / "whole").manifest
    assert half.shards == whole.shards[: len(half.shards)]
    assert made == replace(whole, folder=folder)


def test_an_estimate_counts_given_replies_as_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The teacher writes none of them, and reads them where its distributions are asked for."""
    from readsim_hf.teach import Amount, teach

    for name, first, key in (("sums", 10, "completion"), ("items", 60, "answer")):
        asked = "prompt" if name == "sums" else "question"
        rows = [{asked: f"{n}+1=", key: "x"} for n in range(first, first + 30)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    task = {"capability": "sums", "path": str(tmp_path / "items.jsonl"), "metric": "exact"}
    source = {"name": "sums", "path": str(tmp_path / "sums.jsonl")}
    probes = {"tasks": [task], "probe": 4, "dev": 4, "test": 4}
    amounts = {}
    for method in ("resp-sft", "logit-kd"):
        settings = {"method": method, "data": {"sources": [source]}, "probes": probes}
        teach(None, settings, tmp_path / "st", Amount(prompts=20), dry_run=True)
        lines = capsys.readouterr().out.splitlines()
        row = [line for line in lines if line.startswith("│ sums")][-1]
        amounts[method] = [cell.strip() for cell in row.split("│")[3:6]]
    (tokens, *sft), (same, *kd) = amounts.values()
    assert tokens == same == "40"  # x and the end
    assert sft == ["0", "0"]
    assert kd == ["140", "0"]  # five characters of the prompt, x and the end
    assert not (tmp_path / "st").exists()
