"""How many changes are significant, in a sentence that is one for any counts."""

import re

import numpy as np
import pytest

from readsim.report.changes import Effects, counts_in_words


@pytest.mark.parametrize(
    ("signs", "said"),
    [
        ([1] * 15 + [-1], "Of 16 changes .* 15 are significant rises and 1 is a significant drop."),
        (
            [1, 0],
            "Of 2 .* 1 is a significant rise, none is a significant drop and 1 is not significant.",
        ),
        (
            [-1, -1, 0, 0],
            "Of 4 changes .* none is a significant rise, 2 are significant drops and 2 are not",
        ),
        ([1], "Of 1 change .* 1 is a significant rise and none is a significant drop."),
    ],
)
def test_counts_in_words(signs: list[int], said: str) -> None:
    mean = np.array(signs, dtype=float)
    p = np.where(mean == 0, 1.0, 0.0)
    (sentence,) = counts_in_words(Effects(mean, mean, p, p, "seeds"))
    assert re.match(said, sentence), sentence
