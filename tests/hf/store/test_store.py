"""A teach store: what is written is what the teacher said, whatever stops it; and runs read it alone."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from readsim.errors import ConfigError, ReadsimError, RunLogError, SchemaError
from tests.cli.test_app import call
from tests.support.hf import NEEDS, char_pair
from tests.support.processes import python, wait_for
from tests.support.stores import SOURCES, live, stored, taught

if TYPE_CHECKING:
    from readsim_hf.store.manifest import Manifest
    from readsim_hf.teachers.record import TeacherRecord

pytestmark = pytest.mark.extra(*NEEDS, "pyarrow")

PROMPTS = 10
ROUNDING = 1e-5  # of log-probabilities, in batches of another width


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten prompts of two sources, top 5, exactly; what the teacher said is in `replies.sqlite` beside it."""
    folder = tmp_path_factory.mktemp("teach") / "store"
    taught(folder, PROMPTS, data={"cache": str(folder.parent / "replies.sqlite")})
    return folder


def same(one: "TeacherRecord | None", other: "TeacherRecord | None", atol: float = 0.0) -> bool:
    """Whether two records train alike; log-probabilities may be `atol` apart, in any order."""
    if one is None or other is None:
        return one is other
    ids = all(
        np.array_equal(getattr(one, n), getattr(other, n)) for n in ("prompt_ids", "completion_ids")
    )
    if not ids or (one.source, one.span, one.weight) != (other.source, other.span, other.weight):
        return False
    if one.soft is None or other.soft is None:
        return one.soft is other.soft
    if atol == 0.0:
        return all(np.array_equal(a, b) for a, b in zip(one.soft, other.soft, strict=True))
    order, order_other = (np.argsort(s.ids, axis=1) for s in (one.soft, other.soft))
    pairs = [
        (np.take_along_axis(a, order, 1), np.take_along_axis(b, order_other, 1))
        for a, b in ((one.soft.ids, other.soft.ids), (one.soft.logp, other.soft.logp))
    ]
    return np.array_equal(*pairs[0]) and bool(np.abs(pairs[1][0] - pairs[1][1]).max() <= atol)


# -------------------------------------------------------------------------------- what a run trains on


def test_training_from_a_store_is_training_with_its_teacher(store: Path) -> None:
    """The same examples in the same order, to the last bit, and the same account, as when its teacher answers
    the same prompts (from its cache: in other batches the last bits of its distributions differ)."""
    from readsim_hf.training.example_stream import ExampleStream

    parts = stored(store)
    a = parts.feed(3, lambda: parts.pair.student)
    other = parts.feed(3, lambda: parts.pair.student)
    their_parts = live(data={"cache": str(store.parent / "replies.sqlite")})
    their_parts.open_cache()
    teacher = their_parts.feed(3, lambda: parts.pair.student).teacher
    b = ExampleStream(other.streams, teacher, other.group)
    weights = np.array([0.7, 0.3])
    trained = np.zeros(2), np.zeros(2)
    for step in range(8):
        windows = [
            feed.window(weights, done, 400, 4, step / 8)
            for feed, done in zip((a, b), trained, strict=True)
        ]
        assert len(windows[0]) == len(windows[1]) > 0
        for mine, theirs in zip(*windows, strict=True):
            assert mine.tokens == theirs.tokens
            assert same(mine.record, theirs.record)
    assert a.tokens == b.tokens
    assert their_parts.teacher.counts.generated == 0
    assert a.streams[0].counts["repeated"] > 0, "the store was passed more than once"


def test_a_small_store_has_the_same_words_and_near_distributions(
    store: Path, tmp_path: Path
) -> None:
    from readsim_hf.store.quantised import log_probability_bound
    from readsim_hf.store.reading import TeachStore

    taught(tmp_path / "small", PROMPTS, precision="small")
    exact, small = TeachStore(store), TeachStore(tmp_path / "small")
    for source in SOURCES:
        for at in range(PROMPTS):
            mine, theirs = small.prompt(source, at), exact.prompt(source, at)
            assert mine.text == theirs.text
            for one, other in zip(mine.records, theirs.records, strict=True):
                assert other.soft is not None
                spread = np.ptp(other.soft.logp, axis=1).max()
                bound = float(log_probability_bound(np.array([spread]))[0])
                assert same(one, other, bound + 1e-6)
    assert small.manifest.token_bytes < exact.manifest.token_bytes


def test_a_smaller_k_is_cut_from_the_stored_one(store: Path) -> None:
    """The two likeliest of five are the two likeliest: what a teacher asked for two would give."""
    parts = stored(store, soft={"k": 2})
    prompts = parts.feed(0, lambda: parts.pair.student).streams[0].take(4, 0.5)
    asked = live(soft={"k": 2}).teacher.ask(prompts)
    for mine, theirs in zip(parts.teacher.ask(prompts), asked, strict=True):
        assert same(mine, theirs, ROUNDING)


def test_a_run_trains_probes_and_is_restored_from_a_store(store: Path) -> None:
    from readsim_hf.backend import HFBackend

    backend = HFBackend(stored(store), 120)
    assert backend.sources == SOURCES
    backend.reset(0)
    saved = backend.snapshot()
    first = backend.run_interval(0, np.array([0.5, 0.5]), 60)
    weights = {k: v.clone() for k, v in backend.student.weights().items()}
    backend.restore(saved)
    again = backend.run_interval(0, np.array([0.5, 0.5]), 60)
    assert first.token_usage == again.token_usage
    assert first.token_usage["teacher_generated"] > 0
    assert all(np.array_equal(v, weights[k]) for k, v in backend.student.weights().items())
    assert backend.prompt_counts["math"]["drawn"] > 0


def test_streams_depend_on_the_seed_alone_and_go_on_from_a_state(store: Path) -> None:
    from readsim_hf.store.reading import TeachStore
    from readsim_hf.store.stream import StoreStream

    read = TeachStore(store)

    def texts(stream: StoreStream, n: int) -> list[str]:
        return [prompt.text for prompt in stream.take(n, 0.4)]

    one, other = StoreStream(read, "math", 1), StoreStream(read, "math", 1)
    begun = texts(one, 7)
    assert begun == texts(other, 3) + texts(other, 4)
    state = one.state()
    rest = texts(one, 30)
    third = StoreStream(read, "math", 1)
    third.restore(state)
    assert texts(third, 30) == rest
    assert third.counts == one.counts
    assert one.counts["repeated"] > 0
    assert texts(StoreStream(read, "math", 2), 7) != begun
    with pytest.raises(ConfigError, match="expected"):
        StoreStream(read, "math", 2).restore(state)
    uncurved = StoreStream(read, "math", 5, curriculum="off")
    assert len({p.text for p in uncurved.take(3, 0.0)}) == 3


def test_prompts_that_leak_are_passed_by_and_counted(store: Path) -> None:
    from readsim_hf.generation.leaks import LeakFilter
    from readsim_hf.store.reading import TeachStore
    from readsim_hf.store.stream import StoreStream

    read = TeachStore(store)
    texts = [read.prompt("math", at).text for at in range(PROMPTS)]
    stream = StoreStream(read, "math", 0, LeakFilter(texts[:4]))
    given = {prompt.text for prompt in stream.take(40, 0.5)}
    assert given.isdisjoint(texts[:4])
    assert stream.counts["leaked"] > 0
    with pytest.raises(ConfigError, match=r"all prompts of 'math'.*held-out"):
        StoreStream(read, "math", 0, LeakFilter(texts)).take(1, 0.5)


# ------------------------------------------------------------------------------ what a kill leaves


class _Killed(BaseException):
    """As SIGKILL: nothing behind it is done."""


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
        assert same(mine, other, ROUNDING)
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
        assert all(map(same, ours, others))


# ------------------------------------------------------------------------------- damage and readers


def damaged(store: Path, folder: Path, change: Callable[[Path], None]) -> Path:
    shutil.copytree(store, folder)
    change(folder)
    return folder


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda f: flip(f / "001-00001.parquet"), RunLogError, "001-00001.parquet is damaged"),
        (lambda f: (f / "000-00000.parquet").unlink(), RunLogError, "000-00000.parquet is missing"),
        (lambda f: flip(f / "tokenizer" / "tokenizer.json"), RunLogError, "tokenizer.json is dam"),
        (lambda f: (f / "store.json").write_text("{"), RunLogError, "store.json is damaged"),
        (lambda f: (f / "store.json").write_text("[]"), ConfigError, "no manifest of a teach"),
        (lambda f: swap(f, '"k": 5', '"k": 4'), RunLogError, "not what its hash says"),
        (lambda f: swap(f, '"version": 1', '"version": 2'), SchemaError, "has version 2"),
        (lambda f: swap(f, '"ends": [', '"fins": ['), RunLogError, "store.json is damaged"),
        (lambda f: (f / "store.json").unlink(), ConfigError, "is no teach store"),
    ],
)
def test_damage_is_named(
    change: Callable[[Path], None],
    error: type[ReadsimError],
    words: str,
    store: Path,
    tmp_path: Path,
) -> None:
    from readsim_hf.store.reading import TeachStore

    folder = damaged(store, tmp_path / "damaged", change)
    with pytest.raises(error, match=words) as caught:
        TeachStore(folder)
    assert "\n" not in str(caught.value)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def swap(folder: Path, old: str, new: str) -> None:
    path = folder / "store.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_two_readers_at_once_read_what_one_reads(store: Path) -> None:
    def read(seed: int) -> list[str]:
        parts = stored(store)
        feed = parts.feed(seed, lambda: parts.pair.student)
        return [p.text for stream in feed.streams for p in stream.take(25, 0.3)]

    alone = [read(1), read(2)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(read, (1, 2))) == alone
    before = {p: p.stat().st_mtime_ns for p in store.rglob("*")}
    read(3)
    assert {p: p.stat().st_mtime_ns for p in store.rglob("*")} == before, "nothing is written"


# ----------------------------------------------------------------------------- what contradicts it


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "resp-kd"}, "the signal 'resp' of this run is not 'logit'"),
        ({"on_policy": 0.5}, "on_policy = 0.5 .* needs a live teacher"),
        ({"soft": {"kind": "full"}}, "soft.kind = 'full': .* holds 'topk' distributions"),
        ({"soft": {"k": 6}}, "soft.k = 6: .* holds 5 entries a token"),
        ({"decoding": {"temperature": 0.1}}, "decoding.temperature = 0.1: .* made with 0.7"),
        ({"data": {"keep": "correct"}}, "data.keep = 'correct': .* made with 'all'"),
        ({"pair": {"system_prompt": "Hi"}}, "pair.system_prompt = 'Hi': .* made with None"),
        ({"pair": {"teachers": {"math": "x"}}}, "pair.teachers = .* of its own"),
        ({"pair": {"chat_template": "none"}}, "pair.chat_template = 'none': .* of its own"),
    ],
)
def test_settings_that_contradict_the_store_are_one_line(
    settings: dict[str, Any], words: str, store: Path
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        stored(store, **settings)
    assert "\n" not in str(caught.value)


def test_the_store_settles_what_is_not_said(store: Path, tmp_path: Path) -> None:
    from readsim_hf.config import resolve_config

    config = resolve_config(None, {"data": {"store": str(store)}}, tmp_path / "cache.sqlite")
    assert (config.decoding.max_new_tokens, config.soft.k, config.data.keep_cut) == (8, 5, True)
    assert config.pair.name == "nano"
    assert not config.data.cache, "there is nobody whose replies were kept there"
    other = resolve_config(None, {"data": {"store": str(store)}, "pair": {"student": "mine"}})
    assert (other.pair.teacher, other.pair.student) == ("nano/teacher", "mine")


def test_the_identity_is_the_content_wherever_it_lies(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "elsewhere")
    base = stored(store).identity
    assert stored(tmp_path / "elsewhere").identity == base
    taught(tmp_path / "elsewhere", PROMPTS + 1)
    assert stored(tmp_path / "elsewhere").identity != base


def test_a_student_of_these_tokens_is_loaded_alone(store: Path) -> None:
    from readsim_hf.components import pair_of
    from readsim_hf.config import resolve_config

    config = resolve_config(None, {"data": {"store": str(store)}})
    pair = pair_of(config)
    assert pair.teacher is None
    assert pair.server is None
    assert pair.vocabulary == 99


def test_given_a_store_teach_is_refused(store: Path, tmp_path: Path) -> None:
    from readsim_hf.teach import Wanted, teach

    with pytest.raises(ConfigError, match=r"data.store = .*: `teach` asks a teacher"):
        teach(None, {"data": {"store": str(store)}}, tmp_path / "x", Wanted(1))
    with pytest.raises(ConfigError, match=r"on_policy = 0.5"):
        teach(None, {"on_policy": 0.5, "soft": {"kind": "topk"}}, tmp_path / "x", Wanted(1))
    with pytest.raises(ConfigError, match=r"--small with soft.kind = 'full'"):
        teach(None, {}, tmp_path / "x", Wanted(1), "small")
    assert not (tmp_path / "x").exists()


def test_facts_of_a_manifest(store: Path) -> None:
    from readsim_hf.store.manifest import load_manifest

    made: Manifest = load_manifest(store)
    assert made.complete
    assert made.sources == SOURCES
    assert made.facts.teacher == char_teacher()
    moved = replace(made, folder=Path("elsewhere"), models={})
    assert moved.content == made.content


def char_teacher() -> str:
    from readsim_hf.teachers.ids import fingerprint

    pair = char_pair()
    assert pair.teacher is not None
    return fingerprint(pair.teacher, pair.teacher_tokenizer)


# ----------------------------------------------------------------------------- as a person meets it


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
    for more in ((), ("--prompts", "3", "--tokens", "9")):
        code, _, err = call(capsys, "teach", "--out", str(tmp_path / "x"), *more)
        assert code == 2
        assert "say how much of each source is asked" in " ".join(err.split())
    code, _, err = call(capsys, "teach", "--out", str(tmp_path / "x"), "--export", "axolotel=dir")
    assert code == 2
    assert "axolotl" in err


NANO = ("--pair", "nano", "--soft", "topk", "--probe-items", "2", "--seed", "0")


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
    from readsim_hf.teach import Wanted, teach
    from tests.support.made_server import serving

    settings: dict[str, Any] = {
        "method": "resp-sft",
        "decoding": {"max_new_tokens": 8},
        "probes": {"probe": 2, "dev": 2, "test": 2},
        "data": {"group": 4, "keep_cut": True, "capabilities": ["math"]},
    }
    with serving() as fake:
        settings["pair"] = {"teacher": fake.url, "student": "nano/student"}
        made = teach(None, settings, tmp_path / "store", Wanted(6))
        assert made is not None
        asked = len(fake.asked)
        assert asked >= 6
        assert (tmp_path / "store" / "replies.sqlite").is_file()
        (tmp_path / "store" / "store.json").unlink()
        again = teach(None, settings, tmp_path / "store", Wanted(6))
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
