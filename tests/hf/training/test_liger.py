"""Liger kernels: what is asked of the package, and what is said where it cannot be done."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from readsim.errors import ConfigError
from tests.support.hf import NEEDS, tiny, tiny_run

pytestmark = pytest.mark.extra(*NEEDS)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The package's stand-in, and what was asked of it; the student seems to be on CUDA."""
    from readsim_hf.training import liger
    from readsim_hf.training.logits import bare

    made: list[dict[str, Any]] = []
    kernels: Any = ModuleType("liger_kernel.transformers.monkey_patch")
    kernels.MODEL_TYPE_TO_APPLY_LIGER_FN = {"llama": None}
    kernels._apply_liger_kernel_to_instance = lambda **settings: made.append(settings)
    monkeypatch.setitem(sys.modules, kernels.__name__, kernels)
    monkeypatch.setattr(liger, "find_spec", lambda name: name)

    def on_cuda(model: Any) -> Any:
        return SimpleNamespace(
            device=SimpleNamespace(type="cuda"), config=bare(model).config, model=model
        )

    monkeypatch.setattr(liger, "bare", on_cuda)
    return made


def student(model: Any, **recipe: Any) -> Any:
    from readsim_hf.objectives.baselines import SFT
    from readsim_hf.training.recipe import Recipe
    from readsim_hf.training.student import Student

    return Student(model, Recipe(**recipe), SFT())


def test_kernels_leave_logits_and_other_models_alone(asked: list[dict[str, Any]]) -> None:
    student(tiny())
    assert asked == []
    model = tiny()
    student(model, liger=True, lora=2)
    (settings,) = asked
    assert settings.pop("model").model is model  # before LoRA's wrapper
    assert settings == {"fused_linear_cross_entropy": False, "cross_entropy": False, "rope": False}


def test_a_family_without_kernels(asked: list[dict[str, Any]]) -> None:
    from readsim_hf.models.tiny import tiny_model

    with pytest.raises(ConfigError, match=r"family 'gpt2' \(known: llama\)"):
        student(tiny_model("gpt2", 40, 2, 16, 0), liger=True)
    assert asked == []


def test_what_is_missing_is_said_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from readsim_hf.training import liger

    for found, message in ((None, "the package liger-kernel is missing"), (1, "student is on cpu")):
        monkeypatch.setattr(liger, "find_spec", lambda name, found=found: found)
        with pytest.raises(ConfigError, match=f"training.liger = True: .*{message}"):
            tiny_run(training={"liger": True})
