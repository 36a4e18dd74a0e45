"""Tasks of lm-eval as evaluations: by name, or from a user's YAML file; a group measures one capability."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval.api.samplers import FirstNSampler
from lm_eval.api.task import ConfigurableTask

from readsim.errors import ConfigError, unknown
from readsim.files.json_text import digest_of
from readsim_hf.probes.benchmark import Benchmark, ScoreScale
from readsim_hf.probes.catalogue import ENTRIES
from readsim_hf.probes.items import Item, content_id
from readsim_hf.probes.lm_eval_tasks import choice_taken
from readsim_hf.probes.own.config import TaskConfig
from readsim_hf.probes.own.lm_eval_read import (
    SEED,
    error_line,
    tasks_by_file,
    tasks_by_name,
)
from readsim_hf.probes.splits import ranked
from readsim_hf.prompts.patterns import Pattern

OUTPUTS = ("generate_until", "multiple_choice", "loglikelihood")


@dataclass(frozen=True, eq=False)
class LmEvalBenchmark:
    """One task of lm-eval by its own rules, on some of its items.

    loaded    the task as it was read
    metric, filter   which of its numbers is the score
    examples  rows that examples are taken from, in order; None: lm-eval draws them as the task says
    """

    name: str
    capability: str
    family: str
    loaded: ConfigurableTask
    metric: str
    filter: str
    scale: ScoreScale
    facts: Mapping[str, Any]
    examples: tuple[Mapping[str, Any], ...] | None = None
    judge: None = None

    def task(self, items: Sequence[Item]) -> ConfigurableTask:
        """The task, but for its items; what it draws is drawn anew, and equal, each time it is asked."""
        made, rows = copy.copy(self.loaded), [dict(item.data) for item in items]
        made.has_test_docs, made.test_docs = lambda: True, lambda: rows
        made._instances = None
        if self.examples is not None:
            made.sampler = FirstNSampler(list(self.examples))
        build = made.build_all_requests

        def again(*args: Any, **kwargs: Any) -> None:
            made.set_fewshot_seed(SEED)
            build(*args, **kwargs)

        made.build_all_requests = again
        return made

    def raw(self, sample: Mapping[str, Any]) -> float | None:
        if sample["filter"] != self.filter:
            return None
        return _score(sample, self.metric, self.name)

    def reply(self, sample: Mapping[str, Any]) -> str:
        if self.loaded.OUTPUT_TYPE == "multiple_choice":
            return choice_taken(sample, by_length=self.metric == "acc_norm")
        if self.loaded.OUTPUT_TYPE == "loglikelihood":
            total, greedy = sample["resps"][0][0]
            return f"(log-probability {total:.2f}, {'the likeliest' if greedy else 'not the likeliest'})"
        return str(sample["resps"][0][0])


def load_lm_eval(config: TaskConfig) -> Iterator[tuple[Benchmark, tuple[Item, ...], str]]:
    """The benchmarks of one entry, all their items, and in words what they are.

    Raises ConfigError for a file that is no task, CapabilityMissingError for a data set or package that is
    missing.
    """
    family = config.task or Path(config.yaml).name.partition(".")[0]
    tasks = tasks_by_name(config) if config.task else tasks_by_file(config)
    if not tasks:
        raise ConfigError(f"{config.where}: {config.source} holds no task")
    for name, task in tasks.items():
        if not isinstance(task, ConfigurableTask) or task.OUTPUT_TYPE not in OUTPUTS:
            kind = getattr(task, "OUTPUT_TYPE", type(task).__name__)
            raise ConfigError(
                f"{config.where}: {name!r} has output_type {kind!r}; accepted: {', '.join(OUTPUTS)}"
            )
        if getattr(task, "UNSAFE_CODE", False):
            raise ConfigError(
                f"{config.where}: {name!r} runs code that the model writes without a sandbox; "
                "accepted: the benchmarks humaneval and mbpp, which have one (probes.benchmarks)"
            )
        _time_limits(config, task)
        label = f"{config.capability}/{family}" + (f"/{name}" if len(tasks) > 1 else "")
        try:
            yield _made(config, task, label, f"{config.capability}/{family}")
        except RecursionError as error:
            raise ConfigError(
                f"{config.source}: a field holds itself, or nests too deeply"
            ) from error


def _made(
    config: TaskConfig, task: ConfigurableTask, label: str, family: str
) -> tuple[Benchmark, tuple[Item, ...], str]:
    metric, chosen = _metric_of(config, task)
    shots = task.config.num_fewshot if config.shots is None else config.shots
    shots = int(shots or 0)
    task.set_config("num_fewshot", shots)
    if config.max_new_tokens is not None and task.OUTPUT_TYPE == "generate_until":
        settings = {**(task.config.generation_kwargs or {}), "max_gen_toks": config.max_new_tokens}
        task.set_config("generation_kwargs", settings)
    items = _items(config, task, label)
    examples, items = _examples(config, task, shots, items)
    facts = {
        "task": digest_of(_plain(task.dump_config())),
        "metric": metric,
        "filter": chosen,
        "shots": shots,
    }
    scale = ScoreScale(chance=config.chance)
    made = LmEvalBenchmark(
        label, config.capability, family, task, metric, chosen, scale, facts, examples
    )
    words = f"{config.source}: task {task.task_name!r} of lm-eval, metric {metric}"
    words += f" (filter {chosen})" if chosen != "none" else ""
    words += f", {shots} examples before each question" if shots else ""
    return made, items, words


def _items(config: TaskConfig, task: ConfigurableTask, label: str) -> tuple[Item, ...]:
    try:
        rows = [dict(row) for row in task.eval_docs]
        texts = [task.doc_to_text(row) for row in rows]
        choices = [
            task.doc_to_choice(row) if task.OUTPUT_TYPE == "multiple_choice" else "" for row in rows
        ]
        return tuple(
            Item(label, content_id(row), f"{text} {choice}".strip(), row)
            for row, text, choice in zip(rows, texts, choices, strict=True)
        )
    except Exception as error:  # templates and functions of the task
        raise ConfigError(
            f"{config.source}: the items of {task.task_name!r} cannot be made: {type(error).__name__}: "
            f"{error_line(error)}"
        ) from error


def _examples(
    config: TaskConfig, task: ConfigurableTask, shots: int, items: tuple[Item, ...]
) -> tuple[tuple[Mapping[str, Any], ...] | None, tuple[Item, ...]]:
    """Rows for the examples, and the items without them: an example is in no split."""
    if not shots:
        return None, items
    split = task.fewshot_cfg.split
    measured = task.config.test_split or task.config.validation_split
    if split is None and task.fewshot_cfg.samples is not None:
        return None, items
    if split is None or split == measured:
        pool = {item.key: item for item in reversed(ranked(items))}
        shown = list(pool.values())[:shots]
        if len(shown) < shots:
            raise ConfigError(f"{config.where}: shots = {shots}, but there are {len(pool)} items")
        keys = {item.key for item in shown}
        return tuple(i.data for i in shown), tuple(i for i in items if i.key not in keys)
    ids = {item.id for item in items}
    docs = [dict(row) for row in task.sampler.df]
    kept = [row for row in docs if content_id(row) not in ids]
    if len(kept) < shots:
        raise ConfigError(
            f"{config.where}: shots = {shots}, but {split!r} has {len(kept)} rows that are no items"
        )
    task.sampler.replace_df(kept)
    return None, items


def _metric_of(config: TaskConfig, task: ConfigurableTask) -> tuple[str, str]:
    """The metric and the filter: those asked for, else the catalogue's, else the task's first that can be
    a score."""
    better = task.higher_is_better()
    known = [name for name in better if better[name] is not False]
    filters = [f.name for f in task._filters]
    name, _, chosen = config.metric.partition(",")
    entry = next((e for e in ENTRIES if e.task and e.task == task.task_name), None)
    if not name and entry is not None and entry.metric in known and entry.filter in filters:
        return entry.metric, chosen or entry.filter
    if not name and not known:
        raise ConfigError(
            f"{config.where}: none of the metrics of {task.task_name!r} is better the higher it is "
            f"({', '.join(better) or 'none'})"
        )
    if name and name not in known:
        raise unknown(f"metric of {task.task_name!r} ({config.where})", name, known)
    if chosen and chosen not in filters:
        raise unknown(f"filter of {task.task_name!r} ({config.where})", chosen, filters)
    return name or known[0], chosen or filters[0]


def _score(sample: Mapping[str, Any], metric: str, name: str) -> float:
    """ConfigError for what is no score of an item."""
    value = sample.get(metric)
    try:
        score = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        score = float("nan")
    if not 0.0 <= score <= 1.0:
        raise ConfigError(
            f"benchmark {name!r}: metric {metric!r} gives {value!r:.60} for an item; accepted: a metric "
            "with a number from 0 to 1 for each item"
        )
    return score


class _Limited:
    """A filter of lm-eval whose regular expression has a time limit."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __call__(self) -> Any:
        made = self._make()
        if hasattr(getattr(made, "regex", None), "findall"):
            made.regex = Pattern(made.regex.pattern, made.regex.flags)
        return made


def _time_limits(config: TaskConfig, task: ConfigurableTask) -> None:
    """ConfigError for a filter that cannot be made, such as a pattern that is none."""
    for ensemble in task._filters:
        for make in ensemble.filters:
            try:
                make()
            except Exception as error:  # whatever a filter raises
                raise ConfigError(
                    f"{config.where}: {config.source}: filter {ensemble.name!r}: {type(error).__name__}: "
                    f"{error_line(error)}"
                ) from error
        ensemble.filters = [_Limited(make) for make in ensemble.filters]


def _plain(value: Any) -> Any:
    """A task's settings as JSON takes them."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(type(value))
