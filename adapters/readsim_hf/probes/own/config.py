"""What a user says of an evaluation: which capability it measures, with which items, and how."""

from dataclasses import dataclass, field

from readsim.errors import ConfigError, unknown
from readsim.files.names import check_name
from readsim_hf.config_merge import within
from readsim_hf.probes.own.metrics import METRICS
from readsim_hf.teachers.connection import ServerSettings, is_server

_STRICT = {"extra": "forbid", "strict": True}
COLUMNS = ("question", "answer", "choices")
RUBRIC = "A reply is fully right if it says what the reference answer says. How it is worded does not count."
MOST_SHOTS = 1000
MOST_NEW = 1_000_000


@dataclass(frozen=True)
class TaskConfig:
    """One evaluation of one capability: exactly one of `task`, `yaml`, `path`, or `probe`, `dev` and `test`.

    task       a name in lm-eval, whose data set is fetched or cached
    yaml       a file of lm-eval's task format, or a group of them, which measures one capability
    path       JSONL, CSV or parquet with the columns `question`, `answer` and, for choices, `choices`;
               split once into probe, dev and test items
    probe, dev, test   three such files in its place
    metric     of items: one of METRICS or `module:function`, which is called as f(reply, item) and returns a
               number in [0, 1]; "": guessed from the columns. Of lm-eval: NAME or NAME,FILTER
    columns    other names of the columns, such as {question = "problem"}
    prompt     what is sent: {question}, {choices} and other columns in braces; other braces stay
    shots      worked examples before each question, from items that are in no split, or `shots_from`;
               None: what a YAML file says, else 0
    chance     score of guessing; scores are `(s - chance) / (1 - chance)`
    delimiter  between prompt and a scored answer, where the student has no chat template
    rubric     what the judge goes by
    """

    __pydantic_config__ = _STRICT
    capability: str
    task: str = ""
    yaml: str = ""
    path: str = ""
    probe: str = ""
    dev: str = ""
    test: str = ""
    metric: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    prompt: str = ""
    shots: int | None = None
    shots_from: str = ""
    chance: float = 0.0
    max_new_tokens: int | None = None
    stop: tuple[str, ...] = ()
    ignore_case: bool = False
    delimiter: str = " "
    rubric: str = RUBRIC

    def __post_init__(self) -> None:
        check_name(self.capability, "capability")
        files = [name for name in ("probe", "dev", "test") if getattr(self, name)]
        given = [n for n in ("task", "yaml", "path") if getattr(self, n)]
        given += ["probe, dev and test"] if files else []
        if len(given) != 1:
            raise ConfigError(
                f"{self.where}: {' and '.join(given) or 'nothing'} given; accepted: one of task, yaml, "
                "path, or the three files probe, dev and test"
            )
        if files and len(files) < 3:
            raise ConfigError(
                f"{self.where}: {', '.join(files)} alone; probe, dev and test are needed"
            )
        if not 0.0 <= self.chance < 1.0:
            raise ConfigError(
                f"{self.where}: chance = {self.chance!r}: expected a number of at least 0, below 1"
            )
        if self.shots is not None:
            within(self, "shots", 0, MOST_SHOTS)
        if self.max_new_tokens is not None:
            within(self, "max_new_tokens", 1, MOST_NEW)
        for column in self.columns:
            if column not in COLUMNS:
                raise unknown(f"column in {self.where}", column, COLUMNS)
        self._check_source()

    def _check_source(self) -> None:
        if self.of_items:
            if self.metric and ":" not in self.metric and self.metric not in METRICS:
                raise unknown(f"metric of {self.where}", self.metric, (*METRICS, "module:function"))
            if not all(self.stop):
                raise ConfigError(
                    f"{self.where}: stop has an empty text, which ends each reply at once"
                )
            if self.shots_from and not self.shots:
                raise ConfigError(f"{self.where}: shots_from without shots: say how many")
            return
        plain = TaskConfig.__dataclass_fields__
        for name in ("prompt", "shots_from", "delimiter", "rubric", "ignore_case", "stop"):
            if getattr(self, name) != plain[name].default:
                raise ConfigError(
                    f"{self.where}: {name} is of items in a file; lm-eval's tasks have their own"
                )
        if self.columns:
            raise ConfigError(f"{self.where}: columns are of items in a file")

    @property
    def of_items(self) -> bool:
        """Whether its items are in files of the user's."""
        return not (self.task or self.yaml)

    @property
    def where(self) -> str:
        """For messages."""
        return f"probes.tasks, capability {self.capability!r}"

    @property
    def source(self) -> str:
        """What its items come from."""
        return self.task or self.yaml or self.path or self.probe

    @property
    def code(self) -> str:
        """What it would run of the user's: a YAML file or `module:function`; "" for nothing."""
        return self.yaml or (self.metric if self.of_items and ":" in self.metric else "")


@dataclass(frozen=True)
class JudgeConfig:
    """The model that grades replies for `metric = "judge"`, behind an OpenAI-compatible server.

    address   such as http://HOST:PORT/v1, or with #NAME the served model; `model` names it too
    best      the grade of a fully right reply; grades are whole numbers from 0
    server    how it is asked, as [server] for a teacher; its key is named here, not there
    """

    __pydantic_config__ = _STRICT
    address: str = ""
    model: str | None = None
    best: int = 10
    max_new_tokens: int = 512
    server: ServerSettings = field(default_factory=ServerSettings)

    def __post_init__(self) -> None:
        if self.address and not is_server(self.address):
            raise ConfigError(
                f"probes.judge.address = {self.address!r}: accepted: http://HOST:PORT/v1"
            )
        within(self, "best", 1, 1000)
        within(self, "max_new_tokens", 1, MOST_NEW)

    @property
    def named(self) -> str | None:
        """The served model, where the settings name it."""
        return self.address.partition("#")[2] or self.model
