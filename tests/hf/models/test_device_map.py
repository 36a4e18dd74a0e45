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


def test_each_layer_of_a_cache_is_thinned_where_it_lies() -> None:
    """Layers on several devices: an index of one device is refused by tensors on another GPU."""
    import torch
    from transformers import DynamicCache

    from readsim_hf.teachers.kv_cache import keep_rows

    cache: Any = DynamicCache()
    places = ["cpu", "meta", "cpu"]
    for n, place in enumerate(places):
        keys = torch.zeros((4, 1, 3, 2), device=place)
        cache.update(keys, keys, n)
    used: list[tuple[str, str]] = []
    for layer in cache.layers:
        whole = layer.batch_select_indices

        def spied(rows: torch.Tensor, layer: Any = layer, whole: Any = whole) -> None:
            used.append((rows.device.type, layer.keys.device.type))
            whole(rows)

        layer.batch_select_indices = spied
    keep_rows(cache, torch.tensor([0, 3]))
    assert used == [(place, place) for place in places]
    assert [tuple(layer.keys.shape) for layer in cache.layers] == [(2, 1, 3, 2)] * 3


def test_an_offloaded_model_answers_scores_and_is_told_by_its_weights(folder: str) -> None:
    """accelerate leaves empty (meta) weights where it keeps them in host memory or on disk."""
    from accelerate import cpu_offload

    from readsim_hf.models.digest import model_digest
    from readsim_hf.models.loading import load_model
    from readsim_hf.teachers.decoding import Decoding, generate
    from readsim_hf.teachers.scoring import Passage, SoftSettings, score

    plain, away = load_model(folder), load_model(folder)
    cpu_offload(away, execution_device="cpu")
    assert {p.device.type for p in away.parameters()} == {"meta"}
    assert model_digest(away) == model_digest(plain)
    both = [
        generate(model, [[3, 4, 5], [6]], Decoding(8, 0.7), ends=(1,), vocab=40)
        for model in (plain, away)
    ]
    assert [r.tolist() for r in both[0]] == [r.tolist() for r in both[1]]
    passage = [Passage([3, 4, 5], [6, 7], (0, 2))]
    one, other = (score(m, passage, SoftSettings("full"), vocab=40)[0] for m in (plain, away))
    assert (one.logp == other.logp).all()


def test_a_digest_is_kept_by_file(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes of large weights are read once; other files and changed weights are told apart."""
    import torch

    from readsim_hf.models import digest
    from readsim_hf.models.loading import load_model

    monkeypatch.setenv("READSIM_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(digest, "WORTH", 1)
    monkeypatch.setattr(digest, "ENDS", 8)
    read: list[int | None] = []
    made = digest._digest

    def noted(facts: str, model: Any, ends: int | None) -> str:
        read.append(ends)
        return made(facts, model, ends)

    monkeypatch.setattr(digest, "_digest", noted)
    first = digest.model_digest(load_model(folder))
    assert (tmp_path / "kept" / digest.KEPT).is_file()
    read.clear()
    model: Any = load_model(folder)
    assert digest.model_digest(model) == first
    assert read == [8]  # the ends alone
    with torch.no_grad():
        model.lm_head.weight.data.reshape(-1)[-1] += 1.0
    assert digest.model_digest(model) != first
    (tmp_path / "kept" / digest.KEPT).write_text("damaged")
    assert digest.model_digest(load_model(folder)) == first


def test_a_teacher_is_loaded_beyond_the_gpus_that_train(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several processes, on the GPUs that none of them has; where there are none, it is refused."""
    import torch

    from readsim_hf.models import loading

    given: list[Any] = []

    def refuse(load: Any, source: str, at: Any, options: dict[str, Any], what: str = "") -> Any:
        if "dtype" in options:
            given.append(options)
            raise ConfigError("enough")
        return call(load, source, at, options, what)

    call = loading._call
    monkeypatch.setattr(loading, "_call", refuse)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda n: (80_000_000_000, 80_000_000_000))
    for device_map in (None, "auto", "balanced_low_0"):
        with pytest.raises(ConfigError, match="enough"):
            loading.load_model(folder, device="cuda", device_map=device_map, training=2)
        assert given[-1]["device_map"] == "sequential"
        assert given[-1]["max_memory"] == {2: 72_000_000_000, 3: 72_000_000_000}
    with pytest.raises(ConfigError, match="enough"):
        loading.load_model(folder, device_map={"": "cuda:3"}, training=2)
    with pytest.raises(ConfigError, match=r"a process of this run trains there.*from cuda:2 on"):
        loading.load_model(folder, device_map={"": "cuda:1"}, training=2)
    with pytest.raises(ConfigError, match=r"4 processes train on the 4 GPU.*or serve the teacher"):
        loading.load_model(folder, device="cuda", training=4)
