"""Settings of the identifier."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from readsim.errors import ConfigError
from readsim_hf.config_merge import within


@dataclass(frozen=True)
class IdentifierConfig:
    """How the identifier is built and trained.

    card       file of the task's card (.toml, .yaml); "" makes one from the task's capabilities
    encoder    "" is the small Transformer that is trained with the head; otherwise a pretrained encoder
               of sentences (Hugging Face id or folder), frozen
    loss       "standardised" or "raw", Eq. (6) as printed
    entropy    lambda_H of Eq. (6)
    mixtures   auxiliary tasks in addition to the one of each capability: random mixtures of two or three
    wordings   cards of each auxiliary task
    steps      AdamW steps of 16 cards
    members    identifiers trained from different initialisations; r is their mean, their spread is
               its stability
    """

    __pydantic_config__ = {"extra": "forbid", "strict": True}  # noqa: RUF012  # pydantic's own name

    card: str = ""
    encoder: str = ""
    loss: Literal["standardised", "raw"] = "standardised"
    entropy: float = 0.01
    mixtures: int = 48
    wordings: int = 4
    steps: int = 500
    members: int = 3

    def __post_init__(self) -> None:
        for name, least, most in (
            ("mixtures", 0, 10_000),
            ("wordings", 1, 1000),
            ("steps", 1, 1_000_000),
            ("members", 1, 100),
        ):
            within(self, name, least, most)
        if not 0 <= self.entropy < np.inf:
            raise ConfigError(f"entropy = {self.entropy!r}: expected a number >= 0")
