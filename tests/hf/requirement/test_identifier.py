"""The requirement identifier: Eq. (6) against the theory bench, and what it makes of cards."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from readsim.envs.requirement_modes import positive_part
from readsim.errors import ConfigError, RunLogError
from readsim.theory.lemmas.requirement import sigma_projection
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)

G = np.array([0.4, 0.3, 0.2, 0.1])


def evidence(g: Any, scale: float = 1.0, noise: float = 0.0, n: int = 400, seed: int = 0) -> Any:
    """Dp (n, K) and DU (1, n) = Dp g + noise."""
    rng = np.random.default_rng(seed)
    change = scale * rng.normal(size=(n, len(g)))
    return change, (change @ g + noise * scale * rng.normal(size=n))[None]


def minimum(change: Any, utility: Any, loss: str, weight: float) -> Any:
    """Where gradient descent on free logits ends: the loss without any text."""
    import torch

    from readsim_hf.requirement import train as eq6

    both = eq6.Evidence(torch.from_numpy(change), torch.from_numpy(utility))
    value = eq6.raw_loss
    if loss == "standardised":
        both, value = eq6.standardised(both), eq6.standardised_loss
    logits = torch.zeros(1, change.shape[1], dtype=torch.float64, requires_grad=True)
    descent = torch.optim.LBFGS(
        [logits], max_iter=500, line_search_fn="strong_wolfe", tolerance_grad=1e-10
    )

    def step() -> Any:
        descent.zero_grad()
        out = value(torch.log_softmax(logits, -1), both, weight)
        out.backward()  # type: ignore[no-untyped-call]
        return out

    for _ in range(5):
        descent.step(step)  # type: ignore[no-untyped-call]
    return torch.softmax(logits.detach(), -1).numpy()[0]


def test_raw_eq_6_without_entropy_finds_the_sigma_projection() -> None:
    """Without entropy: the projection, against the theory bench's exact one."""
    g = np.array([0.7, 0.2, -0.3, 0.6])
    rng = np.random.default_rng(1)
    change = rng.normal(size=(500, 4)) @ (np.eye(4) + 0.3 * rng.normal(size=(4, 4)))
    found = minimum(change, (change @ g)[None], "raw", 0.0)
    exact = sigma_projection(g, change.T @ change / len(change))
    assert np.allclose(found, exact, atol=2e-3)


def test_raw_eq_6_depends_on_the_units_and_the_standardised_form_does_not() -> None:
    """At a scale of 0.01 the entropy term alone decides the raw form."""
    for scale in (1.0, 0.01):
        change, utility = evidence(G, scale)
        repaired = minimum(change, utility, "standardised", 0.01)
        assert np.allclose(repaired, G, atol=0.03)
    change, utility = evidence(G, 0.01)
    small = minimum(change, utility, "raw", 0.01 * 400)
    assert small.max() > 0.95  # one-hot


def test_the_standardised_form_ranks_as_the_beneficial_gradient_does() -> None:
    """At a signal-to-noise ratio of 2; g need not sum to 1."""
    ranks = []
    for seed in range(20):
        g = 3 * np.random.default_rng(100 + seed).normal(size=6)
        change, utility = evidence(g, 0.02, noise=0.5 * float(np.linalg.norm(g)), seed=seed)
        found = minimum(change, utility, "standardised", 0.01)
        useful = positive_part(g)
        if (useful > 0).sum() > 1:
            ranks.append(spearmanr(found, useful).statistic)
    assert np.mean(ranks) > 0.9


def test_changes_that_are_all_zero_are_no_error() -> None:
    found = minimum(np.zeros((5, 3)), np.zeros((1, 5)), "standardised", 0.0)
    assert np.allclose(found, 1 / 3)


def made_tasks(seed: int = 0, held_out: bool = False) -> Any:
    from readsim_hf.cli.models import library_named
    from readsim_hf.requirement.auxiliary import auxiliary_tasks
    from readsim_hf.requirement.config import IdentifierConfig

    config = IdentifierConfig(mixtures=8, wordings=2, steps=100, members=2)
    return config, auxiliary_tasks(config, library_named("nano"), seed, held_out=held_out)


def trained(config: Any, tasks: Any, seed: int = 0) -> Any:
    """Fitted to interventions that move each capability by its own amount, without noise."""
    from readsim_hf.requirement.train import train_identifiers

    change = 0.1 * np.random.default_rng(5).normal(size=(60, 8))
    utility = np.array([t.weights for t in tasks]) @ change.T
    return (
        train_identifiers(config, [t.text for t in tasks], change, utility, seed),
        change,
        utility,
    )


@pytest.fixture(scope="module")
def fitted() -> Any:
    config, tasks = made_tasks()
    return config, tasks, *trained(config, tasks)


@pytest.mark.slow
def test_it_fits_its_tasks_and_reads_cards_that_it_has_not_seen(fitted: Any) -> None:
    from readsim_hf.requirement.train import explained_and_null

    _, tasks, members, change, utility = fitted
    r = np.mean([m.requirements([t.text for t in tasks]) for m in members], axis=0)
    weights = np.array([t.weights for t in tasks])
    assert np.abs(r - weights).sum(axis=1).mean() / 2 < 0.25  # .88 off by chance
    _, others = made_tasks(held_out=True)
    unseen = np.mean([m.requirements([t.text for t in others[:8]]) for m in members], axis=0)
    assert (unseen.argmax(axis=1) == np.arange(8)).mean() >= 0.6  # by chance .125
    found = explained_and_null(r, change, utility, 0)
    assert found["r2"] > 0.7
    assert found["null"] < 0.3
    assert found["p"] < 0.01


@pytest.mark.slow
def test_a_card_like_none_before_is_said_to_be_one(fitted: Any) -> None:
    from readsim_hf.requirement.identified import read_card

    _, tasks, members, _, _ = fitted
    texts = [t.text for t in tasks]
    known, facts = read_card(members, texts[0], texts)
    assert facts["source"] == "identifier"
    assert known.argmax() == tasks[0].weights.argmax()
    strange, facts = read_card(members, "Zeichne blaue Elefanten auf Seidenpapier", texts)
    assert facts["source"] == "uniform"
    assert np.allclose(strange, 1 / 8)
    assert facts["likeness"] < facts["least"]


def test_training_is_deterministic_and_the_seed_counts() -> None:
    config, tasks = made_tasks()
    small = type(config)(mixtures=8, wordings=2, steps=3, members=1)
    text = [tasks[0].text]
    one, again, other = (trained(small, tasks, seed)[0][0].requirements(text) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_a_pretrained_sentence_encoder_can_take_the_place_of_the_small_one(tmp_path: Path) -> None:
    """A tiny random BERT, saved as sentence encoders are: frozen, only the head is trained."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    from readsim_hf.requirement.config import IdentifierConfig

    _, tasks = made_tasks()
    seen = sorted({w for t in tasks for w in t.text.lower().replace(".", " ").split()})
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *seen]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    AutoTokenizer.from_pretrained(tmp_path).save_pretrained(tmp_path)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(words),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        )
        BertModel(config).save_pretrained(tmp_path)
    chosen = IdentifierConfig(encoder=str(tmp_path), steps=100, members=1)
    members, _, _ = trained(chosen, tasks)
    r = members[0].requirements([t.text for t in tasks])
    assert np.allclose(r.sum(axis=1), 1)
    right = r.argmax(axis=1) == np.array([t.weights for t in tasks]).argmax(axis=1)
    assert right.mean() > 0.3  # features of random weights, by chance .125
    assert all("head" in name for name, _ in members[0].named_parameters())
    with pytest.raises(ConfigError, match="nothing-here"):
        trained(IdentifierConfig(encoder="./nothing-here", steps=1), tasks)


@pytest.mark.parametrize(
    "wrong", [{"entropy": -1.0}, {"members": 0}, {"steps": 0}, {"mixtures": -1}, {"wordings": 0}]
)
def test_settings_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    from readsim_hf.requirement.config import IdentifierConfig

    with pytest.raises(ConfigError, match=next(iter(wrong))):
        IdentifierConfig(**wrong)


def test_evidence_that_does_not_fit_is_refused() -> None:
    from readsim_hf.requirement.config import IdentifierConfig
    from readsim_hf.requirement.train import train_identifiers

    with pytest.raises(ConfigError, match=r"\(2 cards, 3 interventions\)"):
        train_identifiers(IdentifierConfig(), ["a", "b"], np.zeros((3, 4)), np.zeros((2, 4)), 0)


def test_what_was_identified_comes_back_from_its_file(tmp_path: Path) -> None:
    from readsim_hf.requirement.identified import Identified

    one = Identified((0.1, 0.9), "identifier", 0.5, 0.2, 1.0, 1.0, {"r2": 0.5}, {"r2": 0.4}, 0.2)
    one.save(tmp_path / "r.json")
    assert Identified.load(tmp_path / "r.json") == one
    whole = (tmp_path / "r.json").read_text()
    table = {key: value for key, value in json.loads(whole).items() if key != "sha256"}
    for damaged in (
        whole.replace("0.9", "0.8", 1),
        whole[:-30],
        *(json.dumps({**table, key: {"a": []}}) for key in table),
    ):
        (tmp_path / "r.json").write_text(damaged)
        with pytest.raises(RunLogError, match=r"r\.json"):
            Identified.load(tmp_path / "r.json")
    (tmp_path / "r.json").write_text('{"requirement": [1]}')
    with pytest.raises(RunLogError, match=r"r\.json"):
        Identified.load(tmp_path / "r.json")
