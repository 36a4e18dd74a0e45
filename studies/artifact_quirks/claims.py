"""What each trap should cost, by its mechanism, written down before the runs."""

from studies.artifact_quirks.sweep import QUIRKS, REPEATED, TASKS
from studies.common.claim import Claim

SOURCE = "the public code of R112, read after our defaults were frozen (D46)"
ALL = tuple(TASKS)
LEAST = 0.2  # points: less is nothing

# id -> (text, cases in which it should cost, cases in which it should not)
EXPECTED: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "one-interval": ("A budget below one interval: a random first pick is kept", ALL, ()),
    "warm-up": ("Five random picks come before the first informed one", ALL, ()),
    "raw-budget": ("The tokens left are an input of 1e6 to 1e8 beside inputs of order 1", ALL, ()),
    "no-history": ("The context has no recent allocations", (), ("read8-llama", "conflict")),
    "pairs": (
        "Candidates are pairs of the top 3 of r",
        ("conflict", "gateway"),
        ("read8-llama",),
    ),
    "token-cost": ("Each token costs 1e-5 of reward", (), ALL),
    "one-hot": ("The requirement is one-hot", ALL, ()),
    REPEATED: ("Every interval draws the same prompts", ALL, ()),
    "unprobed": ("A required capability without probes counts as perfect", ALL, ()),
    "together": ("Warm-up, raw budget, pairs, token cost and one-hot together", ALL, ()),
}
assert set(EXPECTED) == {*QUIRKS, REPEATED}

CLAIMS = tuple(
    Claim(
        id=id_,
        source=SOURCE,
        text=f"{text}: it costs utility",
        statistic=f"utility of ReAD without it minus with it, same seed, above {LEAST}",
        unit="points",
        holds=holds,
        fails=fails,
        least=LEAST,
    )
    for id_, (text, holds, fails) in EXPECTED.items()
)
