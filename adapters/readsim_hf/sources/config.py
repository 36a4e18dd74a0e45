"""A source as a user describes it: `[[data.sources]]`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from readsim.errors import ConfigError, unknown
from readsim.files.names import check_name

Format = Literal["prompt", "prompt-completion", "messages"]
Replies = Literal["ask", "given"]
TrainOn = Literal["all", "last"]
# What a row can hold, by the names that columns have where nobody says otherwise.
FIELDS = ("prompt", "completion", "messages", "tools", "answer")


@dataclass(frozen=True)
class SourceConfig:
    """A data set that is trained on.

    path        a file (JSONL, CSV, parquet; JSONL and CSV may be packed, .gz), a folder that the library
                `datasets` saved, or a data set of the Hugging Face hub, which `datasets` finds
    name        of the source; the file's or data set's own without one
    split       of a data set with several; `subset` its configuration, where it has several
    format      "prompt", "prompt-completion" or "messages", TRL's conventions; guessed from the columns
    columns     field -> column, where columns have other names: {prompt = "question"}
    replies     "ask": the teacher is asked; "given": those in the data are trained on. Without it rows of
                `prompt` ask, and `messages` whose first row does not end with the assistant's turn
    answer      the column of the gold answer, for `data.keep = "correct"` and the teacher's accuracy
    train_on    of `messages` with given replies: "all" assistant turns, or the "last", which alone is taken
                where replies are compared
    max_tokens  rows whose prompt and reply have more are left out
    shuffle     rows come in an order that the run's seed decides, another one each time through
    by          a column: each of its values is a source, NAME/VALUE, or VALUE where no name is given
    """

    __pydantic_config__ = {"extra": "forbid", "strict": True}  # noqa: RUF012
    path: str
    name: str | None = None
    split: str | None = None
    subset: str | None = None
    format: Format | None = None
    columns: dict[str, str] = field(default_factory=dict)
    replies: Replies | None = None
    answer: str | None = None
    train_on: TrainOn = "all"
    max_tokens: int | None = None
    shuffle: bool = True
    by: str | None = None

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ConfigError(
                f"data.sources: path = {self.path!r}: expected a file, a folder or a hub id"
            )
        if self.name is not None:
            check_name(self.name, "data.sources: name")
        for wanted in self.columns:
            if wanted not in FIELDS:
                raise unknown("field in data.sources columns", wanted, FIELDS)
        if self.max_tokens is not None and not 1 <= self.max_tokens <= 10**8:
            raise ConfigError(
                f"data.sources: max_tokens = {self.max_tokens!r}: expected a number from 1 to 100000000"
            )
        if self.replies == "given" and self.format == "prompt":
            raise ConfigError(
                "data.sources: replies = 'given' with format = 'prompt', which has none; accepted: 'ask'"
            )

    @property
    def title(self) -> str:
        """The name that it has, or gets."""
        return self.name or Path(self.path).name.split(".")[0] or self.path
