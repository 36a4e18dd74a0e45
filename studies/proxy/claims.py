"""Local proxy validation and coarse calibration, written down before the runs.

mu and sigma are what the ensemble predicted for the chosen step before it was made, R the reward that
was then measured. A step is a small move if at most a quarter of the tokens goes elsewhere than before.
"""

from studies.common.claim import Claim

LOCAL = "S6, local proxy validation (R90)"
COARSE = "S3.3, coarse calibration (R50, R103)"
EXACT, COARSE_20M, SMALL = "exact-probe at 150M", "coarse-probe at 20M", "read8-llama at 20M"
LARGE = ("read8-llama at 150M", "conflict at 150M", "gateway at 150M", "biased-probe at 150M")
CASES = (*LARGE, SMALL, EXACT, COARSE_20M)

CLAIMS = (
    Claim(
        id="aligned",
        source=LOCAL,
        text="Predicted next-step gains align with observed ones",
        statistic="Spearman correlation of mu and R over all steps of a seed, tasks together",
        unit="",
        holds=(*LARGE, EXACT),
        fails=(COARSE_20M,),
        least=0.1,
    ),
    Claim(
        id="aligned-within",
        source=LOCAL,
        text="They align within a run, where requirement and world are the same",
        statistic="Spearman correlation of mu and R over the steps of a run, mean over tasks",
        unit="",
        holds=(*LARGE, EXACT),
        fails=(COARSE_20M, SMALL),
        least=0.1,
    ),
    Claim(
        id="small-moves",
        source=LOCAL,
        text="Especially for small moves",
        statistic="Spearman correlation of |mu - R| and the move, first step left out, mean over tasks",
        unit="",
        holds=(EXACT, "conflict at 150M", "gateway at 150M"),
        fails=(SMALL, COARSE_20M),
        least=0.1,
    ),
    Claim(
        id="unshrunk",
        source=LOCAL,
        text="Predictions are accurate in size: a predicted point is worth at least half a point",
        statistic="least-squares slope of R on mu over all steps of a seed, tasks together",
        unit="",
        holds=(*LARGE, EXACT),
        fails=(COARSE_20M,),
        least=0.5,
    ),
    Claim(
        id="covered",
        source="Assumption 4.6 (R90)",
        text="mu +- kappa sigma covers nine of ten observed rewards",
        statistic="share of steps with |R - mu| <= kappa sigma",
        unit="%",
        holds=(),
        fails=CASES,
        least=90.0,
    ),
    Claim(
        id="dev-slope",
        source=COARSE,
        text="Development utility rises with the sum of proxy rewards",
        statistic="share of tasks whose slope at the last development checkpoint is above 0",
        unit="% of runs",
        holds=(*LARGE, EXACT),
        fails=(COARSE_20M,),
        least=50.0,
    ),
)
