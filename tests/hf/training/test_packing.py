"""Examples in one row without padding: equal losses and gradients; refused where they are not kept apart."""

from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from tests.hf.training.test_training import examples, plain_loss, student
from tests.support.architectures import ALL, tiny_of
from tests.support.hf import NEEDS, tiny

pytestmark = pytest.mark.extra(*NEEDS)

APART = (
    "llama",
    "gpt2",
    "mistral",
    "qwen2",
    "gemma2",
)  # sliding windows and scaled heads among them


def read(model: Any, some: list[Any], *, packed: bool) -> tuple[float, Any]:
    """Sum of the losses against full distributions, and its gradient."""
    import torch

    from readsim_hf.objectives.baselines import ForwardKL
    from readsim_hf.training.batch import collate
    from readsim_hf.training.logits import loss_sum

    model.zero_grad()
    loss = loss_sum(model, collate(some, packed=packed), ForwardKL())
    loss.backward()  # type: ignore[no-untyped-call]
    grads = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return float(loss.detach()), torch.cat(grads)


@pytest.mark.parametrize("kind", APART)
def test_losses_and_gradients_are_those_of_padded_rows(kind: str) -> None:
    import torch

    model, some = tiny_of(kind, 40), examples(soft=True)
    padded, slope = read(model, some, packed=False)
    packed, found = read(model, some, packed=True)
    assert packed == pytest.approx(padded, rel=1e-5)
    assert float((found - slope).norm()) < 1e-5 * float(slope.norm())
    some[1], some[3] = some[3], some[1]  # what stands before an example changes nothing
    again, other = read(model, some, packed=True)
    assert again == pytest.approx(padded, rel=1e-5)
    assert torch.allclose(other, slope, atol=1e-5 * float(slope.abs().max()))


def test_a_row_holds_every_token_once_and_positions_begin_anew() -> None:
    from readsim_hf.training.batch import collate, length_of

    some = examples()
    one, padded = collate(some, packed=True), collate(some)
    lengths = [length_of(e) - 1 for e in some]  # the last token is predicted, not read
    assert one.input_ids.shape == (1, sum(lengths))
    assert one.attention_mask is None
    assert one.position_ids[0].tolist() == [t for n in lengths for t in range(n)]
    assert padded.attention_mask is not None
    whole = padded.input_ids[padded.attention_mask.bool()]
    assert one.input_ids[0].tolist() == whole.tolist()
    read_at = padded.input_ids[padded.rows, padded.columns]
    assert one.input_ids[0, one.columns].tolist() == read_at.tolist()
    assert one.rows.tolist() == padded.rows.tolist()


@pytest.mark.parametrize("recipe", [{}, {"lora": 2}, {"gradient_checkpointing": True}])
def test_steps_are_those_of_padded_rows(recipe: dict[str, Any]) -> None:
    import torch

    some, made = examples(), []
    for packing in (False, True):
        one = student(packing=packing, micro_tokens=25, learning_rate=1e-2, **recipe)
        windows = [one.train_window(some, 0.5) for _ in range(3)]
        made.append((one, windows))
    assert made[0][1][0].loss == pytest.approx(plain_loss(tiny(), some), abs=1e-5)
    for a, b in zip(made[0][1], made[1][1], strict=True):
        assert b.loss == pytest.approx(a.loss, rel=1e-4)
        assert b.losses == pytest.approx(a.losses, rel=1e-4)
    both = made[0][0].weights(), made[1][0].weights()
    assert all(torch.allclose(both[0][n], both[1][n], atol=1e-3) for n in both[0])


def test_a_forward_pass_has_the_tokens_that_are_there() -> None:
    some = examples()
    counts = [sum(len(p) * max(map(_read, p)) for p in student(micro_tokens=20)._parts(some))]
    one = student(packing=True, micro_tokens=20)
    parts = one._parts(some)
    assert sum(map(len, parts)) == len(some)
    assert all(sum(map(_read, part)) <= 20 for part in parts)
    counts.append(sum(_read(e) for part in parts for e in part))
    assert counts[1] < counts[0]
    assert len(parts) <= len(student(micro_tokens=20)._parts(some))


def _read(example: Any) -> int:
    from readsim_hf.training.batch import length_of

    return length_of(example)


@pytest.mark.parametrize("kind", ["mamba", "jamba", "rwkv", "bloom", "opt"])
def test_what_does_not_keep_them_apart_is_refused(kind: str) -> None:
    """A recurrent state, a hybrid, positions that are counted from the mask; with bfloat16 weights too."""
    import torch

    model: Any = tiny_of(kind, 40)
    for one in (model, model.to(torch.bfloat16)):
        with pytest.raises(ConfigError, match=rf"training.packing = True: a {kind}"):
            student(model=one, packing=True)


def test_every_kind_is_packed_rightly_or_refused() -> None:
    from readsim_hf.training.packing import keeps_apart

    apart = {kind for kind in ALL if keeps_apart(tiny_of(kind, 40))}
    assert {*APART, "qwen3", "phi", "gpt_neox", "olmo2", "smollm3", "cohere", "granite"} <= apart
    assert not apart & {
        "mamba",
        "mamba2",
        "falcon_mamba",
        "rwkv",
        "jamba",
        "zamba2",
        "bloom",
        "mpt",
    }
    some = examples(soft=True)
    for kind in sorted(apart):
        model = tiny_of(kind, 40)
        both = [read(model, some, packed=packed) for packed in (False, True)]
        off = float((both[1][1] - both[0][1]).norm() / both[0][1].norm())
        assert off < 1e-3, kind
        assert np.isclose(both[1][0], both[0][0], rtol=1e-4), kind


@pytest.mark.parametrize("value", [1, "yes", None])
def test_packing_is_said_or_not(value: Any) -> None:
    from readsim_hf.training.recipe import Recipe

    with pytest.raises(ConfigError, match=r"packing = .*: expected true or false"):
        Recipe(packing=value)
