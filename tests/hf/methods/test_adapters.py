"""Methods under LoRA: adapters and the maps between widths are all that trains; the start is still there."""

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.hf.methods.test_resumed import run_of
from tests.support.hf import NEEDS, char_pair, tiny
from tests.support.hf_runs import TOKENS
from tests.support.resumed import SHARES

pytestmark = [
    pytest.mark.extra(*NEEDS, "peft"),
    pytest.mark.usefixtures("right_by_chance"),
]

RECIPE = {"batch": 4, "learning_rate": 0.01, "lora": 2, "weight_decay": 0.0}
NAMED = ("distillm-2", "uld", "gold", "own-right", "own-words", "answer-shown", "informative-fit")
WIDER = ("sft + hidden(kind=mse)", "0.5*fkl + hidden(kind=cosine)")


def adapted(what: str) -> Any:
    """A run of a method, or of an objective that reads a wider teacher's states."""
    if what in NAMED:
        return run_of(what, training=RECIPE)
    pair = char_pair()
    pair = replace(pair, teacher=tiny(len(pair.tokenizer), 1, width=32).requires_grad_(False))
    return run_of("", signal="cot", objective=what, pair=pair, training=RECIPE)


@pytest.mark.parametrize("what", [*NAMED, *WIDER])
def test_adapters_and_maps_alone_are_trained(what: str) -> None:
    import torch

    backend, losses = adapted(what), list[float]()
    backend.watch = lambda kind, told: losses.append(told.get("loss", 0.0))
    backend.reset(1)
    one, start = backend.student, backend.components.pair.student
    maps = [name for name in one.names if name.startswith("layers.maps.")]
    assert all("lora_" in name for name in one.names if name not in maps)
    assert len(maps) == 2 * (what in WIDER)

    def everything() -> dict[str, Any]:
        named = {**dict(one.trained.named_parameters()), **one.weights()}
        return {name: tensor.detach().clone() for name, tensor in named.items()}

    before = everything()
    assert backend.run_interval(0, SHARES, TOKENS).token_usage["student"] == TOKENS
    assert losses
    assert all(map(math.isfinite, losses))
    after = everything()
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == set(one.names)
    ids = torch.arange(2, 12)[None]
    with torch.no_grad():
        now, first = one.model(ids).logits, start(ids).logits
        assert not torch.allclose(now, first, atol=1e-4)
        with one.started(start) as model:
            assert torch.equal(model(ids).logits, first)
