"""The fields of a world."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from readsim.arrays import Array
from readsim.runs.profile_scale import LOSSES, ProfileScale
from readsim.worlds.gains import GainBank
from readsim.worlds.terms.learning_rate import LearningRate


@dataclass(frozen=True, kw_only=True, eq=False)
class WorldData:
    """All numbers of a world. Vectors are (S,) or (K,), matrices (S, K); tokens are counts.

    `pool_tokens` (S,): distinct tokens of a source; beyond them it repeats (see `intake`). `feeds`
    (S, M), only with `potential`: what a token of source i counts for on gain curve m; `gain`,
    `scale_tokens`, `help` and `harm` then have an entry or row for each of the M curves. Without
    it every source has a curve of its own, M = S.

    `help` and `harm` are in score units: what source i would bring to (take from) capability j at
    u = 1 (at x - u = 1). `start`, `floor` (chance) and `ceiling` (teacher) are on the score scale
    [0, 1], a floor below 0 where chance is taken off scores; with the `exponential` link they are
    negated losses and `floor` is -inf.

    Terms of real runs, each off by default and stated in `readsim.worlds.terms`: `schedule` (all dynamics)
    the learning rate, a table or the name of its kind; `overtraining_tokens` (K,), `repetition_harm` (S,)
    and `interference_limit` (K,), in score units, of `potential` and `flow`; `rehearsal_share` (K,) and
    `formats` of `flow`.
    """

    name: str
    sources: tuple[str, ...]
    capabilities: tuple[str, ...]
    dynamics: str
    link: str
    start: Array
    floor: Array
    ceiling: Array
    gain: tuple[str, ...]
    scale_tokens: Array
    help: Array
    harm: Array
    feeds: Array = field(default_factory=lambda: np.zeros((0, 0)))
    pool_tokens: Array = field(default_factory=lambda: np.zeros(0))
    horizon: float = np.inf
    efficiency_sd: Array = field(default_factory=lambda: np.zeros(0))
    process_sd: Array = field(default_factory=lambda: np.zeros(0))
    forgetting_tokens: Array = field(default_factory=lambda: np.zeros(0))
    gates: tuple[dict[str, object], ...] = ()
    drift: dict[str, object] = field(default_factory=dict)
    schedule: dict[str, object] = field(default_factory=dict)
    overtraining_tokens: Array = field(default_factory=lambda: np.zeros(0))
    repetition_harm: Array = field(default_factory=lambda: np.zeros(0))
    interference_limit: Array = field(default_factory=lambda: np.zeros(0))
    rehearsal_share: Array = field(default_factory=lambda: np.zeros(0))
    formats: tuple[dict[str, object], ...] = ()
    substeps: int = 8
    items: Array = field(default_factory=lambda: np.zeros(0))
    test_items: Array = field(default_factory=lambda: np.zeros(0))
    probe_bias: Array = field(default_factory=lambda: np.zeros(0))
    probe_slope: Array = field(default_factory=lambda: np.zeros(0))
    pairing: float = 0.85
    hidden: tuple[str, ...] = ()
    tasks: dict[str, dict[str, object]] = field(default_factory=dict)
    description: str = ""
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """(S, K)."""
        return len(self.sources), len(self.capabilities)

    @property
    def is_score(self) -> bool:
        """Whether profiles are scores, of at most 1 (else negated losses)."""
        return self.link != "exponential"

    @property
    def scale(self) -> ProfileScale:
        """What the numbers of a profile are: the lowest score is 0, or a floor that lies below."""
        if not self.is_score:
            return LOSSES
        return ProfileScale(lowest=min(0.0, float(self.floor.min())))

    @property
    def cumulative(self) -> bool:
        """Whether the profile depends only on the sum of tokens, each times the learning rate it met."""
        return self.dynamics in ("separable", "potential")

    @property
    def order_free(self) -> bool:
        """Whether the profile depends on cumulative tokens only."""
        return self.cumulative and self.learning_rate.is_constant

    @cached_property
    def learning_rate(self) -> LearningRate:
        """What a token counts for at each point of the budget."""
        return LearningRate.of(self.schedule)

    @property
    def overtrains(self) -> bool:
        """Whether overtraining by drift or by repetition is on."""
        repeats = np.isfinite(self.pool_tokens) & (self.repetition_harm > 0.0)
        return bool(np.isfinite(self.overtraining_tokens).any() or repeats.any())

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the terms of `readsim.worlds.terms` that are on."""
        found = {
            "overtraining": self.overtrains,
            "interference limit": bool(np.isfinite(self.interference_limit).any()),
            "rehearsal": bool(np.isfinite(self.rehearsal_share).any()),
            "formats": bool(self.formats),
            str(self.learning_rate): not self.learning_rate.is_constant,
        }
        return tuple(name for name, is_on in found.items() if is_on)

    @property
    def curves(self) -> int:
        """M, the number of gain curves."""
        return self.feeds.shape[1] if self.feeds.size else len(self.sources)

    @cached_property
    def gains(self) -> GainBank:
        """The gain curves."""
        return GainBank(self.gain)
