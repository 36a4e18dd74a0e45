"""Observation 1, written down before the runs. S_B is the set of one-hot runs at budget B."""

from studies.common.claim import Claim
from studies.common.worlds import ISOLATED
from studies.figure1.sweep import WORLDS

SOURCE = "Figure 1, Observation 1 (R13)"
SMALL, LARGE = "20M", "150M (or as far as the world's horizon goes, in the same proportion)"

CLAIMS = (
    Claim(
        id="interdependence",
        source=SOURCE,
        text="Training on one capability moves others, at every budget",
        statistic="smallest over budgets of: mean |M_ij|, i != j, minus what noise alone gives",
        unit="points",
        holds=WORLDS,
        fails=(ISOLATED,),
    ),
    Claim(
        id="sharper-target",
        source=SOURCE,
        text="A larger budget raises the target more",
        statistic=f"mean M_ii at {LARGE} minus at {SMALL}",
        unit="points",
        holds=(*WORLDS, ISOLATED),
    ),
    Claim(
        id="more-harm",
        source=SOURCE,
        text="A larger budget exposes stronger negative transfer",
        statistic="mean drop [-M_ij]_+, i != j, minus what noise alone gives, at the largest budget minus "
        "at the smallest",
        unit="points",
        holds=("read8-llama", "read8-qwen", "conflict"),
        fails=(ISOLATED, "related-web"),
    ),
    Claim(
        id="less-diffuse",
        source=SOURCE,
        text="Small budgets are diffuse, large ones concentrate on the target",
        statistic="normalised entropy of |M_i.| at the smallest budget minus at the largest",
        unit="",
        holds=("read8-llama", "read8-qwen", ISOLATED),
        fails=("conflict",),
    ),
)
