"""A teach store as runs read it: what its teacher said, and nothing beside it; damage is named."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from readsim.errors import ConfigError, ReadsimError, RunLogError, SchemaError
from tests.support.hf import NEEDS, char_pair
from tests.support.stores import PROMPTS, ROUNDING, SOURCES, live, same_record, stored, taught

if TYPE_CHECKING:
    from readsim_hf.store.manifest import Manifest

pytestmark = pytest.mark.extra(*NEEDS, "pyarrow")

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
            assert same_record(mine.record, theirs.record)
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
                assert same_record(one, other, bound + 1e-6)
    assert small.manifest.token_bytes < exact.manifest.token_bytes


def test_a_smaller_k_is_cut_from_the_stored_one(store: Path) -> None:
    """The two likeliest of five are the two likeliest: what a teacher asked for two would give."""
    parts = stored(store, soft={"k": 2})
    prompts = parts.feed(0, lambda: parts.pair.student).streams[0].take(4, 0.5)
    asked = live(soft={"k": 2}).teacher.ask(prompts)
    for mine, theirs in zip(parts.teacher.ask(prompts), asked, strict=True):
        assert same_record(mine, theirs, ROUNDING)


def test_a_run_trains_probes_and_is_restored_from_a_store(store: Path, tmp_path: Path) -> None:
    from readsim_hf.backend import HFBackend

    backend = HFBackend(stored(store), 120)
    assert backend.sources == SOURCES
    backend.reset(0)
    saved = backend.snapshot()
    first = backend.run_interval(0, np.array([0.5, 0.5]), 60)
    weights = {k: v.clone() for k, v in backend.student.weights().items()}
    backend.restore(saved)
    backend.save(tmp_path)
    backend.load(tmp_path)
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
        (lambda f: swap(f, '"k": 5', '"k": 4'), RunLogError, "does not match its hash"),
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
        ({"soft": {"k": 6}}, "soft.k = 6: .* holds 5 entries per token"),
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
