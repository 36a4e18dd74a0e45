"""The shape of the real-run adapter: imports point one way, and what needs no torch loads none."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.project.test_layout import _imports, _imports_on_load
from tests.support.paths import ROOT

ADAPTERS = ROOT / "adapters"

# From low to high, as in test_layout.py; a longer name goes before the package that it is in.
LAYERS = (
    ("prompts",),
    ("generation",),
    ("teachers.record",),
    ("objectives",),
    ("teachers", "models"),
    ("probes",),
    ("training",),
    ("requirement",),
    ("config_merge",),
    ("config", "costs"),
    ("prompt_selection", "supervision"),
    ("benchmark_factory", "manifest", "teacher_factory"),
    ("components",),
    ("backend", "interventions"),
    ("distributed_run", "identify", "progress", "results", "token_estimate"),
    ("distill",),
    ("plan",),
    ("cli",),
)

MODULES = {
    ".".join(path.relative_to(ADAPTERS).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ADAPTERS / "readsim_hf").rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}

# Options, prompts and their order need nothing but the core.
LIGHT = [
    name
    for name in MODULES
    if name.startswith(("readsim_hf.prompts", "readsim_hf.generation"))
    or name.endswith((".cli", ".options"))
]


def layer(module: str) -> int:
    """Row of a module; the package itself is below all."""
    name = module.partition(".")[2]
    if not name:
        return -1
    for row, names in enumerate(LAYERS):
        if any(name == known or name.startswith(f"{known}.") for known in names):
            return row
    raise AssertionError(f"{module} has no row in LAYERS")


def own(names: list[str]) -> list[str]:
    """The imported modules of the adapter; `from module import name` counts as its module."""
    out = []
    for name in names:
        parent = name.rpartition(".")[0]
        if name.startswith("readsim_hf"):
            out.append(name if name in MODULES else parent)
    return out


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    for target in own(_imports(TREES[module])):
        assert layer(target) <= layer(module), f"{module} imports {target}, which is above it"


def test_no_import_cycle() -> None:
    TopologicalSorter(
        {
            module: {t for t in own(list(_imports_on_load(tree))) if t != module}
            for module, tree in TREES.items()
        }
    ).prepare()


def test_prompts_and_options_load_no_extra() -> None:
    heavy = {"torch", "transformers", "lm_eval", "datasets", "peft", "pydantic", "safetensors"}
    code = "\n".join(f"import {name}" for name in LIGHT)
    report = "\nimport sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + report],
        capture_output=True,
        cwd=ADAPTERS,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & heavy == set()
