"""The shape of the tree: imports point one way, the core stays light, files stay small."""

import pytest

from tests.support.layout import Package, importing, loaded_by
from tests.support.paths import ROOT

LAYERS = (
    ("errors", "version"),
    ("arrays", "envs.simplex", "named", "runs.parallel", "streams", "token_counts"),
    ("envs.ledger", "files", "runs.log_schema", "runs.profile_scale", "tree_file"),
    ("runs.fields",),
    ("runs.trained_shares",),
    ("runs.rows",),
    ("runs.row_order",),
    ("runs.comparing", "runs.log_file", "runs.read_logs"),
    ("worlds",),
    ("fitting",),
    ("backend", "simulator"),
    ("runs.checkpoints",),
    ("envs.reward", "stats"),
    (
        "envs.candidates",
        "envs.episode",
        "envs.history",
        "envs.requirement_modes",
        "envs.rollback",
        "envs.vector_info",
    ),
    ("envs",),
    ("toy",),
    ("allocators",),
    ("runs.identity",),
    ("runs.blame", "runs.setups", "runs.shown"),
    ("runs.loop",),
    ("runs",),
    ("plots", "summary"),
    ("api",),
    ("theory",),
    ("testing",),
    ("suite",),
    ("report",),
    ("advise",),
    ("cli", "__main__"),
)

# What nothing under readsim/ may import, at the top of a module or inside a function.
NEVER = {
    *("accelerate", "datasets", "lm_eval", "peft", "safetensors", "stable_baselines3"),
    *("torch", "transformers"),
    *("adapters", "readsim_hf", "readsim_rl", "studies", "tests"),
}

# What a bare `import readsim` must not load: it costs more than everything else together.
HEAVY = NEVER | {"joblib", "matplotlib", "pandas", "rich", "scipy", "sklearn", "typer"}

# What `readsim --help` must not load.
HEAVY_FOR_HELP = HEAVY - {"rich", "typer", "readsim_hf", "readsim_rl"}

READSIM = Package(ROOT, "readsim", LAYERS, row=len(LAYERS))


@pytest.mark.parametrize("module", READSIM.modules)
def test_imports_point_down(module: str) -> None:
    for target in READSIM.imports(module):
        assert target.split(".")[0] not in NEVER, f"{module} imports {target}"
    READSIM.check_imports_point_down(module)


def test_no_import_circle() -> None:
    READSIM.check_no_circle()


def test_importing_readsim_is_light() -> None:
    assert loaded_by("import readsim") & HEAVY == set()


def test_the_command_line_is_light_until_a_command_runs() -> None:
    loaded = loaded_by("from readsim.cli.app import app, extend; extend(app)")
    assert loaded & HEAVY_FOR_HELP == set()


def test_no_module_loads_an_extra() -> None:
    names = [name for name in READSIM.modules if not name.endswith("__main__")]
    assert loaded_by(importing(names)) & NEVER == set()


def test_the_root_of_readsim_is_not_crowded() -> None:
    loose = [path.stem for path in (ROOT / "readsim").glob("*.py")]
    assert len(loose) <= 12


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
