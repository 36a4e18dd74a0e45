"""What a world fitted elsewhere says of one's own runs: the guide of `readsim fit --prior`."""

from dataclasses import dataclass

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.fitting.average import Average
from readsim.worlds.world import World


@dataclass(frozen=True, eq=False)
class Guide:
    """Profiles (m, K) after tokens (m, S) as another world has them, nan for capabilities it lacks.

    world, average         the other world, and the average around it where there is one
    sources, capabilities  of the runs: matched by name; sources that it lacks are left out, and the others
                           share their tokens
    unit                   tokens of the largest run: stands for the other world's horizon, where it has one
    """

    world: World
    average: Average | None
    sources: tuple[str, ...]
    capabilities: tuple[str, ...]
    unit: float

    def __post_init__(self) -> None:
        for field in ("sources", "capabilities"):
            theirs, ours = getattr(self.world, field), getattr(self, field)
            if not set(theirs) & set(ours):
                raise ConfigError(
                    f"the prior world {self.world.name!r} has the {field} {', '.join(theirs)}, the runs have "
                    f"{', '.join(ours)}: no name is the same"
                )

    def __call__(self, tokens: Array) -> Array:
        """See the class."""
        theirs = np.zeros((len(tokens), len(self.world.sources)))
        for i, name in enumerate(self.sources):
            if name in self.world.sources:
                theirs[:, self.world.sources.index(name)] = tokens[:, i]
        spent, known = tokens.sum(axis=1), theirs.sum(axis=1)
        theirs *= np.where(known > 0.0, spent / np.where(known > 0.0, known, 1.0), 0.0)[:, None]
        if np.isfinite(self.world.horizon):
            theirs *= self.world.horizon / self.unit
        made = (
            self.world.profile_after([theirs])
            if self.average is None
            else self.average.predict(theirs)
        )
        out = np.full((len(tokens), len(self.capabilities)), np.nan)
        for j, name in enumerate(self.capabilities):
            if name in self.world.capabilities:
                out[:, j] = made[:, self.world.capabilities.index(name)]
        return out

    @property
    def missing(self) -> tuple[str, ...]:
        """Sources and capabilities of the runs that it says nothing of."""
        theirs = {*self.world.sources, *self.world.capabilities}
        return tuple(
            n for n in dict.fromkeys((*self.sources, *self.capabilities)) if n not in theirs
        )
