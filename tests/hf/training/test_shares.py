"""What trained of each source: micro-batches of long replies, losses and gradients by source, units."""

from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.runs.trained_shares import achieved_shares
from tests.support.hf import NEEDS, full_soft, record, tiny
from tests.support.hf_runs import small

pytestmark = pytest.mark.extra(*NEEDS)

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=40)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 400), st.booleans())
def test_a_batch_has_no_more_than_it_may(
    lengths: list[int], size: int, tokens: int, equal: bool
) -> None:
    from readsim_hf.teachers.inference import batches

    made = batches(lengths, size, equal=equal, tokens=tokens)
    assert sorted(index for part in made for index in part) == list(range(len(lengths)))
    for part in made:
        own = [lengths[index] for index in part]
        assert 0 < len(part) <= size
        assert len(part) == 1 or len(part) * max(own) <= tokens
        assert not equal or len(set(own)) == 1
    flat = [lengths[index] for part in made for index in part]
    assert flat == sorted(lengths)
    # One more would not have fitted: none is cut for nothing.
    for part, after in pairwise(made):
        longer = lengths[after[0]]
        full = len(part) == size or (len(part) + 1) * longer > tokens
        assert full or (equal and longer != lengths[part[0]])


def window(soft: bool = True) -> list[Any]:
    """Examples of three sources, of very different lengths."""
    from dataclasses import replace

    from readsim_hf.training.batch import Example

    rng, made = np.random.default_rng(3), []
    for n, (source, length) in enumerate([("a", 3), ("b", 40), ("a", 7), ("c", 2), ("b", 25)]):
        prompt, reply = (rng.integers(2, 40, size).tolist() for size in (4 + n, length))
        one = record(prompt, reply, soft=full_soft(length, 40, n) if soft else None)
        made.append(
            Example(replace(one, source=source, weight=2.0 if source == "c" else 1.0), length)
        )
    return made


def student(objective: Any, **settings: Any) -> Any:
    from readsim_hf.training.recipe import Recipe
    from readsim_hf.training.student import Student

    return Student(tiny(), Recipe(**{"learning_rate": 0.01, "batch": 8, **settings}), objective)


def test_a_step_is_the_same_however_its_window_is_cut() -> None:
    from readsim_hf.objectives.baselines import KD

    windows, ends = [], []
    for tokens in (16_384, 60, 1):
        one = student(KD(), micro_tokens=tokens)
        windows.append(one.train_window(window(), 0.5))
        ends.append(one.weights())
    for other, weights in zip(windows[1:], ends[1:], strict=True):
        assert other.loss == pytest.approx(windows[0].loss, rel=1e-5)
        assert other.losses == pytest.approx(windows[0].losses, rel=1e-5)
        for name, tensor in weights.items():
            assert float((tensor - ends[0][name]).abs().max()) < 1e-4


def test_losses_and_gradients_by_source_are_those_of_the_source_alone() -> None:
    import torch

    from readsim_hf.objectives.baselines import KD, ForwardKL
    from readsim_hf.training.batch import collate
    from readsim_hf.training.logits import loss_sum

    some, one = window(), student(KD())
    total = sum(e.tokens for e in some)
    before = {name: tensor.clone() for name, tensor in one.weights().items()}
    signals = one.source_signals(some)
    assert list(signals) == ["a", "b", "c"]
    assert all((one.weights()[n] == before[n]).all() for n in before)
    assert all(p.grad is None for p in one.parameters)
    by_hand, whole = {}, 0.0
    for source in signals:
        own = [e for e in some if e.record.source == source]
        count = sum(e.tokens for e in own)
        one.trained.zero_grad()
        loss = loss_sum(one.trained, collate(own), KD())
        (loss / total).backward()
        norm = torch.cat([p.grad.flatten() for p in one.parameters if p.grad is not None]).norm()
        one.trained.zero_grad(set_to_none=True)
        with torch.no_grad():
            kl = float(loss_sum(one.trained, collate(own), ForwardKL())) / count
        weight = own[0].record.weight  # KL is not weighted, gradient and loss are
        assert signals[source].gradient == pytest.approx(float(norm), rel=1e-4)
        assert signals[source].kl == pytest.approx(kl / weight, rel=1e-4)
        by_hand[source] = float(loss.detach())
        whole += float(loss.detach())
    step = one.train_window(some, 0.5)
    assert step.losses == pytest.approx(by_hand, rel=1e-5)
    assert step.loss == pytest.approx(whole / total, rel=1e-5)


def test_a_source_adds_nothing_to_a_step_that_it_is_not_in() -> None:
    from readsim_hf.training.share_ledger import ShareLedger
    from readsim_hf.training.student import SourceSignal

    account = ShareLedger(("a", "b", "c"))
    account.look({"a": SourceSignal(1.0, 0.5), "b": SourceSignal(3.0, None)})
    account.look({"a": SourceSignal(2.0, 0.7)})
    a, b, c = account.shares()
    assert (a.gradient, b.gradient, c.gradient) == (1.5, 1.5, None)
    assert a.kl == pytest.approx(0.6)
    assert (b.kl, c.kl) == (None, None)


def test_dispersion_is_that_of_the_tokens_own_log_ratios() -> None:
    """Beside the teacher's and the student's log-probabilities of each token, taken one by one."""
    import torch

    from readsim_hf.objectives.base import SoftTargets, Targets
    from readsim_hf.objectives.baselines import KD
    from readsim_hf.training.source_losses import BesideKL, LogRatio

    rng = np.random.default_rng(4)
    logits = torch.tensor(rng.standard_normal((6, 9)), dtype=torch.float32)
    teacher = torch.tensor(rng.standard_normal((6, 9)), dtype=torch.float32).log_softmax(-1)
    tokens = torch.tensor([0, 3, 8, 8, 1, 5])
    full = Targets(tokens, SoftTargets("full", torch.zeros((6, 0), dtype=torch.int64), teacher))
    mine = logits.log_softmax(-1)
    by_hand = [float(teacher[n, t] - mine[n, t]) for n, t in enumerate(tokens.tolist())]
    np.testing.assert_allclose(LogRatio()(logits, full), by_hand, atol=1e-5)
    ids = teacher.topk(3).indices
    part = Targets(tokens, SoftTargets("topk", ids, teacher.gather(-1, ids)))
    for n, t in enumerate(tokens.tolist()):
        if t not in ids[n].tolist():  # the rest of the mass, of both
            rest = torch.tensor([k not in ids[n].tolist() for k in range(9)])
            by_hand[n] = float(teacher[n, rest].logsumexp(0) - mine[n, rest].logsumexp(0))
    np.testing.assert_allclose(LogRatio()(logits, part), by_hand, atol=1e-5)
    some, one = window(), student(KD())
    signals = one.source_signals(some)
    beside = BesideKL(KD())
    assert beside.ratios == []
    assert all(s.dispersion is not None and s.dispersion > 0 for s in signals.values())
    assert sum(s.part for s in signals.values()) == pytest.approx(1.0)


def test_signals_are_of_a_token_of_the_source_and_unknown_where_it_was_not_seen() -> None:
    from readsim_hf.training.share_ledger import source_signals
    from readsim_hf.training.student import SourceSignal

    found = {"a": SourceSignal(1.0, 0.5, 2.0, 0.25), "c": SourceSignal(3.0, None, None, 0.75)}
    gradient, kl, dispersion = source_signals(("a", "b", "c"), found)
    np.testing.assert_allclose(gradient, [4.0, np.nan, 4.0])
    np.testing.assert_allclose(kl, [0.5, np.nan, np.nan])
    np.testing.assert_allclose(dispersion, [2.0, np.nan, np.nan])


@pytest.mark.parametrize("name", ["dn", "gradient-share", "d3"])
def test_rules_of_signals_play_on_a_real_pair(name: str) -> None:
    from readsim.envs.env import DistillEnv
    from readsim.runs.loop import rollout

    backend = small()
    env = DistillEnv(backend=backend, task={"general": 0.5, "math": 0.5}, steps=2)
    rows, _ = rollout([env], name, [3])
    scores = [row["report"]["score"] for row in rows if row["kind"] == "step"]
    assert all(np.isfinite(score).all() for score in scores)
    signals, used = backend.source_signals()
    assert np.isfinite(np.stack(signals)).all()
    assert used == {}


def test_without_distributions_there_is_no_divergence() -> None:
    from readsim_hf.objectives.baselines import SFT

    signals = student(SFT()).source_signals(window(soft=False))
    assert {signal.kl for signal in signals.values()} == {None}


def test_looking_changes_no_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.training import source_weights

    ends = []
    for every in (1, 10**9):
        monkeypatch.setattr(source_weights, "EVERY", every)
        backend = small()
        backend.reset(1)
        backend.run_interval(0, np.array([0.7, 0.3]), 120)
        ends.append((backend.student.weights(), backend.trained_shares()))
    (looked, shares), (blind, others) = ends
    assert all((looked[name] == blind[name]).all() for name in looked)
    assert [s.gradient is None for s in shares] == [False, False]
    assert [s._replace(gradient=None, kl=None) for s in shares] == [
        s._replace(gradient=None, kl=None) for s in others
    ]


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["tokens", "prompts", "loss"])
def test_what_an_allocation_shares_out(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.training.student import Student

    seen: list[Any] = []
    train = Student.train_window

    def watched(self: Any, examples: Any, spent: float) -> Any:
        seen.extend(examples)
        return train(self, examples, spent)

    monkeypatch.setattr(Student, "train_window", watched)
    backend = small(data={"unit": unit}, budget=1200)
    backend.reset(2)
    for step, weights in enumerate(([0.8, 0.2], [0.3, 0.7], [1.0, 0.0])):
        seen.clear()
        measured = backend.run_interval(step, np.array(weights), 400)
        assert measured.token_usage["student"] == 400
        shares = backend.trained_shares()
        assert sum(s.tokens for s in shares) == 400 == sum(e.tokens for e in seen)
        assert [s.prompts for s in shares] == [
            sum(e.record.source == s.source for e in seen) for s in shares
        ]
        longest = max(e.record.supervised for e in seen)
        count = sum(s.prompts for s in shares)
        if unit == "tokens":
            assert all(
                abs(s.tokens - w * 400) <= longest for s, w in zip(shares, weights, strict=True)
            )
        elif unit == "prompts":
            assert all(
                abs(s.prompts - w * count) <= 1 for s, w in zip(shares, weights, strict=True)
            )
        else:
            fed = [w for w in weights if w > 0]
            assert all(
                abs(s.tokens - (w > 0) * 400 / len(fed)) <= longest
                for s, w in zip(shares, weights, strict=True)
            )
            for s, w in zip(shares, weights, strict=True):
                own = [e.record.weight for e in seen if e.record.source == s.source]
                assert own == pytest.approx([w * len(fed)] * len(own))
    identities = {small(data={"unit": u}).components.identity for u in (unit, "tokens")}
    assert len(identities) == (1 if unit == "tokens" else 2)


def test_a_group_of_replies_is_one_prompt() -> None:
    """With `unit = "prompts"` |w_i N - n_i| <= 1 at every step, however many replies a group has."""
    from readsim_hf.training.example_stream import ExampleStream

    rng = np.random.default_rng(0)

    class Names:
        def __init__(self, name: str) -> None:
            self.name = name

        def take(self, n: int, spent: float) -> list[str]:
            return [self.name] * n

    class Groups:
        tokens: ClassVar[dict[str, int]] = {}

        def ask(self, prompts: Any) -> list[Any]:
            sizes = [int(rng.integers(1, 6)) for _ in prompts]
            return [
                tuple(replace(record([2], [3, 4]), source=p, group=(n, k)) for n in range(k))
                for p, k in zip(prompts, sizes, strict=True)
            ]

    weights, counts, trained = np.array([0.5, 0.3, 0.2]), np.zeros(3), np.zeros(3)
    streams: Any = [Names(name) for name in "abc"]
    feed, found = ExampleStream(streams, Groups(), unit="prompts"), np.zeros(3)
    while trained.sum() < 600:
        for example in feed.window(weights, trained, 600, 8, 0.0, counts):
            found["abc".index(example.record.source)] += example.record.group[0] == 0
        assert np.abs(weights * found.sum() - found).max() <= 1


def test_shares_are_of_what_was_trained() -> None:
    from readsim.runs.trained_shares import TrainedShare

    shares = (TrainedShare("a", 3, 10, 2.0, 1.0, None), TrainedShare("b", 1, 30, 1.0, 3.0, None))
    found = achieved_shares(shares)
    expected = {"prompts": 0.75, "tokens": 0.25, "loss": 20 / 50, "gradient": 0.25}
    for name, first in expected.items():
        each = found[name]
        assert each is not None
        assert each.tolist() == pytest.approx([first, 1 - first])
    unseen = achieved_shares((shares[0]._replace(gradient=None), shares[1]))
    assert unseen["gradient"] is None
    idle = achieved_shares((TrainedShare("a", 0, 0), shares[1]))
    assert [None if v is None else v.tolist() for v in idle.values()] == [[0.0, 1.0]] * 4


def test_long_texts_are_scored_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No forward pass has more than so many tokens unless for one text, and the scores are the same."""
    from readsim_hf.teachers import scoring

    rng, model = np.random.default_rng(5), tiny()
    passages = []
    for length in (3, 40, 41, 90, 5, 30):
        ids = rng.integers(2, 40, 4 + length).tolist()
        passages.append(scoring.Passage(ids[:4], ids[4:], (0, length)))
    soft = scoring.SoftSettings(kind="topk", k=8)
    shapes: list[tuple[int, int]] = []
    whole = scoring.score(model, passages, soft, vocab=40)
    monkeypatch.setattr(scoring, "TOKENS", 64)
    model.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    few = scoring.score(model, passages, soft, vocab=40)
    assert len(shapes) > 1
    assert all(rows == 1 or rows * width <= 64 for rows, width in shapes)
    for one, other in zip(whole, few, strict=True):
        np.testing.assert_allclose(
            one.logp.astype(np.float64), other.logp.astype(np.float64), atol=2e-3
        )


@pytest.mark.parametrize("rule", ["dn", "gradient-share"])
def test_logged_losses_and_gradients_are_of_what_trained(
    monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    """Beside each window's own gradient and losses by source, of the weighted examples as they train."""
    from readsim_hf.training.student import Student

    backend = small(method="mopd", sampling={"weights": rule})
    backend.reset(0)
    seen: list[dict[str, float]] = []
    losses: dict[str, float] = {}
    train = Student.train_window

    def watched(self: Any, examples: Any, spent: float) -> Any:
        seen.append({k: s.gradient for k, s in self.source_signals(examples).items()})
        made = train(self, examples, spent)
        for source, loss in made.losses.items():
            losses[source] = losses.get(source, 0.0) + loss
        return made

    monkeypatch.setattr(Student, "train_window", watched)
    backend.run_interval(0, np.array([0.5, 0.5]), 60)
    assert any(abs(w - 1) > 0.01 for w in backend._weights.values())
    for share in backend.trained_shares():
        assert share.gradient == pytest.approx(seen[0][share.source], rel=1e-3)
        assert share.loss == pytest.approx(losses[share.source] / share.tokens)


@pytest.mark.parametrize("unit", ["tokens", "prompts", "loss"])
def test_gradient_shares_are_those_of_the_allocation_in_every_unit(
    monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    """Whatever an allocation shares out, the gradients of a window that was looked at are shared out so."""
    from readsim_hf.training.student import Student

    backend = small(method="mopd", sampling={"weights": "gradient-share"}, data={"unit": unit})
    backend.reset(0)
    seen: list[dict[str, float]] = []
    train = Student.train_window

    def watched(self: Any, examples: Any, spent: float) -> Any:
        seen.append({k: s.gradient for k, s in self.source_signals(examples).items()})
        return train(self, examples, spent)

    monkeypatch.setattr(Student, "train_window", watched)
    backend.run_interval(0, np.array([0.7, 0.3]), 60)
    assert not {0.25, 4.0} & {*backend._weights.values()}  # nothing was clipped
    one, other = seen[0].values()
    assert one / (one + other) == pytest.approx(0.7, rel=1e-3)
