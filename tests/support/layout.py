"""What the tests of the layout share: the imports of a package, read from its source."""

import ast
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path

from tests.support.paths import ROOT

# From low to high: a module imports from its own row and from the rows before it, never from a later
# one. An entry is the module of that name (in the package) and everything inside it that has no longer
# entry of its own.
Layers = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Package:
    """`name` is a package in `folder`; the package itself is in `row` of its layers."""

    folder: Path
    name: str
    layers: Layers
    row: int

    @cached_property
    def modules(self) -> dict[str, ast.Module]:
        """The source of each module: `readsim.worlds` is its __init__.py."""
        found = {}
        for path in sorted((self.folder / self.name).rglob("*.py")):
            name = ".".join(path.relative_to(self.folder).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = ast.parse(path.read_text(encoding="utf-8"))
        return found

    def imports(self, module: str) -> list[str]:
        """All that it imports: at its top, inside functions, and for types only."""
        return [name for node in ast.walk(self.modules[module]) for name in self._targets(node)]

    def _targets(self, node: ast.AST) -> list[str]:
        """Modules that an import statement loads; `from a import b` is a.b where that is a module."""
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if not isinstance(node, ast.ImportFrom):
            return []
        assert node.level == 0, "imports are absolute"
        base = node.module or ""
        # The version is known before anything else in readsim/__init__.py is imported.
        names = [alias.name for alias in node.names if alias.name != "__version__"]
        full = [f"{base}.{name}" for name in names]
        return [name if name in self.modules else base for name in full]

    def layer(self, module: str) -> int:
        """Row of the module in the layers. Raises AssertionError where it has none."""
        if module == self.name:
            return self.row
        rest = module.removeprefix(f"{self.name}.")
        inside = [
            (len(name), row)
            for row, names in enumerate(self.layers)
            for name in names
            if rest == name or rest.startswith(f"{name}.")
        ]
        assert inside, f"{module} has no row in LAYERS"
        return max(inside)[1]

    def check_imports_point_down(self, module: str) -> None:
        """Nothing of a higher row is imported."""
        for target in self.imports(module):
            if target.split(".")[0] == self.name:
                up = self.layer(target) > self.layer(module)
                assert not up, f"{module} imports {target}, which is above it"

    def check_no_circle(self) -> None:
        """No modules import each other in a loop, not even lazily or for types only."""
        TopologicalSorter(
            {
                module: {t for t in self.imports(module) if t in self.modules and t != module}
                for module in self.modules
            }
        ).prepare()  # raises CycleError, which shows the circle


def loaded_by(code: str, folder: Path = ROOT) -> set[str]:
    """Top-level modules in memory after `code` ran in a new interpreter, in `folder`."""
    report = "\nimport sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + report],
        capture_output=True,
        cwd=folder,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def importing(modules: Iterable[str]) -> str:
    """Code that imports them."""
    return "\n".join(f"import {name}" for name in modules)
