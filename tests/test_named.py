"""A module of the user's that cannot be imported is one sentence with its file and line."""

from pathlib import Path

import pytest

from readsim.errors import ReadsimError
from readsim.named import find


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def x(:\n", r"broken\.py, line 1: invalid syntax: def x\(:"),
        ("\n\tx = 1\n  y = 2\n", r"broken\.py, line [23]: "),
        ("import math\n\nmath.sqrt(-1)\n", r"broken\.py, line 3: ValueError: "),
        ("x = 'a\0b'\n", "null bytes"),
        ("import sys\nsys.exit(3)\n", "ends Python when it is imported"),
        ("import nothing_of_this_name\n", "cannot import 'broken'"),
    ],
)
def test_a_module_that_fails_is_one_sentence(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ReadsimError, match=said) as refused:
        find("broken:Thing")
    assert "\n" not in str(refused.value)


def test_a_missing_module_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ReadsimError, match="looked for in") as refused:
        find("nothing_of_this_name:Thing")
    assert str(tmp_path) in str(refused.value)
    (tmp_path / "mine_imports.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(ReadsimError, match="nothing_of_this_name") as refused:
        find("mine_imports:Thing")
    assert "looked for" not in str(refused.value)
