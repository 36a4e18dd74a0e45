"""What a wheel contains, and that the folder named `adapters` claims that name nowhere."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

import readsim
import readsim_hf
from tests.support.paths import ROOT

PROBE = """
import adapters, readsim, readsim_hf
print(adapters.OWNER, readsim.__file__, readsim_hf.__file__)
"""


def _run(arguments: list[str], folder: Path, *path: Path) -> str:
    """Standard output of `python arguments`, run in `folder`, `path` before site-packages."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))},
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """A site-packages folder that holds somebody else's package named `adapters`."""
    package = tmp_path / "site-packages" / "adapters"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('OWNER = "stranger"\n', encoding="utf-8")
    return package.parent


@pytest.mark.extra("build", "hatchling")
def test_wheel(tmp_path: Path, stranger: Path) -> None:
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    _run(build, tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(stranger)

    assert {name for name in names if not name.startswith("readsim")} == set()
    inside = (("readsim", ROOT), *((f"readsim_{n}", ROOT / "adapters") for n in ("hf", "rl")))
    for package, folder in inside:
        assert _files(package, folder) | {f"{package}/py.typed"} <= names

    owner, *files = _run(["-c", PROBE], tmp_path, stranger).split()
    assert owner == "stranger"
    assert all(Path(file).is_relative_to(stranger) for file in files)


def test_one_version_everywhere() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {readsim.__version__}\n" in citation
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = next(line for line in changes.splitlines() if line.startswith("## "))
    assert first.startswith(f"## {readsim.__version__}, ")


def test_the_release_tries_every_python_that_is_said_to_be_supported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    said = [line.split(" :: ")[-1] for line in project["classifiers"] if "Python :: 3." in line]
    script = (ROOT / ".ci" / "release").read_text(encoding="utf-8")
    assert f"PYTHONS=({' '.join(said)})" in script
    assert project["requires-python"] == f">={said[0]}"


def test_each_extra_that_a_message_names_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for folder in ("readsim", "adapters"):
        for path in (ROOT / folder).rglob("*.py"):
            named = re.findall(r"readsim\[([a-z,]+)\]", path.read_text(encoding="utf-8"))
            for name in (part for text in named for part in text.split(",")):
                assert name in project["optional-dependencies"], f"{path}: {name}"


@pytest.mark.slow
def test_a_shell_completes_commands_options_and_names() -> None:
    def answers(line: str) -> set[str]:
        words = line.split(" ")
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        done = subprocess.run(
            [sys.executable, "-m", "readsim"],
            capture_output=True,
            env=os.environ | asked | {"_READSIM_COMPLETE": "complete_bash"},
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return set(done.stdout.split())

    assert answers("readsim comp") == {"compare"}
    assert answers("readsim compare --world gateway,conf") == {"gateway,conflict"}
    assert "read-no-history" in answers("readsim compare --allocators read")
    assert "--explain" in answers("readsim compare --ex")


def test_the_version_is_told() -> None:
    assert _run(["-m", "readsim", "--version"], ROOT) == f"readsim {readsim.__version__}\n"


def test_source_tree_beside_another_adapters(stranger: Path) -> None:
    # The order that pytest's `pythonpath` and an editable install give: the tree first, or last.
    for path in ([ROOT, ROOT / "adapters", stranger], [stranger, ROOT, ROOT / "adapters"]):
        owner, *files = _run(["-c", PROBE], ROOT, *path).split()
        assert owner == "stranger"
        assert all(Path(file).is_relative_to(ROOT) for file in files)


def test_missing_dependencies_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = (
        *("accelerate", "datasets", "filelock", "gguf", "lm_eval", "peft", "pyarrow"),
        *("pydantic", "regex", "safetensors", "torch", "transformers"),
    )
    assert set(readsim_hf.missing_dependencies()) <= set(everything)
    home = readsim_hf.dependencies
    monkeypatch.setattr(home, "find_spec", lambda name: None)
    assert readsim_hf.missing_dependencies() == everything
    monkeypatch.setattr(
        readsim_hf.dependencies, "find_spec", lambda name: None if name == "peft" else object()
    )
    assert readsim_hf.missing_dependencies() == ("peft",)


def _files(package: str, folder: Path) -> set[str]:
    """Everything that belongs in the wheel: the package's files, less Python's own caches."""
    return {
        path.relative_to(folder).as_posix()
        for path in (folder / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
