"""The table [data] of a run's settings: what is trained on."""

from dataclasses import dataclass
from typing import Literal

from readsim.errors import ConfigError
from readsim_hf.config_merge import MOST_COUNT, within
from readsim_hf.generation.curriculum import Curriculum
from readsim_hf.generation.difficulty import Method
from readsim_hf.generation.next_source import Unit
from readsim_hf.sources.config import SourceConfig
from readsim_hf.teachers.judging import Keep

Templates = Literal["nano", "text", "none"]
REPLY_FILE = (
    "teacher.sqlite"  # in a run's folder: teacher replies, where `cache` names no other file
)


@dataclass(frozen=True)
class DataConfig:
    """What is trained on.

    `templates` names our own library: nano, text, or none; None is the pair's own, and none where there are
    `sources`. `template_files` are JSONL files of yours, added to it (a list under `templates` is taken for
    them). `capabilities` are those of the library that are trained and measured (none named: all of them).
    `sources` are data sets of yours (`[[data.sources]]`, see `SourceConfig`); without templates they are all.

    `cap` None is max(0.2, 1.5 / templates) of every 256 prompts; `group` prompts are asked for
    together for each source; `cache` is the file of teacher replies, "" for none.

    `unit` is what an allocation's shares are of: supervised tokens, prompts, or the weight of the losses
    (see `ExampleStream`); the budget is in supervised tokens in each case.
    `store` is the folder of a teach store (`readsim teach`): its sources are trained on, with what the
    teacher said when it was made, and no teacher is loaded or asked.

    `keep = "correct"` trains on no reply whose final answer differs from the gold one, where there is
    one ("all", the default, on these too); `keep_cut` trains on replies that were cut at
    `decoding.max_new_tokens`, without an end token, which are dropped otherwise.
    """

    __pydantic_config__ = {"extra": "forbid", "strict": True}  # noqa: RUF012
    capabilities: tuple[str, ...] = ()
    templates: Templates | tuple[str, ...] | None = None
    template_files: tuple[str, ...] = ()
    sources: tuple[SourceConfig, ...] = ()
    curriculum: Curriculum = "on"
    difficulty: Method = "rank"
    cap: float | None = None
    group: int = 64
    unit: Unit = "tokens"
    cache: str = ""
    keep: Keep = "all"
    keep_cut: bool = False
    store: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.templates, tuple):
            object.__setattr__(self, "template_files", (*self.templates, *self.template_files))
            object.__setattr__(self, "templates", None)
        within(self, "group", 1, MOST_COUNT)
        if self.cap is not None and not 0 < self.cap <= 1:
            raise ConfigError(f"cap = {self.cap!r}: expected a number above 0, at most 1")
