"""The shape of the package for trained policies: imports point one way, and its commands load no extra."""

import pytest

from tests.support.layout import Package, importing, loaded_by
from tests.support.paths import ROOT

LAYERS = (
    ("problems", "sb3_files"),
    ("play", "sb3", "sb3_env"),
    ("train",),
    ("cli",),
)

PACKAGE = Package(ROOT / "adapters", "readsim_rl", LAYERS, row=len(LAYERS))
LIGHT = ("readsim_rl", "readsim_rl.cli", "readsim_rl.sb3", "readsim_rl.sb3_files")


@pytest.mark.parametrize("module", PACKAGE.modules)
def test_imports_point_down(module: str) -> None:
    PACKAGE.check_imports_point_down(module)


def test_no_import_circle() -> None:
    PACKAGE.check_no_circle()


def test_commands_and_allocators_load_no_extra() -> None:
    heavy = {"torch", "stable_baselines3", "safetensors"}
    assert loaded_by(importing(list(LIGHT)), PACKAGE.folder) & heavy == set()
