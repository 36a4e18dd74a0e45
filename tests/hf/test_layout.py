"""The shape of the real-run adapter: imports point one way, and what needs no torch loads none."""

import pytest

from tests.support.layout import Package, importing, loaded_by
from tests.support.paths import ROOT

LAYERS = (
    ("config_merge", "dependencies", "methods", "published"),
    ("sampling_config",),
    ("prompts",),
    ("generation",),
    ("teachers.record",),
    ("objectives",),
    ("teachers", "models"),
    ("elicitation",),
    ("training.batch",),
    ("training.layer_pairs",),
    ("training.logits",),
    ("store",),
    ("sources", "probes"),
    ("training",),
    ("requirement",),
    ("consent", "data_config"),
    ("config", "costs"),
    ("prompt_selection", "unread"),
    ("supervision",),
    ("sampled", "source_selection"),
    ("benchmark_factory", "manifest", "needs", "teacher_factory", "text_lengths"),
    ("components", "first_look"),
    ("backend", "interventions", "made_backend", "merging", "model_card", "tracking"),
    ("distributed_run", "identify", "progress", "results", "token_estimate"),
    ("check",),
    ("distill", "trainers"),
    ("plan",),
    ("exchange", "teach"),
    ("beside",),
    ("combinations",),
    ("cli",),
)

ADAPTER = Package(ROOT / "adapters", "readsim_hf", LAYERS, row=len(LAYERS))

# Options, prompts and their order need nothing but the core.
LIGHT = ("readsim_hf.prompts", "readsim_hf.generation", "readsim_hf.cli", "readsim_hf.methods")


@pytest.mark.parametrize("module", ADAPTER.modules)
def test_imports_point_down(module: str) -> None:
    ADAPTER.check_imports_point_down(module)


def test_no_import_circle() -> None:
    ADAPTER.check_no_circle()


def test_prompts_and_options_load_no_extra() -> None:
    heavy = {"torch", "transformers", "lm_eval", "datasets", "peft", "pydantic", "safetensors"}
    light = [name for name in ADAPTER.modules if name.startswith(LIGHT)]
    assert loaded_by(importing(light), ADAPTER.folder) & heavy == set()
