"""The sources of a run, opened: names, rows, what must be equal in runs that are compared."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.errors import ConfigError
from readsim.files.names import check_name
from readsim_hf.generation.leaks import LeakFilter
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.sources.config import Format, SourceConfig
from readsim_hf.sources.formats import prompt_of
from readsim_hf.sources.stored import StoredRows, stored_rows
from readsim_hf.sources.stream import DatasetStream, Passed

# Names of columns that often hold replies, the likeliest first.
LIKE_REPLIES = (
    *("reply", "response", "completion", "output", "answer", "target", "text"),
    *("replies", "responses", "outputs", "answers", "solution", "label"),
)
MOST_UNUSED = 8  # names in the line of a source


@dataclass(frozen=True, eq=False)
class Source:
    """One source: all rows of a data set, or those (`members`) with one `value` of its column `by`."""

    name: str
    config: SourceConfig
    rows: StoredRows
    value: str | None = None
    members: NDArray[np.int64] | None = None

    @property
    def many(self) -> int:
        """Rows of it."""
        return len(self.rows) if self.members is None else len(self.members)

    @property
    def distinct(self) -> float:
        """Share of rows that are no copies, of the whole data set; 1 where nobody counted them."""
        facts = self.rows.facts
        return 1.0 if facts.distinct is None else facts.distinct / facts.rows

    @property
    def asks(self) -> bool:
        """Whether the teacher is asked for replies."""
        return self.rows.facts.replies == "ask"

    @property
    def answers(self) -> int:
        """Rows of it with a gold answer."""
        facts = self.rows.facts
        if self.members is None or facts.answers in (0, facts.rows):
            return min(facts.answers, self.many)
        return sum("answer" in self.rows[n] for n in self.members.tolist())

    def of_last_turns(self) -> "Source":
        """The same rows, of whose given replies the last turn alone is trained on."""
        return replace(self, config=replace(self.config, train_on="last"))

    def stream(
        self, seed: int, leaks: LeakFilter | None, passed: Callable[[Prompt], Passed | None]
    ) -> DatasetStream:
        """Its prompts in a run with that seed."""
        return DatasetStream(
            self.name,
            self.rows,
            seed,
            leaks,
            members=self.members,
            shuffle=self.config.shuffle,
            train_on=self.config.train_on,
            passed=passed,
        )

    def sample(self, most: int) -> list[Prompt]:
        """At most so many prompts, evenly spaced in the data."""
        at = np.unique(np.linspace(0, self.many - 1, min(most, self.many)).astype(int))
        numbers = at if self.members is None else self.members[at]
        on = self.config.train_on
        return [prompt_of(self.rows[int(n)], self.name, int(n), on) for n in numbers]

    def manifest(self) -> dict[str, Any]:
        """What must be equal in runs that are compared: the rows, not where they lie."""
        facts, config = self.rows.facts, self.config
        return {
            "sha256": facts.digest,
            "rows": self.many,
            "format": facts.format,
            "replies": facts.replies,
            "train_on": config.train_on,
            "answers": facts.answers,
            "max_tokens": config.max_tokens,
            "shuffle": config.shuffle,
            "value": self.value,
        }

    @property
    def words(self) -> str:
        """What it is, on one line."""
        facts = self.rows.facts
        how = "guessed from the columns" if facts.guessed else "as set"
        how += unused_words(self.rows.unused, facts.format, self.config)
        said = "the teacher is asked" if self.asks else "replies are given"
        if not self.asks and facts.format != "prompt" and facts.turns:
            said += ", all assistant turns" if self.config.train_on == "all" else ", the last turn"
        copies = facts.rows - (facts.rows if facts.distinct is None else facts.distinct)
        more = f", {copies} of them copies" if copies and self.value is None else ""
        return f"{self.name}: {self.many} rows{more} of {facts.format} ({how}), {said}"


def unused_words(unused: Sequence[str], read: Format, config: SourceConfig) -> str:
    """`; not used: reply`, and how to train on a column of these that is named like replies; "" without any.

    Rows that are `read` as prompts alone have no replies, unless `config` says that the teacher is asked.
    """
    if not unused:
        return ""
    shown = ", ".join(unused[:MOST_UNUSED])
    left = len(unused) - MOST_UNUSED
    words = f"; not used: {shown}" + (f" and {left} more" if left > 0 else "")
    given = read == "prompt" and config.replies != "ask"
    by_name = {column.lower(): column for column in reversed(unused)}
    reply = next((by_name[name] for name in LIKE_REPLIES if name in by_name), None)
    if given and reply is not None:
        words += f'; to train on it as the reply, say columns = {{ completion = "{reply}" }}'
    return words


def open_sources(configs: Sequence[SourceConfig], taken: Collection[str]) -> tuple[Source, ...]:
    """All sources in their order; names must differ from one another and from `taken`.

    Raises ConfigError for names that are given twice and for data that is not right.
    """
    made: list[Source] = []
    for config in configs:
        rows = stored_rows(config)
        if config.by is None:
            made.append(Source(config.title, config, rows))
            continue
        for value, _ in rows.facts.values:
            name = value if config.name is None else f"{config.name}/{value}"
            made.append(Source(name, config, rows, value, rows.of_value(value)))
    seen = set(taken)
    for source in made:
        check_name(source.name, "data.sources: name")
        if source.name in seen:
            ours = "; that is one of our own prompts: say data.templates = 'none'"
            raise ConfigError(
                f"data.sources: name = {source.name!r} is given twice; give {source.config.path} another name"
                + (ours if source.name in taken else "")
            )
        seen.add(source.name)
    return tuple(made)
