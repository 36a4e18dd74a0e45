"""A table of settings from a TOML, JSON or YAML file."""

import re
import tomllib
from pathlib import Path
from typing import Any

from readsim.errors import CapabilityMissingError, ConfigError
from readsim.files.json_text import fault, parse_json
from readsim.files.text import AnyPath, place_in, read_text, suffix_of

MOST = 2**26  # bytes of TOML or JSON, unpacked
MOST_YAML = 2**18  # PyYAML reads some 40 kB a second
DEPTH = 32  # parts of a TOML key: its parser takes the square of them
_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*\.[ \t]*{_PART}){{{DEPTH}}}")
_TOML_PLACE = re.compile(r"(.*) \((?:at (line \d+, column \d+)|at end of document)\)", re.DOTALL)
_OTHER_BASE = re.compile(r"[-+]?0[0-7_]+|.*:.*")  # of YAML 1.1: 010 is 8, 1:30 is 90
MOST_NODES = 100_000  # of a YAML file with every alias unfolded


def read_settings(path: AnyPath) -> dict[str, Any]:
    """The table of a file: JSON (`.json`), YAML (`.yaml`, `.yml`, needs PyYAML), or else TOML.

    A key that is there twice is refused. Raises ConfigError naming file, line and column.
    """
    path = Path(path)
    suffix = suffix_of(path)
    is_yaml = suffix in (".yaml", ".yml")
    text = read_text(path, MOST_YAML if is_yaml else MOST)
    if suffix == ".json":
        value = parse_json(text, path)
    elif is_yaml:
        value = _yaml(text, path)
    else:
        value = _toml(text, path)
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: expected a table of fields, got {type(value).__name__}")
    if other := next((key for key in value if not isinstance(key, str)), None):
        raise ConfigError(f"{path}: the key {other!r} is not text")
    return value


def _toml(text: str, path: Path) -> Any:
    if long := _LONG_KEY.search(text):
        where = place_in(path, text[: long.start()])
        raise ConfigError(
            f"{where}: a key of more than {DEPTH} parts: tables are not nested so deeply"
        )
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_PLACE.fullmatch(str(error))
        if found is None:
            raise ConfigError(f"{path}: not TOML: {error}") from error
        lines = f"line {text.count(chr(10)) + 1}"  # the end of the document
        raise ConfigError(f"{path}, {found[2] or lines}: not TOML: {found[1]}") from error
    except (ValueError, RecursionError) as error:  # a number of 5000 digits, 5000 brackets
        said = "nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigError(f"{path}: not TOML: {said}") from error


def _yaml(text: str, path: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise CapabilityMissingError(
            f"{path}: YAML needs PyYAML, which is not installed (TOML and JSON do not)"
        ) from error

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        _check_nodes(loader, node)  # before merges change the nodes
        value = None if node is None else loader.construct_document(node)
        wrong = fault(value)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        raise ConfigError(f"{where}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        reason = "nested too deeply" if deep else " ".join(str(error).split())
        raise ConfigError(f"{path}: not YAML: {reason}") from error
    if wrong:
        raise ConfigError(f"{path}: {wrong[0]}: {wrong[1]}")
    return value


def _check_nodes(loader: Any, root: Any) -> None:
    """Raise MarkedYAMLError for a key that is there twice, a number that YAML reads in base 8 or 60, an
    anchor inside of itself, or aliases that would unfold to more than MOST_NODES nodes."""
    from yaml import MappingNode, MarkedYAMLError, ScalarNode

    sizes: dict[int, int] = {}  # of nodes with everything below them; 0 while that is being counted

    def size(node: Any) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = 0
            sizes[id(node)] = 1 + below(node)
        found = sizes[id(node)]
        if not found or found > MOST_NODES:
            what = f"aliases unfold to over {MOST_NODES} values" if found else "it contains itself"
            raise MarkedYAMLError(problem=what, problem_mark=node.start_mark)
        return found

    def below(node: Any) -> int:
        if isinstance(node, ScalarNode):
            if node.tag.endswith((":int", ":float")) and _OTHER_BASE.fullmatch(node.value):
                what = (
                    f"{node.value} is {loader.construct_object(node)} in YAML: put text into quotes"
                )
                raise MarkedYAMLError(problem=what, problem_mark=node.start_mark)
            return 0
        if not isinstance(node, MappingNode):
            return sum(map(size, node.value))
        seen = set()
        for key, _ in node.value:
            if isinstance(key, ScalarNode):
                merge = key.tag.endswith(":merge")
                name = key.value if merge else loader.construct_object(key)
                if name in seen:
                    what = f"field {name!r} is given twice"
                    raise MarkedYAMLError(problem=what, problem_mark=key.start_mark)
                seen.add(name)
        return sum(size(key) + size(value) for key, value in node.value)

    if root is not None:
        size(root)
