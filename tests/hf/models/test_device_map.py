"""A teacher that is spread over devices answers as one on a single device does."""

from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError, UnknownNameError
from tests.support.hf import NEEDS, tiny

pytestmark = pytest.mark.extra(*NEEDS)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    tiny().save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.mark.parametrize(
    "device_map",
    [
        {"": "cpu"},
        {"model.embed_tokens": "cpu", "model.layers": "cpu", "model.norm": "cpu"}
        | {"model.rotary_emb": "cpu", "lm_head": "cpu"},
        "auto",
        "sequential",
    ],
)
def test_the_logits_are_the_same(folder: str, device_map: Any) -> None:
    import torch

    from readsim_hf.models.loading import load_model

    ids = torch.tensor([[3, 4, 5, 6, 7]])
    plain, spread = load_model(folder), load_model(folder, device_map=device_map)
    assert torch.equal(plain(ids).logits, spread(ids).logits)
    assert not spread.training
    from readsim_hf.teachers.decoding import Decoding, generate

    said = [
        generate(model, [[3, 4, 5], [6]], Decoding(8, 0.7), ends=(1,), vocab=40)
        for model in (plain, spread)
    ]
    assert [r.tolist() for r in said[0]] == [r.tolist() for r in said[1]]


def test_a_wrong_map_is_named(folder: str) -> None:
    from readsim_hf.config import RunConfig
    from readsim_hf.models.loading import load_model

    with pytest.raises(UnknownNameError, match="unknown device_map 'atuo'; did you mean 'auto'"):
        load_model(folder, device_map="atuo")
    with pytest.raises(ConfigError, match=r"device is 'cuda:9'"):
        load_model(folder, device_map={"": "cuda:9"})
    with pytest.raises(ConfigError, match="accepted: 'cpu', 'cuda'"):
        load_model(folder, device_map={"": "auto"})
    with pytest.raises(UnknownNameError, match=r"did you mean 'model.embed_tokens'"):
        load_model(folder, device_map={"model.embed": "cpu"})
    with pytest.raises(ConfigError, match=r"no device for model\.layers\.0"):
        load_model(folder, device_map={"model.embed_tokens": "cpu"})
    given = RunConfig.of({"pair": {"device_map": {"": "cpu"}}})
    assert given.pair.device_map == {"": "cpu"}
    assert RunConfig.of({"pair": {"device_map": "auto"}}).pair.device_map == "auto"
    with pytest.raises(ConfigError, match=r"pair\.device_map.* = 3"):
        RunConfig.of({"pair": {"device_map": 3}})
