"""A stock lm-eval task on a local file: its prompts, filters and metrics, and no download."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import lm_eval.tasks
from datasets import Dataset
from jinja2 import TemplateError
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks import TaskManager

from readsim.errors import CapabilityMissingError, ConfigError, ReadsimError, unknown
from readsim.files import AnyPath
from readsim.files.rows import Row
from readsim_hf.probes.benchmark import ScoreScale
from readsim_hf.probes.catalogue import BenchmarkEntry
from readsim_hf.probes.items import Item, row_item
from readsim_hf.probes.lm import quiet

_SPLITS = ("training_split", "validation_split", "fewshot_split")


@dataclass(frozen=True)
class StockBenchmark:
    """One lm-eval task by its own rules, on items in memory.

    `overrides`: settings of the task that differ from the stock ones; `examples`: rows that few-shot
    examples are taken from, in order, where the task has none of its own.
    """

    entry: BenchmarkEntry
    task_name: str
    scale: ScoreScale
    overrides: Mapping[str, Any] = field(default_factory=dict)
    examples: tuple[Row, ...] = ()

    @property
    def name(self) -> str:
        same = self.task_name == self.entry.name
        return self.entry.name if same else f"{self.entry.name}/{self.task_name}"

    @property
    def capability(self) -> str:
        return self.entry.capability

    @property
    def family(self) -> str:
        return self.entry.name

    def task(self, items: Sequence[Item]) -> ConfigurableTask:
        return _load(self.entry, self.task_name, self._settings([i.data for i in items]))

    def _settings(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        data = {"test": _dataset(rows), "examples": _dataset(self.examples)}
        return {
            **dict.fromkeys(_SPLITS),
            **self.overrides,
            "test_split": "test",
            "process_docs": None,  # was applied when the file was read
            "custom_dataset": lambda **_: data,
        }

    def raw(self, sample: Mapping[str, Any]) -> float | None:
        if sample["filter"] != self.entry.filter:
            return None
        return float(sample[self.entry.metric])

    def reply(self, sample: Mapping[str, Any]) -> str:
        if self.entry.output != "multiple_choice":
            return str(sample["resps"][0][0])
        return choice_taken(sample, by_length=self.entry.metric == "acc_norm")

    facts: ClassVar[Mapping[str, Any]] = {}  # the catalogue names all
    judge: ClassVar[None] = None


def choice_taken(sample: Mapping[str, Any], *, by_length: bool) -> str:
    """The choice that a model takes in a row of lm-eval's sample log; `by_length`: a character."""
    choices = [str(arguments[1]).strip() for arguments in sample["arguments"]]
    by = [len(c) if by_length else 1 for c in choices]
    each = zip(sample["resps"], by, strict=True)
    scored = [resps[0][0] / max(n, 1) for resps, n in each]
    return choices[scored.index(max(scored))]


def load_stock(
    entry: BenchmarkEntry,
    path: AnyPath,
    *,
    task: str | None = None,
    chance_corrected: bool = False,
    max_new_tokens: int | None = None,
    shots: int = 0,
    shots_from: AnyPath | None = None,
) -> tuple[StockBenchmark, tuple[Item, ...]]:
    """The benchmark and the items of a local file; see `registry.from_local`."""
    name = task or entry.task
    stock, rows = _prepared(entry, name, path)
    overrides: dict[str, Any] = {"num_fewshot": shots}
    examples: tuple[Row, ...] = ()
    if shots_from is not None:
        examples = tuple(_prepared(entry, name, shots_from)[1][:shots])
        shown = {**vars(stock.config.fewshot_config), "sampler": "first_n", "split": "examples"}
        overrides |= {"fewshot_split": "examples", "fewshot_config": shown}
    if shots_from is not None and len(examples) < shots:
        raise ConfigError(f"shots: asked for {shots}, {shots_from} has {len(examples)}")
    if shots and not examples and not stock.config.fewshot_config.samples:
        raise ConfigError(
            f"shots: {name!r} brings no examples of its own; name a file of them in shots_from"
        )
    if max_new_tokens is not None:
        settings = stock.config.generation_kwargs or {}
        overrides["generation_kwargs"] = {**settings, "max_gen_toks": max_new_tokens}
    scale = ScoreScale(chance=entry.chance if chance_corrected else 0.0)
    benchmark = StockBenchmark(entry, name, scale, overrides, examples)
    seen = {row_item("", row, entry.question).key for row in examples}
    items = (row_item(benchmark.name, row, entry.question) for row in rows)
    return benchmark, tuple(item for item in items if item.key not in seen)


def _prepared(
    entry: BenchmarkEntry, name: str, path: AnyPath
) -> tuple[ConfigurableTask, list[Row]]:
    """The stock task on a file, and the rows as it prepares them.

    Some tasks keep the rows of one subject or level, some shuffle the choices.
    """
    rows = entry.read(path)
    data = {"test": _dataset(rows.rows)}
    try:
        task = _load(
            entry,
            name,
            {
                **dict.fromkeys(_SPLITS),
                "test_split": "test",
                "custom_dataset": lambda **_: data,
                "num_fewshot": 0,
            },
        )
    except ReadsimError:
        raise
    except IndexError as error:
        raise ConfigError(f"{path}: none of its {len(rows)} rows belongs to {name!r}") from error
    except (KeyError, TypeError, ValueError, TemplateError) as error:
        raise ConfigError(f"{path}: {name!r} cannot read its rows: {error!r}") from error
    return task, [dict(row) for row in task.task_docs]


def manager(entry: BenchmarkEntry) -> TaskManager:
    """lm-eval's manager over the folder of one benchmark: the whole index takes seconds."""
    root = Path(lm_eval.tasks.__file__).parent / entry.folder
    if not root.is_dir():
        raise CapabilityMissingError(f"the installed lm-eval has no folder {entry.folder!r}")
    return TaskManager(include_path=str(root), include_defaults=False)


def _load(entry: BenchmarkEntry, name: str, settings: Mapping[str, Any]) -> ConfigurableTask:
    """The stock task with some settings replaced."""
    with quiet(), _chance_as_it_was():
        found = manager(entry)
        if name not in found.all_subtasks:
            raise unknown(f"lm-eval task of {entry.name}", name, found.all_subtasks)
        try:
            # a group of one task is lm-eval's way to replace settings of a stock task
            loaded = found.load([{"group": "local", "task": [{"task": name, **settings}]}])
        except ImportError as error:
            raise CapabilityMissingError(
                f"lm-eval's {name!r} needs a package that is not installed: {error}"
            ) from error
    return loaded["tasks"][name]


def _dataset(rows: Sequence[Mapping[str, Any]]) -> Dataset:
    try:
        return Dataset.from_list([dict(row) for row in rows])
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a column has values of several types: {error}") from error


@contextmanager
def _chance_as_it_was() -> Iterator[None]:
    """Some tasks shuffle choices with Python's global generator: fixed here, and restored."""
    state = random.getstate()
    random.seed(1234)
    try:
        yield
    finally:
        random.setstate(state)
