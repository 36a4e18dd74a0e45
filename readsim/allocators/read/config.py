"""Settings of ReAD, each with where its default comes from, and the paper's ablations (Figure 4)."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

from readsim.allocators.read.calibration import REPAIRS
from readsim.allocators.read.ensemble import EnsembleConfig
from readsim.envs.candidates import CandidateConfig
from readsim.errors import ConfigError, shown, unknown
from readsim.files.checked import Checked, choice, group, number, switch, whole

TARGETS = ("reward", "level")
PENALTIES = ("measured", "predicted")
RULES = ("upper", "improvement")


@dataclass(frozen=True)
class ReADConfig(Checked):
    """ReAD (arXiv 2605.11290, S3.3).

    kappa            exploration weight of Eq. (11)
    kappa_decay      factor on kappa at a dev checkpoint without improvement, of rule "upper"
    pool             transitions in the offline pool; 0 learns from the run alone
    history          past steps in the context, Eq. (8); False gives Eq. (16)
    budget           remaining budget in the context
    identification   False: the requirement is 1/V everywhere, for candidates, context and reward
    adaptation       False: the first choice is kept
    interaction      False: no spillover penalty in the reward (lambda_s = 0)
    price            factor on the environment's lambda_s
    repair           of the uncertainty, from a tenth of the pool that the ensemble does not see:
                     "residual" adds the variance that sigma lacks there; "conformal" starts with the
                     kappa that covers 1 - `delta` of it (Assumption C.1, calibration); "none" is the paper's

    Mends of its estimates, none of them tuned on readsim's own worlds:

    persistent       pool runs keep their random allocation, so that the pool reaches what a run reaches by
                     staying; else each step draws another one and the pool stays near the centre
    shares           tokens trained so far by source, as shares of the budget, in the context
    target           what is learned: "reward" is Eq. (9) of a step. "level" is r . (p_t - p_0) as a function
                     of the tokens by source alone, and a step is worth the difference of two levels, whose
                     noise does not grow with the number of steps
    penalty          harm as "measured" in the essential set, which charges the probes' noise and, with
                     target "level", nothing; or as "predicted" for all visible capabilities, each with
                     weight 1: lambda_s times the drop of the mean prediction
    rule             "upper" is mu + kappa sigma; "improvement" is the mean improvement over the requirement
                     as an allocation less kappa deviations of the members' improvements, and the
                     requirement itself where no candidate is above 0
    rescale          a run's rewards are multiplied by the slope of dev utility on their sum, while it is
                     positive; those of the pool are not

    Raises ConfigError naming the field.
    """

    kappa: float = number(1.0, "code", low=0.0)
    kappa_decay: float = number(0.7, "code", low=0.0, high=1.0)
    pool: int = whole(3200, "paper: 3,200 to 4,900 a task", low=0, high=100_000)
    history: bool = switch(True, "paper, Eq. (8)")
    budget: bool = switch(True, "paper, Eq. (8)")
    identification: bool = switch(True, "paper")
    adaptation: bool = switch(True, "paper")
    interaction: bool = switch(True, "paper")
    price: float = number(1.0, "ours", low=0.0)
    persistent: bool = switch(False, "ours: the paper does not say")
    shares: bool = switch(False, "paper, Eq. (8) (False); ours (True)")
    target: str = choice("reward", "paper, Eq. (9) (reward); ours (level)", TARGETS)
    penalty: str = choice("measured", "paper, Eq. (9) (measured); ours (predicted)", PENALTIES)
    rule: str = choice("upper", "paper, Eq. (11) (upper); ours (improvement)", RULES)
    rescale: bool = switch(False, "paper: a fit that is reported (False); code (True)")
    repair: str = choice("none", "paper (none); ours (the repairs)", REPAIRS)
    delta: float = number(0.1, "ours", above=0.0, high=0.999)
    candidates: CandidateConfig = field(
        default_factory=CandidateConfig,
        metadata=group(
            CandidateConfig,
            "code (grid, pairs of the top 3); paper (local moves); ours (one-hots, stay, uniform)",
        ),
    )
    ensemble: EnsembleConfig = field(
        default_factory=EnsembleConfig,
        metadata=group(
            EnsembleConfig,
            "code (5 members, 2 x 64 ReLU); ours (optimiser, sigma floor, frozen hidden layers)",
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.repair != "none" and self.pool < 2:
            raise ConfigError(f"repair = {self.repair!r} needs a pool of at least 2 transitions")
        if self.persistent and not self.pool:
            raise ConfigError("persistent = True is about the runs of a pool, and pool = 0")
        level, improvement = self.target == "level", self.rule == "improvement"
        if self.repair != "none" and (level or improvement or self.penalty == "predicted"):
            raise ConfigError(
                f"repair = {self.repair!r} is of target 'reward', rule 'upper' and a measured penalty, not "
                f"of {self.target!r}, {self.rule!r} and {self.penalty!r}"
            )
        if self.rescale and level:
            raise ConfigError("rescale = True multiplies rewards, and target = 'level' has none")


SETTINGS = (
    *(f.name for f in fields(ReADConfig)),
    *(f"candidates.{f.name}" for f in fields(CandidateConfig)),
    *(f"ensemble.{f.name}" for f in fields(EnsembleConfig)),
)

VARIANTS: dict[str, dict[str, Any]] = {
    "full": {},
    "greedy": {"kappa": 0.0, "history": False, "budget": False},
    "no-identification": {"identification": False},
    "no-adaptation": {"adaptation": False},
    "no-interaction": {"interaction": False},
    "no-history": {"history": False},
    "mended": {"persistent": True, "target": "level", "rule": "improvement"},
}


def read_config(variant: str, **settings: Any) -> ReADConfig:
    """The settings of a variant with some of them changed. Raises UnknownNameError, ConfigError.

    Those of a part are named with a dot, `ensemble.members`; several numbers are text, "0.25/0.5".
    """
    if not isinstance(variant, str) or variant not in VARIANTS:
        raise unknown("variant", str(variant)[:60], VARIANTS)
    chosen: dict[str, Any] = dict(VARIANTS[variant])
    for name, value in settings.items():
        part, dot, inner = name.partition(".")
        if name not in SETTINGS:
            raise unknown("setting of ReAD", name, SETTINGS)
        if dot:
            before = chosen.get(part, getattr(ReADConfig(), part))
            chosen[part] = replace(before, **{inner: _like(getattr(before, inner), value, name)})
        else:
            chosen[name] = value
    return replace(ReADConfig(), **chosen)


def _like(before: object, value: Any, name: str) -> Any:
    """The value, as numbers where `before` is numbers."""
    if not isinstance(before, tuple) or isinstance(value, tuple):
        return value
    try:
        return tuple(float(number) for number in str(value).split("/"))
    except ValueError as error:
        raise ConfigError(
            f"{name} = {shown(value)}: expected numbers with / between them"
        ) from error


def provenance_table(config: ReADConfig) -> list[tuple[str, str, str]]:
    """(name, value, provenance); a value that is not the default is marked so."""
    default = ReADConfig()
    rows = []
    for f in fields(ReADConfig):
        value = getattr(config, f.name)
        source = str(f.metadata["provenance"])
        changed = value != getattr(default, f.name)
        rows.append((f.name, str(value), "set by this variant or the user" if changed else source))
    return rows
