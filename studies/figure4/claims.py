"""The component ablation, written down before the runs.

What a component is worth: utility of ReAD minus that of ReAD without it, mean over tasks and budgets.
"""

from studies.common.claim import Claim
from studies.figure4.sweep import CONFLICT, LLAMA, MENDS, MISALIGNED, STRAIGHT

SOURCE = "Figure 4 (R89, D19)"
WORTH = "utility of ReAD minus that of"

# id -> (text, cases in which it should hold, cases in which it should not)
_MENDED: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "persistent": ("Pool runs that keep their allocation pay", (), ()),
    "shares": ("So does telling the context what was trained so far", (LLAMA, CONFLICT), ()),
    "level": (
        "Learning levels from runs that keep their allocation pays",
        (LLAMA, CONFLICT),
        (MISALIGNED,),
    ),
    "own-rows": ("A run's own rows should count as much as the pool", (), ()),
    "refit": ("All layers should be fitted anew to them", (), ()),
    "rescale": ("Rewards times the slope of the calibration pay", (), (LLAMA, CONFLICT, STRAIGHT)),
    "visible-price": (
        "A predicted price on all that is visible pays in utility",
        (),
        (LLAMA, CONFLICT, STRAIGHT),
    ),
    "improvement": ("A lower bound on the improvement over the requirement pays", (CONFLICT,), ()),
    "mended": (
        "Levels and the lower bound together pay",
        (LLAMA, CONFLICT),
        (MISALIGNED,),
    ),
}
assert set(_MENDED) == set(MENDS)

CLAIMS = (
    Claim(
        id="identification",
        source=SOURCE,
        text="Identification matters: r = 1/K with the bandit on is worse",
        statistic=f"{WORTH} read-no-identification",
        unit="points",
        holds=(LLAMA, CONFLICT, STRAIGHT),
        fails=(MISALIGNED,),
    ),
    Claim(
        id="uniform",
        source=f"{SOURCE}, the literal reading",
        text="Identification matters: a uniform allocation is worse",
        statistic=f"{WORTH} uniform",
        unit="points",
        holds=(LLAMA, CONFLICT, STRAIGHT),
        fails=(MISALIGNED,),
    ),
    Claim(
        id="adaptation",
        source=SOURCE,
        text="Adaptation matters: keeping the first choice is worse",
        statistic=f"{WORTH} read-no-adaptation",
        unit="points",
        holds=(LLAMA, CONFLICT),
        fails=(STRAIGHT,),
    ),
    Claim(
        id="interaction",
        source=SOURCE,
        text="Interaction matters: without the spillover penalty it is worse",
        statistic=f"{WORTH} read-no-interaction",
        unit="points",
        holds=(LLAMA, CONFLICT),
        fails=(STRAIGHT,),
    ),
    Claim(
        id="history",
        source="Eq. (16); not in Figure 4",
        text="History in the context matters",
        statistic=f"{WORTH} read-no-history",
        unit="points",
        holds=(),
    ),
    Claim(
        id="two-matter-most",
        source=SOURCE,
        text="Identification and adaptation matter most",
        statistic="the smaller worth of identification and adaptation minus that of interaction, means over "
        "tasks and budgets",
        unit="points",
        holds=(LLAMA, CONFLICT),
        fails=(MISALIGNED,),
    ),
    *(
        Claim(
            id=id_,
            source="ours: ReAD's estimates mended, one setting each",
            text=text,
            statistic=f"utility of {MENDS[id_]} minus that of ReAD",
            unit="points",
            holds=holds,
            fails=fails,
        )
        for id_, (text, holds, fails) in _MENDED.items()
    ),
    Claim(
        id="visible-price-negative",
        source="ours",
        text="A predicted price on all that is visible protects it",
        statistic=f"Neg of ReAD minus that of {MENDS['visible-price']}",
        unit="points",
        holds=(LLAMA, CONFLICT),
        fails=(STRAIGHT,),
    ),
)
