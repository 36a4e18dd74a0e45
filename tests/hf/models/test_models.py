"""Models of real runs: where they come from and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError, UnknownNameError
from readsim_hf.models import catalogue
from tests.support.made_models import WORDS, equal_weights, logits, saved

pytestmark = pytest.mark.extra("torch", "transformers", "safetensors")

FAMILIES = ("llama", "gpt2", "qwen2")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tiny_model_is_its_seed(family: str) -> None:
    import torch

    from readsim_hf.models.tiny import tiny_model

    before = torch.random.get_rng_state()
    models: list[Any] = [tiny_model(family, 40, 2, 32, seed) for seed in (1, 1, 2)]
    first, again, other = models
    assert torch.equal(before, torch.random.get_rng_state())
    assert equal_weights(first, again)
    assert not equal_weights(first, other)
    assert logits(first).shape == (1, 6, 40)
    out = first.generate(torch.tensor([[1, 2]]), max_new_tokens=4, do_sample=False)
    assert out.shape == (1, 6)


def test_tiny_model_says_what_it_accepts() -> None:
    from readsim_hf.models.tiny import tiny_model

    with pytest.raises(UnknownNameError, match="'lama'; did you mean 'llama'"):
        tiny_model("lama", 40, 2, 32, 0)
    with pytest.raises(ConfigError, match="width is 20; accepted: positive multiples of 16"):
        tiny_model("llama", 40, 2, 20, 0)
    with pytest.raises(ConfigError, match="each is at least 1"):
        tiny_model("llama", 40, 0, 32, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_comes_back_as_it_was_saved(family: str, tmp_path: Path) -> None:
    import torch

    from readsim_hf.models.loading import load_model, load_tokenizer
    from readsim_hf.models.tiny import tiny_model

    source = saved(tmp_path, family, seed=3)
    before = torch.random.get_rng_state()
    model = load_model(source)
    assert torch.equal(before, torch.random.get_rng_state())
    assert equal_weights(model, tiny_model(family, len(WORDS), 2, 32, 3))
    assert not model.training
    half = load_model(source, precision="bf16")
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    if family != "qwen2":  # transformers gives a Qwen2 folder Qwen2's tokenizer, whatever it holds
        tokenizer = load_tokenizer(source)
        assert tokenizer("a b e")["input_ids"] == [3, 4, 7]
        assert (tokenizer.padding_side, tokenizer.pad_token) == ("left", "<eos>")


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from readsim_hf.models.loading import resolve_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == resolve_device("cpu") == torch.device("cpu")
    for name in ("cuda", "cuda:0"):
        with pytest.raises(ConfigError, match=f"device is '{name}'.*sees 0 CUDA device"):
            resolve_device(name)
    for name in ("gpu", "cuda:", "cuda:x", "mps", ""):
        with pytest.raises(ConfigError, match="accepted: 'cpu', 'cuda', 'cuda:N', 'auto'"):
            resolve_device(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ConfigError, match="sees 2 CUDA device"):
        resolve_device("cuda:2")


def test_attention_that_plans_for_each_shape_is_off_once_a_model_is_loaded() -> None:
    import torch

    from readsim_hf.models.loading import load_model

    torch.backends.cuda.enable_cudnn_sdp(True)
    load_model("nano/student")
    assert not torch.backends.cuda.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]


def test_a_precision_has_a_name() -> None:
    from readsim_hf.models.loading import load_model

    with pytest.raises(UnknownNameError, match="'bf61'; did you mean 'bf16'"):
        load_model("anything", precision="bf61")


def test_pickled_weights_are_never_read(tmp_path: Path) -> None:
    from readsim_hf.models.loading import load_model

    source = saved(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    # Reading it would create the file `ran`.
    code = f"open({str(tmp_path / 'ran')!r}, 'w').close()"
    payload = b"cbuiltins\nexec\n(V" + code.encode() + b"\ntR."
    (tmp_path / "model" / "pytorch_model.bin").write_bytes(payload)
    with pytest.raises(ConfigError, match=r"pytorch_model\.bin: pickled weights are never read"):
        load_model(source)
    assert not (tmp_path / "ran").exists()


def test_code_beside_weights_is_never_run(tmp_path: Path) -> None:
    from readsim_hf.models.loading import load_model, load_tokenizer

    source = saved(tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    own = {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M", "AutoTokenizer": ["own.T", None]}
    config.write_text(json.dumps({"model_type": "made-up", "auto_map": own}))
    code = (
        f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass C: ...\nclass M: ...\nclass T: ...\n"
    )
    (tmp_path / "model" / "own.py").write_text(code)
    with pytest.raises(ConfigError, match=r"auto_map.*never run"):
        load_model(source)
    load_tokenizer(source)
    assert not (tmp_path / "ran").exists()


def test_a_missing_tensor_is_not_made_up(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from readsim_hf.models.loading import load_model

    source = saved(tmp_path)
    file = tmp_path / "model.safetensors"
    kept = {k: v for k, v in load_file(file).items() if k != "model.layers.1.mlp.up_proj.weight"}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"incomplete: 1 tensors .* 'model\.layers\.1\.mlp\.up"):
        load_model(source)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("./nowhere", "'./nowhere' does not exist; accepted: a folder"),
        ("/nowhere/model", "does not exist"),
        ("nowhere.gguf", "does not exist"),
        ("no-such-org/no-such-model", r"hf download no-such-org/no-such-model.*readsim models"),
    ],
)
def test_what_cannot_be_reached(source: str, says: str) -> None:
    from readsim_hf.models.loading import load_model, load_tokenizer

    for load in (load_model, load_tokenizer):
        with pytest.raises(ConfigError, match=says):
            load(source)


def test_folders_and_files_that_are_no_model(tmp_path: Path) -> None:
    from readsim_hf.models.loading import load_model

    with pytest.raises(ConfigError, match=r"no config\.json"):
        load_model(str(tmp_path))
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"is a file, but no \.gguf file"):
        load_model(str(tmp_path / "weights.pt"))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ConfigError, match=r"no \.safetensors weights; save"):
        load_model(str(tmp_path))


def test_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("READSIM_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"readsim models prepare smollm2-135m`"):
        catalogue.named_folder("smollm2")
    with pytest.raises(ConfigError, match=r"prepare smollm2-135m --layers 7`"):
        catalogue.named_folder("smollm2-135m/student-7")
    for source in ("gpt2", "smollm2/other", "smollm2/student-x", "smollm2/student-", "./smollm2"):
        assert catalogue.named_folder(source) is None
    ready = tmp_path / "smollm2-135m" / "student-7"
    ready.mkdir(parents=True)
    (ready / "config.json").write_text("{}")
    assert catalogue.named_folder("smollm2/student-7") == ready
    monkeypatch.delenv("READSIM_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert catalogue.cache_root() == tmp_path / ".cache" / "readsim"
    with pytest.raises(UnknownNameError, match="did you mean 'smollm2"):
        catalogue.entry("smolm2")
