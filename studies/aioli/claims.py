"""What a fit to Aioli's graphs should be good for, and what it cannot say.

Known beforehand: the mean over left-out seeds of both errors (.0040 and .0040, LOG). Not known: each seed,
what intervals cover, how far gain families are apart. The graphs are of pre-training from scratch on one
slice at a time: no mixture was measured.
"""

from studies.common.claim import Claim

CASE = "aioli"

CLAIMS = (
    Claim(
        id="left-out",
        source="ours: PRE-TRAINING graphs of arXiv 2411.05735",
        text="A world fitted to four seeds predicts the fifth as well as their mean does, to .001",
        statistic="root mean square error of the mean of four minus the world's, above -.001; one number a "
        "seed",
        unit="of the start's loss",
        holds=(CASE,),
        least=-0.001,
    ),
    Claim(
        id="cover",
        source="ours",
        text="95 % intervals by the spread of four seeds cover at least 85 % of the fifth's entries",
        statistic="share of nine entries within t sqrt(1 + 1/4) pooled standard deviations of the world, "
        "minus .85; one number a seed",
        unit="",
        holds=(CASE,),
    ),
    Claim(
        id="mixture-not-identified",
        source="ours: graphs of one slice at a time",
        text="What a uniform mixture does is not in the graphs: gain families that fit them alike disagree",
        statistic="largest difference over slices of the relative drop after a third each, logarithmic and "
        "exponential gains, above five times the error with which each fits the graphs; one number a seed "
        "left out",
        unit="of the start's loss",
        holds=(CASE,),
    ),
)
