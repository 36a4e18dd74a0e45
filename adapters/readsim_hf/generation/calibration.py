"""Where a prompt stands among the prompts that the templates of its capability can make."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

from readsim.errors import ConfigError
from readsim.streams import generator
from readsim_hf.generation.difficulty import BUCKETS, Difficulty, Method, Tertiles
from readsim_hf.prompts.prompt import Prompt, Template

POOL = len(BUCKETS)  # the pool's place in the stream path, after the buckets
MOST_SCORES = 10_000  # rows of factors whose difficulty is kept


def path_of(capability: str) -> int:
    """The capability's number in stream paths: below 2**32, whatever else the library holds."""
    return crc32(capability.encode())


def tie_of(key: str) -> float:
    """A number in [0, 1) from a prompt's key."""
    return int(key[:13], 16) / 16**13


@dataclass(frozen=True, eq=False)
class Calibration:
    """The difficulty scale of one capability.

    `factors` are F_i of Eq. (7): all names that occur in the pool, sorted. A prompt that lacks one
    has 0 of it; a name that the pool does not know is not counted.
    """

    factors: tuple[str, ...]
    difficulty: Difficulty
    tertiles: Tertiles
    _scores: dict[tuple[float, ...], float] = field(default_factory=dict, init=False, repr=False)

    def place(self, prompt: Prompt, key: str) -> tuple[float, int]:
        """Difficulty in [0, 1] and bucket (0, 1, 2) of a prompt; `key` is `prompt.key`."""
        row = tuple([prompt.factors.get(name, 0.0) for name in self.factors])
        score = self._scores.get(row)
        if (
            score is None
        ):  # templates make few rows of factors, and a stream asks for one at each attempt
            if len(self._scores) == MOST_SCORES:
                self._scores.clear()
            score = float(self.difficulty.score(np.array([row], dtype=np.float64))[0])
            self._scores[row] = score
        return score, self.tertiles.bucket(score, tie_of(key))


def calibrate(
    templates: Sequence[Template], size: int = 600, method: Method = "rank", seed: int = 0
) -> Calibration:
    """From a pool Q_i of `size` prompts, the templates in turn; equal prompts count once.

    The seed is not the run's: runs that differ in their seed share what easy and hard mean. Raises
    ConfigError for a size below 1 or no templates.
    """
    if size < 1 or not templates:
        raise ConfigError(
            f"calibration: size {size} from {len(templates)} templates, expected at least 1 of each"
        )
    made = (
        template.make(generator(seed, "data", path_of(template.capability), POOL, index))
        for index in range(size)
        for template in (templates[index % len(templates)],)
    )
    pool = {prompt.key: prompt for prompt in made}
    names = tuple(sorted({name for prompt in pool.values() for name in prompt.factors}))
    rows = [[prompt.factors.get(name, 0.0) for name in names] for prompt in pool.values()]
    factors = np.array(rows, dtype=np.float64).reshape(len(pool), len(names))
    difficulty = Difficulty.fit(factors, method)
    ties = np.array([tie_of(key) for key in pool])
    return Calibration(names, difficulty, Tertiles.fit(difficulty.score(factors), ties))
