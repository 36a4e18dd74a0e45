"""The table [sampling] of a run's settings: replies that are trained on in groups."""

from dataclasses import dataclass
from typing import Literal

from readsim.errors import ConfigError
from readsim_hf.config_merge import within

RewardKind = Literal["gold", "judge"]
Weighing = Literal["label", "dn", "gradient-share"]
MOST_REPLIES = 1024


@dataclass(frozen=True)
class SamplingConfig:
    """Of objectives that train on the student's own replies in groups (mopd, kdrl, minillm, dpo, rrhf, ...).

    `samples` replies are drawn from the student for each prompt, at temperature 1 (None: as many as the
    objective says). `reward` is what grades them: the gold answer, or the model at [probes.judge] by
    `rubric`.

    `weights` is what multiplies the losses of a source beside its share: `label` nothing, each prompt goes to
    its own teacher; `dn` clip(sigma_all / sigma_d, 1/4, 4) of the window's log-ratios (DN-MOPD);
    `gradient-share` what makes the norms of the sources' gradients as the allocation's shares (Open-MOPD),
    looked at on every 10th optimiser step, and when a source comes that has none.
    """

    __pydantic_config__ = {"extra": "forbid", "strict": True}  # noqa: RUF012
    samples: int | None = None
    reward: RewardKind = "gold"
    rubric: str = "The reply answers the question correctly."
    weights: Weighing = "label"

    def __post_init__(self) -> None:
        if self.samples is not None:
            within(self, "samples", 1, MOST_REPLIES)
        if not self.rubric.strip():
            raise ConfigError("rubric = '': say what a fully right reply is")
