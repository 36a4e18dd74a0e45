"""The objectives: each a frozen record of settings that maps student logits and targets to losses."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from readsim.errors import ConfigError
from readsim_hf.objectives.base import SoftTargets, Targets
from readsim_hf.objectives.divergences import (
    forward_kl,
    generalized_jsd,
    jensen_shannon,
    reverse_kl,
    skew_forward_kl,
    skew_reverse_kl,
    soft_cross_entropy,
    temper,
    token_cross_entropy,
)
from readsim_hf.objectives.sparse import (
    outcomes,
    sampled_cross_entropy,
    sampled_forward_kl,
    sampled_skew_forward_kl,
)


def soft_of(targets: Targets) -> SoftTargets:
    """Their distributions; ConfigError where there are none."""
    if targets.soft is None:
        raise ConfigError("soft is None: this objective needs the teacher's distributions")
    return targets.soft


def check_setting(name: str, value: object, accepts: Callable[[float], bool], range_: str) -> None:
    """ConfigError unless the value of a setting is a number in its range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not accepts(value):
        raise ConfigError(f"{name} is {value!r}: it must be a number {range_}")


@dataclass(frozen=True)
class SFT:
    """Cross entropy on the tokens."""

    @property
    def needs_soft(self) -> bool:
        return False

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        return token_cross_entropy(targets.tokens, logits)


@dataclass(frozen=True)
class SoftObjective:
    """What all objectives with soft targets share."""

    @property
    def needs_soft(self) -> bool:
        return True


@dataclass(frozen=True)
class SoftSFT(SoftObjective):
    """Cross entropy with the teacher's distribution; the gradient of forward KL, another value."""

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        soft = soft_of(targets)
        if soft.kind == "sampled":
            return sampled_cross_entropy(soft.ids, logits)
        return soft_cross_entropy(*outcomes(soft, logits))


@dataclass(frozen=True)
class ForwardKL(SoftObjective):
    """KL(p || q)."""

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        soft = soft_of(targets)
        if soft.kind == "sampled":
            return sampled_forward_kl(soft.ids, soft.logp, logits)
        return forward_kl(*outcomes(soft, logits))


@dataclass(frozen=True)
class KD(SoftObjective):
    """(1 - alpha) CE(token) + alpha tau^2 KL(p^tau || q^tau), tau the temperature.

    Settings: 0 <= alpha <= 1, temperature > 0 (1 where the targets are sampled).
    """

    alpha: float = 0.5
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_setting("alpha", self.alpha, lambda x: 0 <= x <= 1, "from 0 to 1")
        check_setting("temperature", self.temperature, lambda x: 0 < x < float("inf"), "above 0")

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        soft = self.alpha * self._kl(logits, soft_of(targets))
        if self.alpha == 1:
            return soft
        return (1 - self.alpha) * token_cross_entropy(targets.tokens, logits) + soft

    def _kl(self, logits: Tensor, soft: SoftTargets) -> Tensor:
        tau = self.temperature
        if soft.kind == "sampled" and tau == 1:
            return sampled_forward_kl(soft.ids, soft.logp, logits)
        logp, logits = outcomes(soft, logits)
        return tau**2 * forward_kl(temper(logp, tau), logits.float() / tau)


@dataclass(frozen=True)
class ReverseKL(SoftObjective):
    """KL(q || p)."""

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        return reverse_kl(*outcomes(soft_of(targets), logits))


@dataclass(frozen=True)
class JSD(SoftObjective):
    """The symmetric Jensen-Shannon divergence."""

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        return jensen_shannon(*outcomes(soft_of(targets), logits))


@dataclass(frozen=True)
class GJSD(SoftObjective):
    """GKD's generalised divergence. Setting: 0 <= beta <= 1, 0 forward KL, 1 reverse KL."""

    beta: float = 0.5

    def __post_init__(self) -> None:
        check_setting("beta", self.beta, lambda x: 0 <= x <= 1, "from 0 to 1")

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        return generalized_jsd(*outcomes(soft_of(targets), logits), self.beta)


@dataclass(frozen=True)
class _Skew(SoftObjective):
    """Setting: 0 < alpha < 1, the share of the divergence's first argument in its second."""

    alpha: float = 0.1

    def __post_init__(self) -> None:
        check_setting("alpha", self.alpha, lambda x: 0 < x < 1, "between 0 and 1, both excluded")


@dataclass(frozen=True)
class SkewForwardKL(_Skew):
    """KL(p || alpha p + (1 - alpha) q). Setting: 0 < alpha < 1."""

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        soft = soft_of(targets)
        if soft.kind == "sampled":
            return sampled_skew_forward_kl(soft.ids, soft.logp, logits, self.alpha)
        return skew_forward_kl(*outcomes(soft, logits), self.alpha)


@dataclass(frozen=True)
class SkewReverseKL(_Skew):
    """KL(q || (1 - alpha) p + alpha q). Setting: 0 < alpha < 1."""

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        return skew_reverse_kl(*outcomes(soft_of(targets), logits), self.alpha)
