"""The prompts of one source of a teach store, over and over: the same for the same seed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.streams import generator
from readsim_hf.generation.calibration import path_of
from readsim_hf.generation.curriculum import Curriculum, bucket_mix
from readsim_hf.generation.difficulty import BUCKETS
from readsim_hf.generation.leaks import LeakFilter
from readsim_hf.store.reading import TeachStore
from readsim_hf.store.shards import StoredPrompt


class StoreStream:
    """Each bucket's prompts in an order of its own, drawn anew each time it is through.

    Like the stream of templates, the next bucket is the one furthest behind `bucket_mix`; a bucket that has
    no prompt, or none that does not leak, gives its share to the others. Prompts without a usable reply are
    given too, as a live teacher is asked for them: the account of a run is the same.
    """

    def __init__(
        self,
        store: TeachStore,
        name: str,
        seed: int,
        leaks: LeakFilter | None = None,
        curriculum: Curriculum = "on",
    ) -> None:
        """UnknownNameError for a curriculum that does not exist."""
        bucket_mix(0.0, curriculum)
        self.name = name
        self._store, self._leaks, self._curriculum = store, leaks, curriculum
        self._seed = int(seed)
        index = store.indices[name]
        self._members = [np.flatnonzero(index.bucket == b) for b in range(len(BUCKETS))]
        self._open = [len(members) > 0 for members in self._members]
        self._credit = np.zeros(len(BUCKETS))
        self._at = [0] * len(
            BUCKETS
        )  # prompts that were passed in each bucket, those that leak too
        self._counts = dict.fromkeys(("drawn", "leaked", "repeated"), 0)
        self._orders: dict[int, tuple[int, NDArray[np.int64]]] = {}  # by bucket, of its epoch

    @property
    def counts(self) -> dict[str, int]:
        """Since the start of the run.

        drawn      prompts given
        leaked     prompts passed by because they meet a held-out item
        repeated   prompts given that had been given before
        rows, epochs   prompts of the store, and how often each has been passed, rounded down
        """
        passes = [a // len(m) for a, m in zip(self._at, self._members, strict=True) if len(m)]
        rows = sum(map(len, self._members))
        return {**self._counts, "rows": rows, "epochs": min(passes)}

    def take(self, n: int, spent: float) -> list[StoredPrompt]:
        """The next n prompts, with the mix of difficulty at that share of the budget.

        ConfigError for n < 0, and where all prompts of the source meet held-out items.
        """
        if n < 0:
            raise ConfigError(f"prompts to take: {n}, expected 0 or more")
        mix = bucket_mix(spent, self._curriculum)
        return [self._next(mix) for _ in range(n)]

    def _next(self, mix: Array) -> StoredPrompt:
        while any(self._open):
            share = np.where(self._open, mix, 0.0)
            credit = self._credit + share / share.sum()
            bucket = int(np.where(self._open, credit, -np.inf).argmax())
            found = self._find(bucket)
            if found is not None:
                credit[bucket] -= 1
                self._credit = credit
                self._counts["drawn"] += 1
                return found
            self._open[bucket] = False
            self._credit[bucket] = 0.0
        raise ConfigError(
            f"all prompts of {self.name!r} in {self._store.manifest.folder} meet held-out items: nothing is "
            "left to train on; use other probes, or a store of other prompts"
        )

    def _find(self, bucket: int) -> StoredPrompt | None:
        """The bucket's next prompt that does not leak; None where all do."""
        members = self._members[bucket]
        for _ in range(len(members)):
            epoch, place = divmod(self._at[bucket], len(members))
            prompt = self._store.prompt(self.name, int(self._order(bucket, epoch)[place]))
            self._at[bucket] += 1
            if self._leaks is None or self._leaks.leaked(prompt.text) is None:
                self._counts["repeated"] += epoch > 0
                return prompt
            self._counts["leaked"] += 1
        return None

    def _order(self, bucket: int, epoch: int) -> NDArray[np.int64]:
        """The bucket's prompts as they come in that epoch."""
        known = self._orders.get(bucket)
        if known is None or known[0] != epoch:
            rng = generator(self._seed, "data", path_of(self.name), bucket, epoch)
            known = self._orders[bucket] = epoch, rng.permutation(self._members[bucket])
        return known[1]

    def state(self) -> dict[str, Any]:
        """What `restore` needs, as plain data."""
        return {
            "name": self.name,
            "seed": self._seed,
            "content": self._store.manifest.content,
            "open": list(self._open),
            "credit": self._credit.tolist(),
            "at": list(self._at),
            "counts": dict(self._counts),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state()` of a stream with the same settings.

        ConfigError for another source, seed or store.
        """
        ours = (self.name, self._seed, self._store.manifest.content)
        theirs = (state["name"], state["seed"], state["content"])
        if theirs != ours:
            raise ConfigError(f"stream state of {theirs}: expected (source, seed, store) {ours}")
        self._open = [bool(is_open) for is_open in state["open"]]
        self._credit = np.array(state["credit"], dtype=np.float64)
        self._at = [int(at) for at in state["at"]]
        self._counts = {name: int(number) for name, number in state["counts"].items()}
