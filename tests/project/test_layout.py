"""The shape of the tree: imports point one way, the core stays light, files stay small."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.paths import ROOT

# From low to high: a module imports from its own row and from the rows before it, never from a
# later one. An entry is the module of that name (under `readsim.`) and everything inside it that has
# no longer entry of its own.
LAYERS = (
    ("errors",),
    ("arrays", "envs.simplex", "named", "runs.parallel", "streams", "token_counts"),
    ("envs.ledger", "runs.log_schema", "tree_file"),
    ("runs.rows",),
    ("runs.comparing", "runs.log_file", "runs.read_logs"),
    ("worlds",),
    ("fitting",),
    ("backend", "simulator"),
    ("runs.checkpoints",),
    ("envs.reward", "metrics", "stats"),
    (
        "envs.candidates",
        "envs.episode",
        "envs.history",
        "envs.requirement_modes",
        "envs.vector_info",
    ),
    ("envs",),
    ("toy",),
    ("allocators",),
    ("runs.loop",),
    ("runs",),
    ("plots", "summary"),
    ("theory",),
    ("testing",),
    ("suite",),
    ("report",),
    ("cli", "__main__"),
)

# What nothing under readsim/ may import, at the top of a module or inside a function.
NEVER = {
    *("accelerate", "datasets", "lm_eval", "peft", "safetensors", "stable_baselines3"),
    *("torch", "transformers"),
    *("adapters", "readsim_hf", "studies", "tests"),
}

# What a bare `import readsim` must not load: it costs more than everything else together.
HEAVY = NEVER | {"joblib", "matplotlib", "pandas", "rich", "scipy", "sklearn", "typer"}


def _name(path: Path) -> str:
    """`readsim.worlds.gains` for readsim/worlds/gains.py, `readsim.worlds` for its __init__.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted((ROOT / "readsim").rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def _targets(statement: ast.stmt) -> list[str]:
    """Names that an import statement loads; `from a import b` is a.b where that is a module."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        assert statement.level == 0, "imports are absolute"
        base = statement.module or ""
        full = {alias.name: f"{base}.{alias.name}" for alias in statement.names}
        # The version is known before anything else in readsim/__init__.py is imported.
        full.pop("__version__", None)
        return [name if name in MODULES else base for name in full.values()]
    return []


def _imports(tree: ast.Module) -> list[str]:
    """All imports, wherever they stand."""
    return [
        name for node in ast.walk(tree) if isinstance(node, ast.stmt) for name in _targets(node)
    ]


def _imports_on_load(node: ast.AST) -> Iterator[str]:
    """The imports that run when the module is loaded: not in functions, not for types only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield from _targets(child)
        for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not for_types and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _imports_on_load(child)


def _layer(module: str) -> int | None:
    """Row of the module in LAYERS; the root package is above all."""
    if module == "readsim":
        return len(LAYERS)
    rest = module.partition(".")[2]
    inside = [
        (len(name), row)
        for row, names in enumerate(LAYERS)
        for name in names
        if rest == name or rest.startswith(f"{name}.")
    ]
    return max(inside)[1] if inside else None


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    own = _layer(module)
    assert own is not None, f"{module} has no row in LAYERS"
    for target in _imports(TREES[module]):
        assert target.split(".")[0] not in NEVER, f"{module} imports {target}"
        if target.split(".")[0] == "readsim":
            row = _layer(target)
            assert row is not None, f"{module} imports {target}, which has no row in LAYERS"
            assert row <= own, f"{module} imports {target}, which is above it"


def test_no_import_cycle() -> None:
    # prepare() raises CycleError, which shows the cycle.
    TopologicalSorter(
        {
            module: {t for t in _imports_on_load(tree) if t in MODULES and t != module}
            for module, tree in TREES.items()
        }
    ).prepare()


def _loaded_by(code: str) -> set[str]:
    """Top-level modules in memory after `code` ran in a new interpreter."""
    report = "\nimport sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + report],
        capture_output=True,
        cwd=ROOT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_readsim_is_light() -> None:
    heavy = _loaded_by("import readsim") & HEAVY
    assert heavy == set()


def test_no_module_loads_an_extra() -> None:
    names = [name for name in MODULES if not name.endswith("__main__")]
    extras = _loaded_by("\n".join(f"import {name}" for name in names)) & NEVER
    assert extras == set()


@pytest.mark.parametrize("folder", ["readsim", "adapters", "studies", "tests"])
def test_files_are_small(folder: str) -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > 400} == {}


@pytest.mark.parametrize("folder", ["adapters", "studies", "tests"])
def test_folders_that_are_no_packages(folder: str) -> None:
    # An __init__.py here would claim a name that may belong to somebody else's package.
    assert not (ROOT / folder / "__init__.py").exists()
