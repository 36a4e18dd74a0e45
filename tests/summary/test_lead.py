"""The first line of a table or a page: where a world's numbers come from."""

from readsim.summary.lead import numbers_of
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
