"""What a CSV file of effects says wrongly is called by its name, with its line."""

from pathlib import Path
from typing import Any

import pytest

from readsim.errors import WorldError
from readsim.worlds.effects_csv import world_from_csv

ABOVE = "# tokens = 60M\n# start = 0.4\n# ceiling = 0.9\n# unit = shares\n"


@pytest.mark.parametrize(
    ("above", "given", "said"),
    [
        ("tokens = -20M", {}, "effects.csv, line 1: tokens = '-20M': expected a whole number"),
        ("unit = points", {"tokens": "-20M"}, "effects.csv, as given beside it: tokens = '-20M'"),
        ("tokens = 1M", {"tokens": "2M"}, "as given beside it: tokens = 2000000, and 1000000"),
        (
            "tokens = 1M",
            {"start": 90, "ceiling": 80},
            "start = 90 of a lies above its ceiling = 80",
        ),
    ],
)
def test_a_fact_that_cannot_be_is_called_by_its_name(
    above: str, given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "effects.csv"
    path.write_text(f"# {above}\nsource,a,b\na,5,1\nb,1,5\n", encoding="utf-8")
    facts = {"tokens": None, "start": 40, "ceiling": 90, "unit": "points"}
    with pytest.raises(WorldError) as raised:
        world_from_csv(path, **{**facts, **given})
    assert said in str(raised.value)
    assert "budget" not in str(raised.value)


def test_a_source_with_two_rows_is_named_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "effects.csv"
    path.write_text(f"{ABOVE}source,a,b\na,.1,0\nb,0,.1\n a ,.1,0\n")
    with pytest.raises(WorldError, match=r"line 8, column 'source': 'a' is the source of line 6"):
        world_from_csv(path)
