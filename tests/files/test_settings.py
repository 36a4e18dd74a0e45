"""Settings from TOML, JSON and YAML: the same table in every disguise, and one line for what is wrong."""

import gzip
import json
from pathlib import Path

import pytest
import tomli_w

from readsim.errors import ConfigError
from readsim.files import read_settings

TABLE = {"name": "é", "start": [0.5, 1], "inner": {"on": True}}
TEXTS = {"toml": tomli_w.dumps(TABLE), "json": json.dumps(TABLE, indent=1)}


@pytest.mark.parametrize("suffix", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_disguises(suffix: str, encoding: str, end: str, tmp_path: Path) -> None:
    data = TEXTS[suffix].replace("\n", end).encode(encoding)
    for name, content in ((f"a.{suffix}", data), (f"a.{suffix}.gz", gzip.compress(data))):
        (tmp_path / name).write_bytes(content)
        assert read_settings(tmp_path / name) == TABLE
        assert read_settings(str(tmp_path / name)) == TABLE


@pytest.mark.extra("transformers")  # brings PyYAML
def test_yaml(tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "a.yaml"
    path.write_bytes(
        yaml.safe_dump(TABLE, allow_unicode=True).replace("\n", "\r\n").encode("utf-8-sig")
    )
    assert read_settings(path) == TABLE
    path.write_text("base: &b {x: 1}\nmore: {<<: *b, y: 2}\n", encoding="utf-8")
    assert read_settings(path)["more"] == {"x": 1, "y": 2}
    path.write_text("a:\n  b: &b\n    <<: {x: 1}\n    x: 2\nc: {<<: *b, y: 3}\n", encoding="utf-8")
    assert read_settings(path) == {"a": {"b": {"x": 2}}, "c": {"x": 2, "y": 3}}
    bomb = "".join(f"{n}: &{n} [{', '.join([f'*{n - 1}'] * 9)}]\n" for n in range(1, 12))
    for text, said in (
        (
            f"0: &0 [a]\n{bomb}",
            ", line 6, column 4: not YAML: aliases unfold to over 100000 values",
        ),
        ("a: &a\n  b: *a\n", ", line 1, column 4: not YAML: it contains itself"),
        ("a: &a [*a]\n", ", line 1, column 4: not YAML: it contains itself"),
        ("a: {1: 2, 1: 3}\n", ", line 1, column 11: not YAML: field 1 is given twice"),
        ("a:\n  <<: {x: 1}\n  <<: {x: 2}\n", ", line 3, column 3: not YAML: field '<<' is given"),
        ("a: [010]\n", ", line 1, column 5: not YAML: 010 is 8 in YAML"),
        ("a: 1:30\n", ", line 1, column 4: not YAML: 1:30 is 90 in YAML"),
        ("a: 1\nb: 2\na: 3\n", ", line 3, column 1: not YAML: field 'a' is given twice"),
        ("a:\n  b: 1\n  b: 2\n", ", line 3, column 3: not YAML: field 'b' is given twice"),
        ("a: [\n", ", line 2, column 1: not YAML"),
        ("a: \x07\n", ": not YAML: unacceptable character"),
        ('a: "\\ud800"\n', ": a: half of a surrogate pair"),
        ("- a\n", ": expected a table of fields, got list"),
        ("1: a\n", ": the key 1 is not text"),
        ("", ": expected a table of fields, got NoneType"),
        ("a: !!python/object:os.system {}\n", ", line 1, column 4: not YAML: could not determine"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError) as caught:
            read_settings(path)
        assert str(caught.value).startswith(f"{path}{said}")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "a = 1\na = 2\n", ", line 2, column 6: not TOML: Cannot overwrite a value"),
        ("a.toml", "a = [\n", ", line 2: not TOML"),
        ("a.toml", "a = \n", ", line 1, column 5: not TOML: Invalid value"),
        ("a.cfg", "a\n", ", line 1, column 2: not TOML"),
        ("a.json", '{"a": 1,\n "a": 2}', ", line 2, column 2: not JSON: field 'a' is given twice"),
        ("a.json", '{"a": 1,\n', ", line 1, column 9: not JSON"),
        ("a.json", '{"a":\n 1 2}', ", line 2, column 4: not JSON"),
        ("a.json", '{"a": ["\\udfff"]}', ": a[0]: half of a surrogate pair"),
        ("a.json", "3", ": expected a table of fields, got int"),
        ("a.json", "[" * 100_000, ": not JSON: nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(name: str, text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_settings(path)
    assert str(caught.value).startswith(f"{path}{said}")
    assert "\n" not in str(caught.value)
