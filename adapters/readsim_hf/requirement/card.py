"""A task card: what a person says about a task before anything is trained for it."""

from collections.abc import Collection
from dataclasses import dataclass

from pydantic import ConfigDict, TypeAdapter, ValidationError

from readsim.errors import ConfigError
from readsim.files import AnyPath, read_settings, suffix_of
from readsim_hf.prompts.prompt import question_key

SUFFIXES = (".toml", ".yaml", ".yml", ".json")
_STRICT = ConfigDict(extra="forbid", strict=False)


@dataclass(frozen=True)
class Exemplar:
    """One worked item of the task: what is asked and what is wanted."""

    __pydantic_config__ = _STRICT
    input: str
    output: str


@dataclass(frozen=True)
class TaskCard:
    """The four fields of a card, all text, from data that is not in the test split.

    description   what the task is
    format        what goes in and what comes out
    evaluation    how a reply is judged
    exemplars     a few worked items
    """

    __pydantic_config__ = _STRICT
    description: str
    format: str
    evaluation: str
    exemplars: tuple[Exemplar, ...] = ()

    def __post_init__(self) -> None:
        for name in ("description", "format", "evaluation"):
            if not getattr(self, name).strip():
                raise ConfigError(f"task card: {name} is empty; it must be a short text")

    @property
    def text(self) -> str:
        """All of it, as the identifier reads it."""
        shown = [f"Input: {e.input}\nOutput: {e.output}" for e in self.exemplars]
        parts = [self.description, self.format, self.evaluation, *shown]
        return "\n".join(part.strip() for part in parts)

    def check_unseen(self, test_keys: Collection[str], where: str = "task card") -> None:
        """ConfigError, naming it, for an exemplar that is a test item (`question_key`)."""
        for number, exemplar in enumerate(self.exemplars, 1):
            if question_key(exemplar.input) in test_keys:
                raise ConfigError(
                    f"{where}: exemplar {number} ({exemplar.input[:60]!r}) is an item of the test split; "
                    "cards are made from other data"
                )


def load_card(path: AnyPath) -> TaskCard:
    """A card from a .toml, .yaml, .yml or .json file. Raises ConfigError naming file and field."""
    if suffix_of(path) not in SUFFIXES:
        raise ConfigError(f"task card {path}: accepted are {', '.join(SUFFIXES)}")
    try:
        return TypeAdapter(TaskCard).validate_python(read_settings(path))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        fields = "description, format, evaluation, exemplars (a list of input, output)"
        raise ConfigError(
            f"task card {path}: {field}: {first['msg']} (a card has {fields})"
        ) from error
    except ConfigError as error:
        raise ConfigError(f"task card {error}") from error
