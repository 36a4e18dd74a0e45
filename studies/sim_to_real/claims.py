"""What a fitted world should be good for, written down before the real runs of `measure`.

`nano` is the pair; its world was fitted to 64 one-hot runs of another day and recipe (`data.group` 64,
not 256). Known beforehand: the error on the eight mixtures of those days (LOG), and the scores of
uniform, task-static and one-hot at 60K tokens (`real_read`). Not known: everything about the chosen
allocation and the random mixtures at 60K.
"""

from studies.common.claim import Claim

SOURCE = "ours: the use the simulator is for"
NANO = "nano"
EARLIER = "nano, earlier mixtures"
MARGIN = 2.0  # points of utility

CLAIMS = (
    Claim(
        id="error-unseen",
        source=SOURCE,
        text="The fitted world predicts unseen mixtures better than the mean of the one-hot rows",
        statistic="root mean square error over capabilities of that mean minus the world's; one number a "
        "mixture of the earlier runs, a seed (all mixtures) of the new ones",
        unit="points",
        holds=(EARLIER, NANO),
    ),
    Claim(
        id="rank-unseen",
        source=SOURCE,
        text="The fitted world ranks unseen mixtures better than the mean of the one-hot rows",
        statistic="Spearman correlation of predicted and measured utility over the mixtures of a seed, mean "
        "over the average task and .6 on each capability: the world's minus that mean's",
        unit="",
        holds=(NANO,),
    ),
    Claim(
        id="rank-positive",
        source=SOURCE,
        text="The fitted world ranks unseen mixtures",
        statistic="that Spearman correlation itself, above .5",
        unit="",
        holds=(NANO,),
        least=0.5,
    ),
    Claim(
        id="above-uniform",
        source=SOURCE,
        text="The allocation chosen in the world is better than uniform when it is run",
        statistic="measured utility of chosen minus uniform, same seed",
        unit="points",
        holds=(NANO,),
    ),
    Claim(
        id="not-below-task-static",
        source=SOURCE,
        text="It is not worse than task-static, by more than 2 points",
        statistic="measured utility of chosen minus task-static, same seed, above -2",
        unit="points",
        holds=(NANO,),
        least=-MARGIN,
    ),
)
