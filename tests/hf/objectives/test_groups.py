"""Objectives on groups of replies: against numpy, against TRL, and where they have to be 0."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.errors import ConfigError, TrainingError
from tests.support.made_targets import kl, made, pair, softmax, targets
from tests.support.trl_trainers import ALONE, Metrics, trl_grpo

pytestmark = pytest.mark.extra("torch")

OWN = ("mopd", "mopd-kl", "kdrl", "minillm")
WHOLE = ("dpo", "dpkd", "plad", "rrhf", "pro")
SEEDS = st.integers(0, 10**6)


def own_text(seed: int, n: int = 6, v: int = 8) -> tuple[Array, Array, Any, Any]:
    """Logits of a teacher and a student in numpy, the student's as a tensor, and the targets of its text."""
    import torch

    t, s, teacher, student = pair(seed, n, v)
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, v, n)
    now = np.log(softmax(s))[np.arange(n), tokens]
    constants = {
        "old": now + rng.normal(0, 0.3, n),
        "advantage": np.repeat(rng.normal(), n),
        "return": rng.normal(0, 1, n),
        "teacher": np.log(softmax(t))[np.arange(n), tokens],
    }
    beside = {k: torch.tensor(x, dtype=torch.float32) for k, x in constants.items()}
    made_ = targets(teacher, "full")._replace(tokens=torch.from_numpy(tokens), constants=beside)
    return t, s, student, made_


def gain(advantage: Array, ratio: Array, clip: float) -> Array:
    out: Array = np.minimum(ratio * advantage, np.clip(ratio, 1 - clip, 1 + clip) * advantage)
    return out


@given(seed=SEEDS, clip=st.sampled_from([0.05, 0.2, 1e9]))
def test_policy_gradients_are_their_formulas(seed: int, clip: float) -> None:
    t, s, student, own = own_text(seed)
    p, q, at = softmax(t), softmax(s), own.tokens.numpy()
    rows = np.arange(len(at))
    beside = {k: x.numpy().astype(float) for k, x in own.constants.items()}
    ratio = q[rows, at] / np.exp(beside["old"])
    log_ratio = np.log(p / q)[rows, at]
    expected = {
        "mopd": -gain(log_ratio, ratio, clip),
        "mopd-kl": kl(q, p),
        "kdrl": -gain(beside["advantage"], ratio, clip) + 0.3 * kl(q, p),
        "minillm": kl(q, p) - gain(beside["return"], ratio, clip),
    }
    for name, values in expected.items():
        settings = {"kl": 0.3} if name == "kdrl" else {}
        settings |= {} if name == "mopd-kl" else {"clip": clip}
        loss = made(name, **settings)(student, own)
        np.testing.assert_allclose(loss.detach().numpy(), values, rtol=2e-4, atol=2e-5)


def test_the_log_ratio_is_a_constant() -> None:
    """Of MOPD's loss only the importance weight has a gradient: it is A rho grad log pi."""
    import torch

    _, _, student, own = own_text(3)
    rows = torch.arange(len(own.tokens))
    logp = student.log_softmax(-1)[rows, own.tokens]
    advantage = (own.soft.logp[rows, own.tokens] - logp).detach()
    ratio = (logp - own.constants["old"]).exp()
    (ours,) = torch.autograd.grad(made("mopd", clip=1e9)(student, own).sum(), student)
    (theirs,) = torch.autograd.grad(-(ratio * advantage).sum(), student)
    torch.testing.assert_close(ours, theirs)


def test_in_expectation_the_gradient_is_that_of_reverse_kl() -> None:
    """The sum over all tokens, each with its probability, of the single-sample gradients."""
    import torch

    _, s, teacher, student = pair(5, 1, 7)
    q = softmax(s)[0]
    total = torch.zeros(7)
    for token in range(7):
        old = torch.tensor([math.log(q[token])], dtype=torch.float32)
        own = targets(teacher, "full")._replace(
            tokens=torch.tensor([token]),
            constants={"old": old, "teacher": teacher.log_softmax(-1)[0, token, None]},
        )
        (grad,) = torch.autograd.grad(made("mopd")(student, own).sum(), student)
        total += float(q[token]) * grad[0]
    exact = made("mopd-kl")(student, targets(teacher, "full"))
    (grad,) = torch.autograd.grad(exact.sum(), student)
    torch.testing.assert_close(total, grad[0], rtol=1e-4, atol=1e-5)


@given(st.lists(st.one_of(st.floats(-9, 9), st.sampled_from([0.0, 1.0])), min_size=1, max_size=9))
def test_advantages_are_normalised_in_their_group(rewards: list[float]) -> None:
    from readsim_hf.objectives.policy_gradient import group_advantages

    found = group_advantages(np.array(rewards))
    assert abs(found.sum()) < 1e-6
    if len(rewards) == 1 or np.ptp(rewards) == 0:
        assert not found.any()
    elif np.std(rewards) > 1e-6:
        assert found.std(ddof=1) == pytest.approx(1)
        assert found[np.argmax(rewards)] == found.max()
    with pytest.raises(TrainingError, match=r"rewards are \[nan\]: each must be a finite number"):
        group_advantages(np.array([np.nan]))


@given(st.integers(1, 9), SEEDS)
def test_what_comes_after_a_token(length: int, seed: int) -> None:
    from readsim_hf.objectives.policy_gradient import later_ratios

    teacher, old = np.random.default_rng(seed).normal(size=(2, length)).astype(np.float32)
    ratio = teacher - old
    expected = [ratio[t + 1 :].mean() if t + 1 < length else 0.0 for t in range(length)]
    np.testing.assert_allclose(later_ratios(teacher, old), expected, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- whole replies


def replies(seed: int, lengths: tuple[int, ...]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Log-probabilities of the tokens of a group's replies, and their constants; scores fall."""
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.normal(-2, 1, len(lengths)))[::-1]
    logp = [-rng.exponential(2, n).astype(np.float32) for n in lengths]
    constants = [
        {
            "start": -rng.exponential(2, n).astype(np.float32),
            "teacher": -rng.exponential(2, n).astype(np.float32),
            "score": np.full(n, score, np.float32),
        }
        for n, score in zip(lengths, scores, strict=True)
    ]
    return logp, constants


def by_hand(name: str, logp: list[Any], constants: list[dict[str, Any]]) -> float:
    """The loss of a group in a few lines."""
    mean, s = np.array([x.mean() for x in logp]), [c["score"][0] for c in constants]
    n = len(logp)
    if name in ("dpo", "dpkd"):
        of = "start" if name == "dpo" else "teacher"
        over = [(x - c[of]).sum() for x, c in zip(logp, constants, strict=True)]
        if name == "dpkd":
            over = [o / len(x) for o, x in zip(over, logp, strict=True)]
        return float(np.mean([np.log1p(np.exp(-0.1 * (over[0] - o))) for o in over[1:]]))
    if name == "plad":
        return float(np.mean([max(0, 1 - mean[0] + m) for m in mean[1:]]))
    if name == "rrhf":
        ranks = sum(max(0, mean[j] - mean[i]) for i in range(n) for j in range(n) if s[i] > s[j])
        return float(ranks - mean[0])
    total = -0.05 * mean[0]
    for k in range(n - 1):
        heat = {i: s[k] - s[i] for i in range(k + 1, n)}
        terms = {k: mean[k] * max(heat.values())} | {i: mean[i] * h for i, h in heat.items()}
        total -= np.log(np.exp(terms[k]) / sum(np.exp(x) for x in terms.values()))
    return float(total)


@pytest.mark.parametrize("name", WHOLE)
@given(seed=SEEDS, lengths=st.sampled_from([(3, 5), (1, 1), (4, 1, 2, 6)]))
def test_whole_replies_are_their_formulas(name: str, seed: int, lengths: tuple[int, ...]) -> None:
    from readsim_hf.objectives.compared import slopes

    logp, constants = replies(seed, lengths)
    found = slopes(made(name), logp, constants)
    assert sum(one["value"].sum() for one in found) == pytest.approx(
        by_hand(name, logp, constants), rel=1e-4, abs=1e-5
    )
    for reply, one in enumerate(found):  # the slopes, by finite differences
        moved = [x.astype(np.float64) for x in logp]
        ends = []
        for sign in (1, -1):
            moved[reply] = logp[reply].astype(np.float64)
            moved[reply][0] += sign * 1e-5
            ends.append(by_hand(name, moved, constants))
        slope = (ends[0] - ends[1]) / 2e-5
        assert one["slope"][0] == pytest.approx(slope, rel=1e-2, abs=1e-4)


def test_settings_of_the_margins() -> None:
    from readsim_hf.objectives.compared import slopes

    logp, constants = replies(2, (3, 4))
    plain = made("plad", margin=0.0, scored=1.0)
    assert plain.needs_soft
    assert not made("plad").needs_soft
    gap = constants[0]["score"][0] - constants[1]["score"][0]
    expected = max(0.0, gap - logp[0].mean() + logp[1].mean())
    found = sum(one["value"].sum() for one in slopes(plain, logp, constants))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_lengths_count_for_nothing_unless_they_are_asked_for() -> None:
    """Eq. 9 of DPKD with every token said twice is the same; Eq. 8 has twice the margin."""
    from readsim_hf.objectives.compared import slopes

    logp, constants = replies(5, (3, 6))
    twice = [np.repeat(x, 2) for x in logp]
    beside = [{k: np.repeat(v, 2) for k, v in c.items()} for c in constants]

    def loss(given_: Any, known: Any, **settings: float) -> float:
        found = slopes(made("dpkd", **settings), given_, known)
        return sum(float(one["value"].sum()) for one in found)

    assert loss(twice, beside) == pytest.approx(loss(logp, constants), rel=1e-5)
    once = loss(logp, constants, normalised=0, beta=0.2)
    assert loss(twice, beside, normalised=0) == pytest.approx(once, rel=1e-5)
    over = [(x - c["teacher"]).sum() for x, c in zip(logp, constants, strict=True)]
    by_sums = np.log1p(np.exp(-0.2 * (over[0] - over[1])))
    assert once == pytest.approx(by_sums, rel=1e-4)


@given(seed=SEEDS, same=st.integers(1, 3))
def test_equal_scores_are_no_ranking(seed: int, same: int) -> None:
    """Only what is told apart has a slope: here the last replies from the first `same` ones."""
    from readsim_hf.objectives.compared import slopes

    logp, constants = replies(seed, (2, 3, 4))
    for n, one in enumerate(constants):
        one["score"] = np.full_like(one["score"], -1.0 if n < same else -2.0)
    mean = [float(x.mean()) for x in logp]
    found = slopes(made("rrhf", sft=0.0), logp, constants)
    expected = sum(max(0.0, b - a) for a in mean[:same] for b in mean[same:])
    assert sum(one["value"].sum() for one in found) == pytest.approx(expected, abs=1e-5)
    if same == 3:
        for name in ("rrhf", "pro"):
            silent = slopes(made(name, sft=0.0), logp, constants)
            assert all(not one["slope"].any() for one in silent)


@pytest.mark.parametrize("name", WHOLE)
def test_a_reply_alone_is_compared_with_nothing(name: str) -> None:
    from readsim_hf.objectives.compared import slopes

    (found,) = slopes(made(name), *replies(1, (4,)))
    words = {"rrhf": 1.0, "pro": 0.05}.get(name, 0.0)
    np.testing.assert_allclose(found["slope"], -words / 4, rtol=1e-6)


def test_at_the_start_the_preference_loss_is_log_2() -> None:
    from readsim_hf.objectives.compared import slopes

    logp, constants = replies(4, (3, 2))
    same = [{**c, "start": x, "teacher": x} for c, x in zip(constants, logp, strict=True)]
    for name in ("dpo", "dpkd"):
        total = sum(one["value"].sum() for one in slopes(made(name), logp, same))
        assert total == pytest.approx(math.log(2), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        *[(n, "clip", v) for n in ("mopd", "kdrl", "minillm") for v in (0, -1, math.nan)],
        ("kdrl", "kl", -1e-9),
        *[(n, "beta", 0) for n in ("dpo", "dpkd")],
        *[("dpkd", "normalised", x) for x in (2, 0.5)],
        *[(n, "sft", -1) for n in ("rrhf", "pro")],
        ("plad", "scored", math.inf),
        ("plad", "margin", 0),
    ],
)
def test_settings_out_of_range(name: str, setting: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{setting} is {value!r}: it must be a number"):
        made(name, **{setting: value})


def test_other_examples_are_refused_in_a_sentence() -> None:
    _, _, teacher, student = pair(1, 3, 8)
    for name in (*OWN, *WHOLE):
        if name != "mopd-kl":
            with pytest.raises(ConfigError, match=r"the examples have no '.*': this objective"):
                made(name)(student, targets(teacher, "full"))


# ---------------------------------------------------------------- TRL


@pytest.mark.extra("trl")
def test_rewards_alone_are_trls_grpo(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    import trl

    rng = np.random.default_rng(0)
    logp, old = (torch.tensor(-rng.exponential(1, (4, 5)), dtype=torch.float32) for _ in "ab")
    old = logp + 0.3 * (old - old.mean())
    rewards = torch.tensor([1.0, 0.0, 0.0, 1.0])
    spread = rewards.std()
    advantages = (rewards - rewards.mean()) / spread
    mask = torch.ones(4, 5)
    mask[1, 3:] = 0
    me = trl_grpo(logp)
    ids = torch.zeros(4, 5, dtype=torch.int64)
    inputs = {
        "prompt_ids": ids,
        "prompt_mask": mask,
        "completion_ids": ids,
        "completion_mask": mask,
    }
    trainer: Any = trl
    theirs = trainer.GRPOTrainer._compute_loss(
        me, None, {**inputs, "advantages": advantages, "old_per_token_logps": old}
    )

    from readsim_hf.objectives.policy_gradient import clipped_gain, group_advantages

    own = torch.from_numpy(group_advantages(rewards.numpy())).float()
    torch.testing.assert_close(own, advantages)
    ours = -clipped_gain(own[:, None], (logp - old).exp(), 0.2)
    torch.testing.assert_close((ours * mask).sum() / mask.sum(), theirs)


@pytest.mark.extra("trl")
def test_preference_is_trls_dpo() -> None:
    import torch
    import trl

    from readsim_hf.objectives.compared import slopes

    logp, constants = replies(9, (5, 5))
    start = np.stack([c["start"] for c in constants])
    mask = torch.ones(2, 6, dtype=torch.int64)
    output = SimpleNamespace(
        log_probs=torch.from_numpy(np.stack(logp)),
        entropy=torch.zeros(2, 5),
        mean_logits=torch.zeros(2, 5),
        is_top1=torch.zeros(2, 5, dtype=torch.bool),
    )
    me: Any = SimpleNamespace(
        model=SimpleNamespace(training=False),
        accelerator=ALONE,
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        loss_types=["sigmoid"],
        loss_weights=[1.0],
        beta=0.1,
        use_weighting=False,
        _metrics=Metrics(),
        _total_train_tokens=0,
    )
    inputs = {
        "input_ids": torch.zeros(2, 6, dtype=torch.int64),
        "completion_mask": mask,
        "ref_chosen_logps": torch.tensor([start[0].sum()]),
        "ref_rejected_logps": torch.tensor([start[1].sum()]),
    }
    trainer: Any = trl
    theirs = trainer.DPOTrainer._compute_loss(me, lambda **_: output, inputs, False)
    ours = sum(one["value"].sum() for one in slopes(made("dpo"), logp, constants))
    assert ours == pytest.approx(float(theirs), rel=1e-5)
