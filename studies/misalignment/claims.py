"""The limitation of a wrong requirement and of poor probes, written down before the runs.

Losses are of the true final utility, paired by seed, mean over the case's tasks: told the truth minus
told otherwise. `permuted` gives every capability another's weight; `noisy:C` is drawn from Dirichlet(C r +
1 / V). In `equal` everything is required alike, so that permuting says nothing wrong. In `bottleneck` the
utility is not linear (ces:-2), so that the requirement changes as the student learns. `bias-X`: the same
world with probes of wrong slopes and offsets, X times those of `biased-probe`.
"""

from studies.common.claim import Claim

SOURCE = "S7, limitations (R19, R93)"
SKEWED = ("read8-llama", "conflict", "related-web", "bottleneck")
BIASED = ("bias-0.5", "bias-1", "bias-1.5")

CLAIMS = (
    Claim(
        id="permuted-read",
        source=SOURCE,
        text="A requirement that belongs to other capabilities costs ReAD utility",
        statistic="utility of ReAD told the truth minus told `permuted`",
        unit="points",
        holds=SKEWED,
        fails=("equal",),
    ),
    Claim(
        id="permuted-static",
        source=SOURCE,
        text="It costs the static split utility",
        statistic="utility of task-static told the truth minus told `permuted`",
        unit="points",
        holds=SKEWED,
        fails=("equal",),
    ),
    Claim(
        id="more-for-read",
        source=SOURCE,
        text="It costs ReAD more, which uses the requirement for candidates, context and reward",
        statistic="permuted-read minus permuted-static, same seed",
        unit="points",
        holds=("read8-llama", "conflict", "related-web"),
        fails=("equal",),
    ),
    Claim(
        id="noise-costs",
        source=SOURCE,
        text="The noisier the requirement, the more ReAD loses",
        statistic="utility of ReAD told `noisy:50` minus told `noisy:2`",
        unit="points",
        holds=("read8-llama", "conflict", "related-web", "equal"),
    ),
    Claim(
        id="uniform-costs",
        source=SOURCE,
        text="Knowing nothing of the requirement costs ReAD utility",
        statistic="utility of ReAD told the truth minus told `uniform`",
        unit="points",
        holds=SKEWED,
        fails=("equal",),
    ),
    Claim(
        id="stale-costs",
        source="S3.1 (R26, D1)",
        text="A requirement that is found once and kept costs ReAD utility",
        statistic="utility of ReAD told the present requirement at each step minus told that of the start",
        unit="points",
        holds=("bottleneck",),
        fails=("read8-llama",),
    ),
    Claim(
        id="bias-costs",
        source=SOURCE,
        text="Biased probes cost ReAD utility",
        statistic="utility of ReAD with honest probes minus with biased ones",
        unit="points",
        holds=("bias-1", "bias-1.5"),
    ),
    Claim(
        id="bias-costs-static",
        source=SOURCE,
        text="Biased probes cost the static split utility",
        statistic="the same of task-static, which does not look at probes",
        unit="points",
        holds=(),
        fails=BIASED,
    ),
)
