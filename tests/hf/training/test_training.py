"""Training: exact losses and token counts, one optimiser over the budget, state to the bit."""

from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, ReadsimError, RunLogError, TrainingError
from readsim.worlds.terms.learning_rate import LearningRate
from tests.support.hf import NEEDS, full_soft, record, tiny

pytestmark = pytest.mark.extra(*NEEDS)


def examples(vocabulary: int = 40, soft: bool = False) -> list[Any]:
    """Five examples of different lengths; the second is cut by the budget."""
    from readsim_hf.training.batch import Example

    rng = np.random.default_rng(3)
    out = []
    for n, (prompt, reply, span) in enumerate(
        [(3, 4, (0, 4)), (1, 6, (2, 6)), (7, 2, (0, 2)), (2, 5, (3, 5)), (5, 5, (0, 5))]
    ):
        ids = rng.integers(2, vocabulary, prompt + reply).tolist()
        kept = full_soft(span[1] - span[0], vocabulary, n) if soft else None
        made = record(ids[:prompt], ids[prompt:], span, kept)
        out.append(Example(made, 1 if n == 1 else made.supervised))
    return out


def student(seed: int = 0, objective: Any = None, model: Any = None, **recipe: Any) -> Any:
    from readsim_hf.objectives.baselines import SFT
    from readsim_hf.training.recipe import Recipe
    from readsim_hf.training.student import Student

    return Student(
        tiny(seed=seed) if model is None else model, Recipe(**recipe), objective or SFT()
    )


def plain_loss(model: Any, some: list[Any]) -> float:
    """Cross entropy of the supervised tokens, one unpadded sequence at a time, in numpy."""
    import torch

    total, count = 0.0, 0
    for made, tokens in some:
        ids = [*made.prompt_ids.tolist(), *made.completion_ids.tolist()]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0].double().numpy()
        for place in range(made.span[0], made.span[0] + tokens):
            at = len(made.prompt_ids) + place
            row = logits[at - 1]
            total += float(np.log(np.exp(row - row.max()).sum()) + row.max() - row[ids[at]])
            count += 1
    return total / count


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2"])
def test_the_loss_is_that_of_unpadded_sequences(family: str) -> None:
    import torch

    from readsim_hf.models.tiny import tiny_model
    from readsim_hf.objectives.baselines import SFT
    from readsim_hf.training.batch import collate
    from readsim_hf.training.logits import loss_sum

    model = tiny_model(family, 40, 2, 16, 0)
    some = examples()
    batch = collate(some)
    assert batch.attention_mask is not None
    assert batch.attention_mask[:, -1].all()  # sequences end together
    with torch.no_grad():
        mean = float(loss_sum(model, batch, SFT())) / sum(e.tokens for e in some)
    assert mean == pytest.approx(plain_loss(model, some), abs=1e-5)


def test_logits_in_pieces_and_scaled_heads_give_the_same_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    from readsim_hf.objectives.baselines import ForwardKL
    from readsim_hf.training import logits
    from readsim_hf.training.batch import collate

    model, batch = tiny(), collate(examples(soft=True))
    results = []
    for pieces, scaled in ((2**24, False), (80, False), (2**24, True)):
        monkeypatch.setattr(logits, "CHUNK_ENTRIES", pieces)
        if scaled:
            monkeypatch.setattr(logits, "is_plain_head", lambda m: False)
        model.zero_grad()
        loss = logits.loss_sum(model, batch, ForwardKL())
        loss.backward()  # type: ignore[no-untyped-call]
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        results.append((float(loss.detach()), gradient))
    for value, gradient in results[1:]:
        assert value == pytest.approx(results[0][0], rel=1e-5)
        assert torch.allclose(gradient, results[0][1], atol=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_micro_batches_do_not_change_the_step(precision: str) -> None:
    """Normalised by the window's supervised tokens, not a micro-batch's."""
    import torch

    ends = []
    for micro in (1, 2, 5):
        one = student(micro_batch=micro, batch=5, precision=precision, learning_rate=0.01)
        window = one.train_window(examples(), 0.5)
        assert window.tokens == 14
        ends.append((window.loss, torch.cat([p.flatten() for p in one.parameters])))
    for loss, weights in ends[1:]:
        assert loss == pytest.approx(ends[0][0], rel=1e-5 if precision == "fp32" else 2e-2)
        if precision == "fp32":
            assert torch.allclose(weights, ends[0][1], atol=1e-4)


def test_the_rate_is_over_the_budget() -> None:
    from readsim_hf.training.recipe import learning_rate

    assert learning_rate(2.0, 0.0) == pytest.approx(0.02)
    assert learning_rate(2.0, 0.015) == pytest.approx(1.0)
    half = 0.03 + 0.97 / 2
    assert learning_rate(2.0, half) == pytest.approx(2 * (0.1 + 0.9 * (1 + cos(pi / 2)) / 2))
    assert learning_rate(2.0, 1.0) == pytest.approx(0.2)
    assert learning_rate(2.0, 1.0, schedule="linear", end=0.0) == pytest.approx(0.0)
    assert learning_rate(2.0, 0.9, schedule="constant") == 2.0
    one = student()
    assert one.train_window(examples(), 1.0).rate == pytest.approx(5e-5)


def test_simulated_and_real_runs_mean_the_same_by_a_schedule() -> None:
    from readsim_hf.training.recipe import SCHEDULES, learning_rate

    for kind in SCHEDULES:
        told = LearningRate(kind, warmup=0.03)
        for spent in (0.01, 0.03, 0.4, 0.9, 1.0):
            assert told.rate(spent) == pytest.approx(learning_rate(1.0, spent, 0.03, kind))


def test_training_fits_what_it_sees_and_only_what_is_trainable() -> None:
    import torch

    model = tiny()
    frozen = model.model.layers[0].mlp.down_proj.weight
    frozen.requires_grad_(False)
    before = frozen.detach().clone()
    one = student(model=model, learning_rate=0.01, clip=0.0, warmup=0.0, schedule="constant")
    losses = [one.train_window(examples(), 0.5).loss for _ in range(60)]
    assert losses[-1] < 0.2 * losses[0]
    assert torch.equal(frozen, before)


@pytest.mark.parametrize("lora", [0, 2])
def test_state_goes_back_to_the_bit(lora: int, tmp_path: Path) -> None:
    """Weights and moments; also through files."""
    from readsim_hf.training.saved import load_saved_student, save_student
    from readsim_hf.training.student import checksum

    one = student(lora=lora)
    one.train_window(examples(), 0.1)
    save_student(tmp_path, one.weights(), one.moments(), {"spent": 14})
    sums = checksum(one.weights()), checksum(one.moments())
    expected = [one.train_window(examples(), 0.2).loss for _ in range(3)]
    assert (checksum(one.weights()), checksum(one.moments())) != sums
    weights, moments, tree = load_saved_student(tmp_path)
    assert tree == {"spent": 14}
    for other in (one, student(lora=lora)):
        other.put(weights, moments)
        assert (checksum(other.weights()), checksum(other.moments())) == sums
        assert [other.train_window(examples(), 0.2).loss for _ in range(3)] == expected


@pytest.mark.parametrize("name", ["weights.safetensors", "moments.safetensors", "state.npz"])
def test_a_damaged_file_is_said(name: str, tmp_path: Path) -> None:
    from readsim_hf.training.saved import load_saved_student, save_student

    one = student()
    one.train_window(examples(), 0.1)
    save_student(tmp_path, one.weights(), one.moments(), {})
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(bytes(content))
    with pytest.raises(RunLogError, match=f"{name} is damaged"):
        load_saved_student(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(RunLogError, match="not a whole checkpoint"):
        load_saved_student(tmp_path)


def test_lora_trains_its_adapters_alone() -> None:
    one = student(lora=2)
    assert all("lora_" in name for name in one.names)
    before = {k: v.clone() for k, v in one.model.state_dict().items()}
    one.train_window(examples(), 0.5)
    changed = {k for k, v in one.model.state_dict().items() if not v.equal(before[k])}
    assert changed
    assert all("lora_" in name for name in changed)


def test_gradient_checkpointing_changes_no_step() -> None:
    import torch

    ends = []
    for on in (False, True):
        one = student(gradient_checkpointing=on)
        calls: list[int] = []
        hook = one.model.model.layers[0].self_attn.register_forward_hook(
            lambda *_, calls=calls: calls.append(1)
        )
        one.train_window(examples(), 0.5)
        hook.remove()
        assert len(calls) == 1 + on  # once more in the backward pass
        ends.append(torch.cat([p.flatten() for p in one.parameters]))
    assert torch.allclose(ends[0], ends[1], atol=1e-6)


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    import torch

    from readsim_hf.training.student import checksum

    class Broken:
        needs_soft = False

        def __call__(self, logits: Any, targets: Any) -> Any:
            return logits.sum(-1) * torch.nan

    one = student(objective=Broken())
    before = checksum(one.weights())
    with pytest.raises(TrainingError, match="loss is nan"):
        one.train_window(examples(), 0.5)
    assert checksum(one.weights()) == before
    assert all(p.grad is None for p in one.parameters)


def test_running_out_of_memory_names_the_knobs() -> None:
    import torch

    class Greedy:
        needs_soft = False

        def __init__(self, error: BaseException) -> None:
            self.error = error

        def __call__(self, logits: Any, targets: Any) -> Any:
            raise self.error

    for error in (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 80 GiB"),
    ):
        one = student(objective=Greedy(error), micro_batch=7)
        with pytest.raises(TrainingError, match=r"micro_batch = 7.*gradient_checkpointing.*80 GiB"):
            one.train_window(examples(), 0.5)
    with pytest.raises(RuntimeError, match=r"^something else$"):
        student(objective=Greedy(RuntimeError("something else"))).train_window(examples(), 0.5)


def test_examples_that_cannot_be_trained_on() -> None:
    from readsim_hf.training.batch import Example, collate

    good = record([3], [4, 5])
    for bad, tokens, message in (
        (record([], [4, 5]), 2, "empty prompt"),
        (good, 0, "0 supervised"),
        (good, 3, "3 supervised"),
    ):
        with pytest.raises(ConfigError, match=message):
            collate([Example(bad, tokens)])
    with pytest.raises(ConfigError, match="mixes"):
        collate([Example(good, 2), Example(record([3], [4], soft=full_soft(1, 9)), 1)])


@pytest.mark.parametrize(
    "bad",
    [{"learning_rate": -1.0}, {"schedule": "cosin"}, {"batch": 0}, {"lora": 1.5}, {"clip": "1"},
     {"precision": "fp8"}, {"warmup": 1.0}, {"micro_batch": True}],
)  # fmt: skip
def test_a_bad_recipe_names_its_field(bad: dict[str, Any]) -> None:
    from readsim_hf.training.recipe import Recipe

    with pytest.raises(ReadsimError, match=next(iter(bad))):
        Recipe(**bad)
