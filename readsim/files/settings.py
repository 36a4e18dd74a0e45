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

    class Strict(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML gives no types
        """As the safe loader, but without a key that is there twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            plain = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            seen: dict[Any, Any] = {}
            for key in plain:
                name = self.construct_object(key, deep=True)
                if isinstance(name, str) and name in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"field {name!r} is given twice", key.start_mark
                    )
                seen[name if isinstance(name, str) else id(key)] = key
            made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
            return made

    try:
        value = yaml.load(text, Strict)  # a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        raise ConfigError(f"{where}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        deep = isinstance(error, RecursionError)
        reason = "nested too deeply" if deep else " ".join(str(error).split())
        raise ConfigError(f"{path}: not YAML: {reason}") from error
    if _is_large(value):
        raise ConfigError(f"{path}: its aliases make it of more than {MOST_YAML} values")
    if wrong := fault(value):
        raise ConfigError(f"{path}: {wrong[0]}: {wrong[1]}")
    return value


def _is_large(value: Any) -> bool:
    """Whether aliases, which share values in memory, make more values than a file can hold by itself."""
    waiting, count = [value], 0
    while waiting and count <= MOST_YAML:
        one = waiting.pop()
        count += 1
        if isinstance(one, dict | list):
            waiting += one.values() if isinstance(one, dict) else one
    return count > MOST_YAML
