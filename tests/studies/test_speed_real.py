"""The study of what real distillation costs: both sides of each comparison do the same work."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.hf import NEEDS, char_pair

pytestmark = pytest.mark.extra(*NEEDS)


def small(**changes: Any) -> Any:
    """A size of a few tokens."""
    from studies.speed_real.sizes import NANO

    plain = {"width": 16, "vocabulary": 40, "batch": 3, "length": 12, "layers": 1}
    return replace(NANO, teacher_layers=1, **plain | changes)


@pytest.mark.parametrize(
    ("kind", "objective"), [("full", "fkl"), ("topk", "fkl"), ("topk", "mopd")]
)
def test_the_bare_loop_makes_the_same_steps(kind: Any, objective: str) -> None:
    from studies.speed_real import bare_loop

    ours, bare = bare_loop.sides(small(), kind, 3, objective)
    losses = np.array([(ours(n), bare(n)) for n in (0, 1, 2, 0)])
    assert np.allclose(losses[:, 0], losses[:, 1], rtol=1e-5)
    assert losses[3, 0] < losses[0, 0]
    assert bare_loop.measure(small(), kind, 1, 2, objective).ratio > 0


def test_replies_of_any_length_are_the_same_work_for_both() -> None:
    from studies.speed_real import lengths

    windows = [lengths.window(mean, 0, 60) for mean in (4, 30)]
    ours, bare, _ = lengths.sides(windows)
    losses = np.array([(ours(n), bare(n)) for n in (0, 1, 0)])
    assert np.allclose(losses[:, 0], losses[:, 1], rtol=1e-4)
    pair, ledger = lengths.measure(4, 2, 40)
    assert pair.ratio > 0
    assert ledger > 0


@pytest.mark.slow
@pytest.mark.extra("trl", "datasets")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_trl_makes_the_same_steps() -> None:
    from studies.speed_real import gkd
    from studies.speed_real.sizes import texts

    size = small(vocabulary=99)
    windows = [texts(size, seed) for seed in range(2)]
    teacher = size.teacher()
    call = gkd.trl_call(size, teacher, windows)
    assert len(call.steps) == 2
    assert call.whole > sum(call.steps) > 0
    ours = gkd.our_call(size, teacher, windows, "full")
    assert len(ours.steps) == 2
    for theirs, our_weight in zip(
        call.student.parameters(), ours.student.parameters(), strict=True
    ):
        assert np.allclose(theirs.detach().numpy(), our_weight.detach().numpy(), atol=2e-6)


@pytest.mark.parametrize("cache", [None, "static"])
def test_both_write_replies(cache: str | None) -> None:
    from studies.speed_real import generation

    ours, theirs = generation.sides(small(), 2, cache, count=5, longest=6)
    assert ours() > 0
    assert theirs() > 0


def test_the_memory_of_a_step_is_read_from_the_process() -> None:
    from studies.speed_real import memory

    assert 50_000 < memory.peak() < 50_000_000


def test_a_cached_reply_is_the_teachers() -> None:
    from studies.speed_real.teacher_cache import measure

    assert measure(char_pair(), prompts=8, rounds=1).ratio > 0


@pytest.mark.slow
def test_the_overhead_is_what_is_left_of_a_run() -> None:
    from studies.speed_real.overhead import Spent, run

    sizes = {"probe": 2, "dev": 2, "test": 2, "max_new_tokens": 2}
    training = {"batch": 8}
    data = {"keep_cut": True}  # a random teacher seldom ends a reply
    tiny = {"probes": sizes, "training": training, "decoding": {"max_new_tokens": 4}, "data": data}
    spent = run(char_pair(), {"budget": 80, "steps": 2, "pool_runs": 1, **tiny})
    assert spent.tokens == 80 + 40  # with one short training for the pool
    assert min(spent[:4]) > 0
    made_up = Spent(train=10, teacher=99, probe=3, other=1, tokens=1000, steps=4)
    assert made_up.overhead(900) == pytest.approx(4 / (4 * 9 + 4))


def test_what_is_kept_while_replies_are_made_is_what_scoring_finds() -> None:
    from readsim_hf.teachers.decoding import Decoding, ReplyDistributions, generate
    from readsim_hf.teachers.scoring import Passage, SoftSettings, score
    from tests.support.made_teachers import random_model

    model, ends = random_model(), [0, *range(40, 90)]  # so many that rows end at different times
    draws = np.random.default_rng(0)
    prompts = [draws.integers(3, 320, n).tolist() for n in draws.integers(1, 30, 30)]
    alone = Decoding(12, 0.7, 1)
    for settings in (SoftSettings("full"), SoftSettings("topk", 5)):
        spoken = ReplyDistributions(settings)
        replies = generate(
            model, prompts, Decoding(12, 0.7, 30), ends=ends, vocab=320, spoken=spoken
        )
        assert [r.tolist() for r in replies] == [
            r.tolist() for r in generate(model, prompts, alone, ends=ends, vocab=320)
        ]
        assert len({len(r) for r in replies}) > 4
        spans = [(len(r) // 2, len(r)) for r in replies]
        texts = [Passage(p, r, s) for p, r, s in zip(prompts, replies, spans, strict=True)]
        scored = score(model, texts, settings, vocab=320)
        for kept, found in zip(spoken.softs(spans), scored, strict=True):
            assert kept is not None
            assert np.array_equal(kept.ids, found.ids)
            assert np.allclose(kept.logp, found.logp, atol=1e-4)
    sampled = ReplyDistributions(SoftSettings("sampled", 3))
    generate(model, prompts[:2], alone, ends=ends, vocab=320, spoken=sampled)
    assert sampled.softs([(0, 1), (0, 1)]) == [None, None]


def test_a_request_fills_up_all_sources_that_are_short() -> None:
    from readsim_hf.training.example_stream import ExampleStream
    from tests.support.hf import record

    class Stream:
        capability = "math"

        def take(self, n: int, spent: float) -> list[int]:
            return [n] * n

    class Asked:
        tokens: dict[str, int] = {}  # noqa: RUF012  # never written to

        def __init__(self) -> None:
            self.sizes: list[int] = []

        def ask(self, prompts: Any) -> Any:
            self.sizes.append(len(prompts))
            return [record([5], [6] * 16) for _ in prompts]

    asked = Asked()
    streams: Any = [Stream(), Stream(), Stream()]
    feed = ExampleStream(streams, asked, group=10)
    trained = np.zeros(3)
    weights = np.array([0.5, 0.5, 0.0])
    while trained.sum() < 16 * 30:
        feed.window(weights, trained, 16 * 30, 4, 0.0)
    assert trained.tolist() == [240, 240, 0]
    assert asked.sizes[0] == 20  # both sources, each at most a group
    assert len(asked.sizes) == 2
