"""Real runs in miniature: the tiny pair, a folder of their own with settings, no curves, no network."""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.support.hf import char_pair


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("huggingface_hub") is not None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The working folder is an empty one, with the settings of a small run in `small.toml`."""
    for name in ("COLUMNS", "TERMINAL_WIDTH"):
        monkeypatch.setenv(name, "300")
    monkeypatch.chdir(tmp_path)
    tables = "[probes]\ntest = 4\nmax_new_tokens = 8\n[decoding]\nmax_new_tokens = 12\n"
    Path("small.toml").write_text(tables + "[data]\ngroup = 4\nkeep_cut = true\n")


@pytest.fixture
def on_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny pair in place of nano's weights."""
    monkeypatch.setattr("readsim_hf.distill.pair_of", lambda *_, **__: char_pair())


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """No curves: they take longer than the run."""
    for name in ("draw_profile", "save"):
        monkeypatch.setattr(f"readsim_hf.results.{name}", lambda *_: None)


@pytest.fixture
def right_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models are never right: whether a reply is, its text decides."""
    from readsim_hf.training.elicited import Elicited

    def right(self: Any, prompt: Any, reply: str) -> bool:
        return hashlib.sha256(f"{prompt.text}{reply}".encode()).digest()[0] % 2 == 0

    monkeypatch.setattr(Elicited, "right", right)
