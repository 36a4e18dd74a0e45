"""The first line of a table or a page: where a world's numbers come from."""

import pandas as pd

from readsim.summary.lead import headline, numbers_of
from readsim.worlds.told import notes_to_read


def test_a_fitted_world_s_numbers_are_one_sentence() -> None:
    provenance = {
        "data": "runs.csv: 30 rows",
        "law": "8 hill gain curves",
        "not_identified": "start of safety",
        "misfit": '{"sd": [0.01]}',
        "share_range": "[[0, 1]]",
        "source_columns": "*",
    }
    assert numbers_of(provenance) == (
        "Its numbers are fitted to runs.csv: 30 rows; what the data do not determine: start of safety."
    )
    assert set(notes_to_read(provenance)) == {"data", "law", "not_identified"}


def rows_of(**utilities: float) -> pd.DataFrame:
    """A table of `summarise` of runs without the reference."""
    nan = float("nan")
    about = {"budget": 2000, "unit": "points", "beside_budget": 0.0, "difference": nan, "seeds": 1}
    return pd.DataFrame(
        [
            {"allocator": name.replace("_", "-"), "utility": u, **about}
            for name, u in utilities.items()
        ]
    )


def test_runs_that_end_alike_are_said_to_without_the_reference_too() -> None:
    [alike] = headline(rows_of(one_hot=0.0, uniform=0.0))
    assert alike.startswith(
        "At 2K tokens one-hot and uniform end alike, highest with 0.00 points; without task-static among "
        "the runs, no difference is tested."
    )
    [apart] = headline(rows_of(one_hot=1.0, uniform=2.0))
    assert "uniform ends highest with 2.00 points, one-hot next with 1.00 points; without" in apart
