"""The endless sequence of prompts that the templates of one capability make."""

from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, unknown
from readsim.streams import generator
from readsim_hf.generation.calibration import Calibration, calibrate, path_of
from readsim_hf.generation.curriculum import Curriculum, bucket_mix
from readsim_hf.generation.difficulty import BUCKETS
from readsim_hf.generation.leaks import LeakFilter
from readsim_hf.generation.template_cap import WINDOW, TemplateShares
from readsim_hf.prompts.library import Library
from readsim_hf.prompts.prompt import Prompt

ATTEMPTS = 32


@dataclass(frozen=True)
class _Found:
    """A prompt that may be given; the smaller `order`, the better."""

    order: tuple[int, float]
    prompt: Prompt
    seen: int
    repeated: bool
    off_bucket: bool


class PromptStream:
    """Prompts of one capability, the same for the same seed.

    What attempt a at item i of bucket b asks depends on (seed, capability, b, i, a) alone: not on
    workers, batch sizes, other capabilities or the other buckets. So runs that share a seed share
    most prompts, and with them the teacher's answers.

    The next bucket is the one furthest behind `bucket_mix`, not a draw. An item's attempts go
    through the templates in an order of its own, over and over. Templates at their cap are
    passed by and cost no attempt; leaked prompts are passed by and do. The first prompt of the
    bucket that is new in this run is given. If no attempt finds one, the next best is: a repeat in
    the bucket, then the new prompt of nearest difficulty, then the repeat of nearest difficulty.
    """

    def __init__(
        self,
        library: Library,
        capability: str,
        seed: int,
        leaks: LeakFilter | None = None,
        curriculum: Curriculum = "on",
        calibration: Calibration | None = None,
        cap: float | None = None,
        window: int = WINDOW,
        attempts: int = ATTEMPTS,
    ) -> None:
        """`calibration` None is `calibrate` with its defaults; an item has at most `attempts`, or as many
        as there are templates if that is more.

        Raises ConfigError, UnknownNameError for a capability or curriculum that does not exist.
        """
        if capability not in library.templates:
            raise unknown("capability", capability, library.capabilities)
        bucket_mix(0.0, curriculum)
        self.name = capability
        self._seed = int(seed)
        self._templates = library.templates[capability]
        self._shares = TemplateShares([t.id for t in self._templates], cap, window)
        self._leaks = leaks
        self._curriculum = curriculum
        self._scale = calibrate(self._templates) if calibration is None else calibration
        self._attempts = max(attempts, len(self._templates))
        self._credit = np.zeros(len(BUCKETS))  # prompts that each bucket is behind its share
        self._index = [0] * len(BUCKETS)
        self._seen: set[int] = set()
        self._counts = dict.fromkeys(("drawn", "leaked", "repeated", "off_bucket"), 0)

    @property
    def counts(self) -> dict[str, int]:
        """Since the start of the run.

        drawn        prompts given
        leaked       attempts that met a held-out item
        repeated     prompts given that had been given before
        off_bucket   prompts given in place of one of the bucket that was due
        """
        return dict(self._counts)

    def take(self, n: int, spent_fraction: float) -> list[Prompt]:
        """The next n prompts, with the mix of difficulty at that fraction of the budget.

        Raises ConfigError for n < 0, and if every attempt at an item meets held-out items.
        """
        if n < 0:
            raise ConfigError(f"prompts to take: {n}, expected 0 or more")
        mix = bucket_mix(spent_fraction, self._curriculum)
        return [self._next(self._due(mix)) for _ in range(n)]

    def _due(self, mix: Array) -> int:
        """The bucket furthest behind; it is served even if only a neighbour's prompt is found."""
        self._credit += mix
        bucket = int(self._credit.argmax())
        self._credit[bucket] -= 1
        return bucket

    def _next(self, bucket: int) -> Prompt:
        found = self._find(bucket)
        self._index[bucket] += 1
        self._seen.add(found.seen)
        self._shares.add(found.prompt.template)
        self._counts["drawn"] += 1
        self._counts["repeated"] += found.repeated
        self._counts["off_bucket"] += found.off_bucket
        return found.prompt

    def _find(self, bucket: int) -> _Found:
        path = (path_of(self.name), bucket, self._index[bucket])
        order = generator(self._seed, "data", *path).permutation(len(self._templates)).tolist()
        best: _Found | None = None
        made = 0
        for attempt in count():
            template = self._templates[order[attempt % len(order)]]
            if not self._shares.allowed(template.id):
                continue
            if made == self._attempts:
                break
            made += 1
            prompt = template.make(generator(self._seed, "data", *path, attempt))
            found = self._judge(prompt, bucket)
            if best is not None and found.order >= best.order:
                continue
            if self._leaks is not None and self._leaks.leaked(prompt.text) is not None:
                self._counts["leaked"] += 1
                continue
            best = found
            if best.order == (0, 0.0):
                break
        if best is None:
            raise ConfigError(
                f"prompts of {self.name!r}: {self._attempts} attempts at {BUCKETS[bucket]} item "
                f"{self._index[bucket]} all met held-out items; expected templates that make others"
            )
        return best

    def _judge(self, prompt: Prompt, bucket: int) -> _Found:
        key = prompt.key
        difficulty, own = self._scale.place(prompt, key)
        seen = int(key[-16:], 16)
        repeated, off = seen in self._seen, own != bucket
        distance = self._scale.tertiles.distance(difficulty, bucket) if off else 0.0
        return _Found((2 * off + repeated, distance), prompt, seen, repeated, off)

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as plain data: 8 bytes a prompt given, and a little more."""
        return {
            "capability": self.name,
            "seed": self._seed,
            "credit": self._credit.tolist(),
            "index": list(self._index),
            "seen": np.array(sorted(self._seen), dtype=np.uint64),
            "shares": self._shares.state(),
            "counts": dict(self._counts),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state()` of a stream with the same settings.

        Raises ConfigError for another capability or seed.
        """
        theirs, ours = (state["capability"], state["seed"]), (self.name, self._seed)
        if theirs != ours:
            raise ConfigError(
                f"prompt stream state of {theirs}: expected (capability, seed) {ours}"
            )
        self._credit = np.array(state["credit"], dtype=np.float64)
        self._index = [int(index) for index in state["index"]]
        self._seen = {int(seen) for seen in state["seen"]}
        self._shares.restore(state["shares"])
        self._counts = {name: int(number) for name, number in state["counts"].items()}
