"""What is claimed of the real runs and of forecasts of them, written down before any of them was made.

Known beforehand: 24 static runs of nano at 60K tokens (`studies.sim_to_real`), 72 of an older recipe
(`studies.transfer_matrix`). Two runs at 12K were made to time them; nobody looked at their scores. `held`
is the half of the designs that no fit sees, chosen by place before the first run.
"""

from studies.common.claim import Claim

SOURCE = "ours: the use the simulator is for"
PAIRS = ("nano", "micro")

CLAIMS = (
    Claim(
        id="rank-held",
        source=SOURCE,
        text="A world fitted to one half of the runs ranks the other half",
        statistic="Spearman correlation of forecast and measured utility over the held runs of a budget, "
        "mean over the average task and .6 on each capability; one number a budget, above .9",
        unit="",
        holds=PAIRS,
        least=0.9,
    ),
    Claim(
        id="error-held",
        source=SOURCE,
        text="Its scores of held runs are off by at most 3.5 points",
        statistic="3.5 minus the mean absolute error of a score; one number a held run",
        unit="points",
        holds=PAIRS,
    ),
    Claim(
        id="cover-held",
        source=SOURCE,
        text="Its 95 % intervals cover at least 92 % of the scores of held runs",
        statistic="share covered minus .92, one number a held run",
        unit="",
        holds=PAIRS,
    ),
    Claim(
        id="above-linear",
        source=SOURCE,
        text="It is closer than a ridge regression on tokens by source",
        statistic="mean absolute error of the regression minus that of the fit; one number a held run",
        unit="points",
        holds=PAIRS,
    ),
    Claim(
        id="order-matters",
        source="ours: seven points on nano between two orders of the same tokens",
        text="Schedules are harder to forecast than static shares",
        statistic="mean absolute error of held two-phase runs minus that of the others, a budget each",
        unit="points",
        holds=PAIRS,
    ),
    Claim(
        id="peaks",
        source="ours: 43 % of 342 public fine-tuning trajectories peak more than 2 points above their end",
        text="A score peaks and falls in at least a fifth of the cases",
        statistic="share of capabilities whose best probe is more than 5 points above the last, minus .2; "
        "one number a run",
        unit="",
        holds=PAIRS,
    ),
    Claim(
        id="chosen-above-task-static",
        source=SOURCE,
        text="The constant shares that are best in the fitted world beat task-static when they are run",
        statistic="measured utility of chosen minus task-static, same seed",
        unit="points",
        holds=PAIRS,
    ),
    Claim(
        id="schedule-above-chosen",
        source="ours: added after it had lost by 2.4 points on nano, before micro was played",
        text="The best schedule of two halves in the fitted world beats its best constant shares",
        statistic="measured utility of chosen-schedule minus chosen, same seed",
        unit="points",
        holds=(),
        fails=("micro",),
    ),
    Claim(
        id="chosen-above-uniform",
        source=SOURCE,
        text="It beats uniform when it is run",
        statistic="measured utility of chosen minus uniform, same seed",
        unit="points",
        holds=PAIRS,
    ),
    Claim(
        id="chosen-in-interval",
        source=SOURCE,
        text="Its utility, and task-static's and uniform's, lie inside their 95 % intervals",
        statistic="share covered minus .92, one number a seed",
        unit="",
        holds=PAIRS,
    ),
    Claim(
        id="methods-rank",
        source=SOURCE,
        text="Forecast and measured utility rank the methods alike",
        statistic="Kendall correlation over the methods of a seed, above .7",
        unit="",
        holds=PAIRS,
        least=0.7,
    ),
)
