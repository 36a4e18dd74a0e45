"""Folders that are damaged or lack something: one line that names the file and what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError
from tests.cli.test_app import call
from tests.support.architectures import saved_of
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(saved_of("llama", tmp_path_factory.mktemp("whole") / "model"))


def config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        table = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**table, **changes}))

    return change


def write(name: str, text: str | bytes) -> Callable[[Path], None]:
    data = text.encode() if isinstance(text, str) else text

    def change(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return change


def cut(folder: Path) -> None:
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])


def without(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return change


def sharded(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "model-00001-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / INDEX).write_text(json.dumps({"weight_map": names}))


# What is done to the folder; what the message says; whether it is seen without reading weights.
OF_MODELS: dict[str, tuple[Callable[[Path], None], str, bool]] = {
    "cut short": (cut, r"model\.safetensors is damaged or cut short", True),
    "empty": (write(WEIGHTS, ""), "damaged or cut short", True),
    "no header": (write(WEIGHTS, b"\xff" * 99), "damaged or cut short", True),
    "pointer": (write(WEIGHTS, "version https://git-lfs.github.com/spec/v1\n"), "cut short", True),
    "shapes": (config(hidden_size=64), r"do not fit its config\.json: \S+ is \[", False),
    "more layers": (config(num_hidden_layers=3), "incomplete: 9 tensors are missing", False),
    "shard": (sharded, r"lacks model-00002-of-00002\.safetensors, which model", True),
    "index": (write(INDEX, "{"), r"index\.json is damaged: it is no JSON", True),
    "no JSON": (write("config.json", "hello"), r"config\.json is damaged: it is no JSON", True),
    "bytes": (write("config.json", b"\xff\xfe"), r"config\.json is damaged: it is no JSON", True),
    "list": (write("config.json", "[]"), "no JSON object", True),
    "kind": (config(model_type="lama"), "'lama' is unknown to transformers.*'llama'", True),
    "no kind": (write("config.json", "{}"), "has no model_type", True),
    "code": (config(model_type="own", auto_map={"AutoModel": "m.M"}), "auto_map.*never run", True),
    "heads": (config(num_attention_heads="two"), "num_attention_heads", True),
    "encoder": (config(model_type="t5"), "an encoder with a decoder", True),
    "other": (config(model_type="vit"), "no causal language model", True),
}
OF_TOKENIZERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "none": (without("tokenizer.json", "tokenizer_config.json"), "has no tokenizer"),
    "no JSON": (write("tokenizer.json", '{"a":'), r"tokenizer\.json is damaged: it is no JSON"),
    "empty": (write("tokenizer.json", "{}"), "cannot load the tokenizer of"),
    "settings": (write("tokenizer_config.json", "x"), r"tokenizer_config\.json is damaged"),
}


def damaged(whole: Path, folder: Path, how: Callable[[Path], None]) -> str:
    shutil.copytree(whole, folder)
    how(folder)
    return str(folder)


@pytest.mark.parametrize("name", OF_MODELS)
def test_a_damaged_model(name: str, whole: Path, tmp_path: Path) -> None:
    from readsim_hf.models.loading import load_model
    from readsim_hf.models.meta import config_of

    how, said, at_once = OF_MODELS[name]
    source = damaged(whole, tmp_path / "model", how)
    for read in (load_model, config_of) if at_once else (load_model,):
        with pytest.raises(ConfigError, match=said) as error:
            read(source)
        assert "\n" not in str(error.value)
        assert source in str(error.value)


@pytest.mark.parametrize("name", OF_TOKENIZERS)
def test_a_damaged_tokenizer(name: str, whole: Path, tmp_path: Path) -> None:
    from readsim_hf.models.loading import load_tokenizer
    from readsim_hf.models.meta import tokenizer_of

    how, said = OF_TOKENIZERS[name]
    source = damaged(whole, tmp_path / "model", how)
    for read in (load_tokenizer, tokenizer_of) if name != "none" else (load_tokenizer,):
        with pytest.raises(ConfigError, match=said) as error:
            read(source)
        assert "\n" not in str(error.value)
        assert source in str(error.value)


def test_weights_that_are_left_out_are_said(whole: Path, tmp_path: Path) -> None:
    from readsim_hf.models.loading import load_model

    source = damaged(whole, tmp_path / "model", config(num_hidden_layers=1))
    with pytest.warns(UserWarning, match=r"9 tensors of .* have no place in the model"):
        load_model(source)


@pytest.mark.parametrize("role", ["teacher", "student"])
@pytest.mark.parametrize(
    ("command", "how"),
    [("distill", cut), ("plan", cut), ("distill", OF_TOKENIZERS["none"][0])],  # a plan counts bytes
)
def test_on_the_command_line(
    how: Callable[[Path], None],
    command: str,
    role: str,
    whole: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = damaged(whole, tmp_path / "bad", how)
    pair = {"teacher": str(whole), "student": str(whole), role: bad}
    out = [] if command == "plan" else ["--out", str(tmp_path / "out")]
    options = [part for name, path in pair.items() for part in (f"--{name}", path)]
    code, shown, wrong = call(capsys, command, *options, *out)
    said = shown + wrong
    assert code == 2
    assert "Traceback" not in said
    assert bad in said.replace("\n", "")
