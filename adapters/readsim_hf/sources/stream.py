"""The rows of a source as prompts: through all of them, and again."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from readsim.errors import ConfigError
from readsim.streams import generator
from readsim_hf.generation.calibration import path_of
from readsim_hf.generation.leaks import LeakFilter
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.sources.config import TrainOn
from readsim_hf.sources.formats import prompt_of

Passed = Literal["too_long", "wrong"]


class RowTable(Protocol):
    """Rows by number, as `row_of` makes them."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int) -> Mapping[str, Any]: ...


class DatasetStream:
    """Prompts of one source, the same for the same seed: which row comes n-th depends on nothing else.

    members   numbers of the rows that belong to the source, ascending; None for all
    train_on  "last" leaves out the earlier turns that rows teach
    shuffle   each time through has an order of its own, of (seed, source, time); else that of the data
    passed    why a row is passed by, None where it is not

    Rows that leak, of whose user turns one is held out, are passed by too.
    """

    def __init__(
        self,
        name: str,
        rows: RowTable,
        seed: int,
        leaks: LeakFilter | None = None,
        *,
        members: NDArray[np.int64] | None = None,
        shuffle: bool = True,
        train_on: TrainOn = "all",
        passed: Callable[[Prompt], Passed | None] = lambda prompt: None,
    ) -> None:
        self.name = name
        self._rows, self._members, self._seed = rows, members, int(seed)
        self._leaks, self._shuffle, self._passed = leaks, shuffle, passed
        self._train_on = train_on
        self._many = len(rows) if members is None else len(members)
        self._epoch = self._at = 0
        self._order = self._ordered()
        self._seen: set[int] = set()
        self._counts = dict.fromkeys(("drawn", "leaked", "too_long", "wrong", "repeated"), 0)

    @property
    def counts(self) -> Mapping[str, float]:
        """Since the start of the run.

        drawn      prompts given
        leaked, too_long, wrong   rows passed by, each once however often it is met: held-out items are in
                   them, they are too long, their given reply has not the gold answer
        repeated   prompts given whose row, or one with the same content, had been given before
        rows, epochs   rows of the source, and how many times it was gone through
        """
        epochs = self._epoch + self._at / self._many
        return {**self._counts, "rows": self._many, "epochs": epochs}

    def take(self, n: int, spent_fraction: float) -> list[Prompt]:
        """The next n prompts; the fraction of the budget changes nothing.

        Raises ConfigError for n < 0, and if no row can be given.
        """
        if n < 0:
            raise ConfigError(f"prompts to take: {n}, expected 0 or more")
        return [self._next() for _ in range(n)]

    def _next(self) -> Prompt:
        for _ in range(self._many):
            first_time = self._epoch == 0
            number = int(self._order[self._at])
            self._at += 1
            if self._at == self._many:
                self._epoch, self._at = self._epoch + 1, 0
                self._order = self._ordered()
            prompt = prompt_of(self._rows[number], self.name, number, self._train_on)
            why = self._refused(prompt)
            if why is None:
                return self._given(prompt)
            self._counts[why] += first_time
        counts = self._counts
        raise ConfigError(
            f"data.sources {self.name!r}: none of its {self._many} rows can be trained on: "
            f"{counts['leaked']} hold held-out items, {counts['too_long']} are longer than the context or "
            f"max_tokens, {counts['wrong']} have a reply without the gold answer"
            + (
                " (held-out items are what probes and evaluations ask: keep their rows out of the file "
                "that is trained on)"
                if counts["leaked"]
                else ""
            )
        )

    def _refused(self, prompt: Prompt) -> str | None:
        if self._leaks is not None:
            turns = (m["content"] for m in prompt.messages if m["role"] == "user")
            if any(self._leaks.leaked(turn) is not None for turn in turns):
                return "leaked"
        return self._passed(prompt)

    def _given(self, prompt: Prompt) -> Prompt:
        seen = int(prompt.key[-16:], 16)
        self._counts["drawn"] += 1
        self._counts["repeated"] += seen in self._seen
        self._seen.add(seen)
        return prompt

    def _ordered(self) -> NDArray[np.int64]:
        if self._shuffle:
            rng = generator(self._seed, "data", path_of(self.name), self._epoch)
            order: NDArray[np.int64] = rng.permutation(self._many)
        else:
            order = np.arange(self._many)
        return order if self._members is None else self._members[order]

    def state(self) -> dict[str, Any]:
        """What `restore` needs: 8 bytes a row given, and a little more."""
        return {
            "source": self.name,
            "seed": self._seed,
            "rows": self._many,
            "epoch": self._epoch,
            "at": self._at,
            "seen": np.array(sorted(self._seen), dtype=np.uint64),
            "counts": dict(self._counts),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state()` of a stream with the same settings.

        Raises ConfigError for another source, seed or number of rows.
        """
        theirs = state["source"], state["seed"], state["rows"]
        if theirs != (ours := (self.name, self._seed, self._many)):
            raise ConfigError(f"state of {theirs}: expected (source, seed, rows) {ours}")
        self._epoch, self._at = int(state["epoch"]), int(state["at"])
        self._order = self._ordered()
        self._seen = {int(seen) for seen in state["seen"]}
        self._counts = {name: int(number) for name, number in state["counts"].items()}
