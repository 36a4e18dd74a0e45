"""Weights of sources: the allocators' formulas, and what they do where one domain is loud."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.hf import NEEDS, record

pytestmark = pytest.mark.extra(*NEEDS)


def examples(ratios: dict[str, list[float]]) -> list[Any]:
    """One example a source, whose tokens have these log-ratios of teacher and student."""
    from readsim_hf.teachers.record import Soft
    from readsim_hf.training.batch import Example

    out = []
    for source, some in ratios.items():
        n = len(some)
        logp = np.log(np.full((n, 4), 0.25)).astype(np.float32)
        soft = Soft("full", np.zeros((n, 0), np.int32), logp)
        made = record([2, 3], [0] * n, None, soft)
        beside = {"old": (np.log(0.25) - np.array(some)).astype(np.float32)}
        out.append(Example(replace(made, source=source, constants=beside), n))
    return out


def test_dispersion_weights_are_the_papers() -> None:
    """clip(sigma_all / sigma_d, 1/4, 4), sigma_all over all tokens together."""
    from readsim_hf.training.source_weights import dispersion_weights, weighed

    ratios = {"a": [3.0, -5.0, 2.0, 0.0], "b": [0.5, 0.6], "c": [1.0, -1.0, 0.5]}
    pooled = np.std(np.concatenate(list(ratios.values())))
    expected = {s: np.clip(pooled / np.std(r), 0.25, 4) for s, r in ratios.items()}
    found = dispersion_weights(examples(ratios))
    assert found == pytest.approx(expected, rel=1e-5)
    assert found["b"] == 4.0
    made = weighed(examples(ratios), {"a": 0.5})
    assert [e.record.weight for e in made] == [0.5, 1.0, 1.0]
    assert dispersion_weights([]) == {}
    for e in examples(ratios):  # without log-ratios there are no weights
        assert dispersion_weights([e._replace(record=replace(e.record, constants={}))]) == {}


def test_a_source_of_one_token_has_no_dispersion() -> None:
    """Its weight is 1 and the others' are as without it."""
    from readsim_hf.training.source_weights import dispersion_weights

    two = {"a": [3.0, -5.0, 2.0], "b": [0.5, 0.6, -0.2]}
    assert dispersion_weights(examples({**two, "one": [0.7]})) == dispersion_weights(examples(two))
    assert dispersion_weights(examples({"one": [0.7]})) == {}


def test_gradient_weights_even_out_the_norms() -> None:
    """They do to the shares of the allocation, not to those of the tokens that a window happens to have."""
    from readsim_hf.training.source_weights import gradient_weights
    from readsim_hf.training.student import SourceSignal

    norms, shares = {"a": 3.0, "b": 1.0}, {"a": 0.25, "b": 0.75, "absent": 0.5}
    for part in (0.25, 0.5):
        signals = {s: SourceSignal(norms[s], None, None, part) for s in norms}
        weights = gradient_weights(signals, shares)
        after = np.array([weights[s] * norms[s] for s in norms])
        np.testing.assert_allclose(after, [1.0, 3.0])  # their sum stays
    loud = {**signals, "a": SourceSignal(100.0, None, None, 0.25)}
    assert gradient_weights(loud, shares)["b"] == 4.0  # as far as it goes
    assert gradient_weights({}, shares) == {}
    assert gradient_weights(signals, {"a": 1.0, "b": 0.0}) == {"a": 1.0}


def divergences(rule: Any, seed: int) -> dict[str, float]:
    """What is left of KL(student || teacher) of two domains, as a share, after 60 steps of MOPD.

    A student is a table of logits, a row a domain, with one step for both whose norm is at most .3. The
    logits of the loud domain's teacher are spread five times as far as those of the quiet one's.
    """
    import torch

    from readsim_hf.objectives.base import SoftTargets, Targets, weighted_sum
    from readsim_hf.objectives.mopd import MOPD, MOPDKL
    from readsim_hf.teachers.record import Soft
    from readsim_hf.training.batch import Example
    from readsim_hf.training.source_weights import source_weights

    rng = np.random.default_rng(seed)
    names, v, n = ("loud", "quiet"), 12, 64
    scale = torch.tensor([[5.0], [1.0]])
    teacher = (scale * torch.tensor(rng.normal(size=(2, v)))).float().log_softmax(-1)
    logits = torch.zeros(2, v, requires_grad=True)
    full = SoftTargets("full", torch.zeros(2, 0, dtype=torch.int64), teacher)
    whole = Targets(torch.zeros(2, dtype=torch.int64), full)
    start = MOPDKL()(logits, whole).detach()
    for _ in range(60):
        logp = logits.detach().log_softmax(-1)
        said = [
            rng.choice(v, n, p=np.exp(row) / np.exp(row).sum()) for row in logp.double().numpy()
        ]
        window, losses = [], []
        for d, name in enumerate(names):
            tokens = torch.from_numpy(said[d])
            soft = Soft("full", np.zeros((n, 0), np.int32), teacher[d].expand(n, v).numpy())
            old = logp[d][tokens]
            made = record([0], said[d].tolist(), None, soft)
            window.append(Example(replace(made, source=name, constants={"old": old.numpy()}), n))
            there = SoftTargets(
                "full", torch.zeros(n, 0, dtype=torch.int64), teacher[d].expand(n, v)
            )
            constants = {"old": old, "teacher": teacher[d][tokens]}
            targets = Targets(tokens, there, constants=constants)
            losses.append(weighted_sum(MOPD(), logits[d].expand(n, v), targets) / (2 * n))
        weights = source_weights(rule, window, {}, {}, {})
        total = sum(weights.get(name, 1.0) * loss for name, loss in zip(names, losses, strict=True))
        (grad,) = torch.autograd.grad(total, logits)  # type: ignore[arg-type]
        with torch.no_grad():
            logits -= 0.3 * grad / max(1.0, float(grad.norm()))
    left = MOPDKL()(logits, whole).detach() / start
    return dict(zip(names, left.tolist(), strict=True))


def test_gradients_that_weights_follow_are_looked_at_more_often() -> None:
    from readsim_hf.training.source_weights import look_due

    for rule in ("label", "dn"):
        seen = [n for n in range(200) if look_due(rule, n, ["a", "b"], {})]
        assert seen == [0, 80, 160]
    both = {"a": 1.0, "b": 2.0}
    seen = [n for n in range(35) if look_due("gradient-share", n, ["a", "b"], both)]
    assert seen == [0, 10, 20, 30]
    assert look_due("gradient-share", 3, ["a", "new"], both)
    assert not look_due("gradient-share", 3, ["a"], both)


def test_dispersion_weights_rescue_a_quiet_domain() -> None:
    """As DN-MOPD reports: the quiet one comes much nearer to its teacher, the loud one hardly less near."""
    seeds = range(5)
    label, dn = ([divergences(rule, s) for s in seeds] for rule in ("label", "dn"))
    quiet = [a["quiet"] - b["quiet"] for a, b in zip(label, dn, strict=True)]
    loud = [a["loud"] - b["loud"] for a, b in zip(label, dn, strict=True)]
    assert min(quiet) > 0
    assert np.mean(quiet) > np.abs(np.mean(loud))
