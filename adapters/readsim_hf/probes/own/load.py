"""Evaluations from what a user says of them: benchmarks with their items, split once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from readsim.errors import ConfigError, ReadsimError
from readsim.files.names import check_name
from readsim.named import code_of, find
from readsim_hf.probes.benchmark import Benchmark, ScoreScale, TextBenchmark
from readsim_hf.probes.items import Item, content_id, row_item
from readsim_hf.probes.own import metrics
from readsim_hf.probes.own.config import JudgeConfig, TaskConfig
from readsim_hf.probes.own.items import (
    AS_IN_SOURCES,
    answers_of,
    check_prompt,
    columns_of,
    filled,
    gold_text,
    guess_metric,
    read_items,
    read_raw,
)
from readsim_hf.probes.own.judge import Grader
from readsim_hf.probes.own.scored import ContinuationBenchmark
from readsim_hf.probes.splits import ItemSplits, Sizes, cut_items, only_test, ranked

Loaded = list[tuple[Benchmark, ItemSplits, str]]


@dataclass(frozen=True)
class _Read:
    """A file's items, with how its rows were told apart."""

    items: tuple[Item, ...]
    metric: str
    rows: int


def load_task(
    config: TaskConfig, judge: JudgeConfig, sizes: Sizes, longest: int, *, hidden: bool = False
) -> Loaded:
    """The benchmarks of one entry, their splits, and in words what they are.

    longest   tokens of a reply where the entry says nothing
    hidden    all items are test items

    Raises ConfigError and its kin in one line.
    """
    if not config.of_items:
        from readsim_hf.probes.own.lm_eval_yaml import load_lm_eval

        return [
            (made, only_test(rows) if hidden else cut_items(rows, sizes), words)
            for made, rows, words in load_lm_eval(config)
        ]
    check_prompt(config)
    name = f"{config.capability}/{Path(config.source).name.partition('.')[0]}"
    check_name(name, "name of a file of items")
    files = [config.path] if config.path else [config.probe, config.dev, config.test]
    metric = config.metric
    parts = []
    for file in files:
        parts.append(_read(config, name, file, metric))
        metric = parts[0].metric
    shots, parts = _shots(config, name, metric, parts)
    if config.path:
        (own,) = parts
        split = only_test(own.items) if hidden else cut_items(own.items, sizes)
    else:
        probe, dev, test = (_once(part.items) for part in parts)
        split = ItemSplits(probe, dev, test, "three files of the user's")
        split = only_test(test) if hidden else split
    made = _benchmark(config, name, metric, judge, shots, longest)
    guessed = "" if config.metric else " (guessed)"
    words = f"{', '.join(files)}: metric {metric}{guessed}"
    copies = sum(part.rows - len(_once(part.items)) for part in parts)
    words += f", {len(shots)} examples before each question" if shots else ""
    words += f", {copies} rows ask what another row asks and count once" if copies > 0 else ""
    return [(made, split, words)]


def _read(config: TaskConfig, name: str, file: str, metric: str) -> _Read:
    columns = [config.columns.get(c, c) for c in ("question", "answer", "choices")]
    rows = read_raw(file, [*columns, *AS_IN_SOURCES.values()])
    config = replace(config, columns=columns_of(config, metric, rows))
    metric = metric or guess_metric(rows, config.columns)
    items = read_items(config, metric, rows)
    asked = ("question", "choices") if metric == "choice" else ("question",)
    try:
        made = tuple(row_item(name, item, asked) for item in items)
    except TypeError as error:  # parquet has kinds that JSON lacks
        raise ConfigError(
            f"{file}: a column holds more than text, numbers and lists: {error}"
        ) from error
    return _Read(made, metric, len(made))


def _shots(
    config: TaskConfig, name: str, metric: str, parts: Sequence[_Read]
) -> tuple[tuple[Item, ...], list[_Read]]:
    """The worked examples, and the items without them."""
    many = config.shots or 0
    if not many:
        return (), list(parts)
    if config.shots_from:
        pool = _once(_read(config, name, config.shots_from, metric).items)
    elif config.path:
        pool = tuple(reversed(ranked(_once(parts[0].items))))
    else:
        raise ConfigError(
            f"{config.where}: shots = {many} with three files: name a file of examples in shots_from"
        )
    shots = pool[:many]
    if len(shots) < many:
        where = config.shots_from or config.path
        raise ConfigError(f"{config.where}: shots = {many}, but {where} has {len(pool)} items")
    keys = {item.key for item in shots}
    if config.shots_from:
        own = {i.key for part in parts for i in part.items}
        if config.path:
            return shots, [_without(part, keys) for part in parts]
        if keys & own:
            raise ConfigError(
                f"{config.where}: {len(keys & own)} of the examples in {config.shots_from} are items of a "
                "split too; an example is in no split"
            )
        return shots, list(parts)
    return shots, [_without(part, keys) for part in parts]


def _without(part: _Read, keys: set[str]) -> _Read:
    kept = tuple(item for item in part.items if item.key not in keys)
    return replace(part, items=kept, rows=len(kept))


def _once(items: Sequence[Item]) -> tuple[Item, ...]:
    return tuple({item.key: item for item in reversed(items)}.values())[::-1]


def _benchmark(
    config: TaskConfig,
    name: str,
    metric: str,
    judge: JudgeConfig,
    shots: Sequence[Item],
    longest: int,
) -> Benchmark:
    prompt = config.prompt or "{question}"
    before = "".join(
        f"{_after(filled(prompt, s.data), config.delimiter)}{gold_text(s.data)}\n\n" for s in shots
    )

    def ask(data: Mapping[str, Any]) -> str:
        return before + filled(prompt, data)

    scale = ScoreScale(chance=config.chance)
    facts: dict[str, Any] = {"metric": metric, "shots": [item.id for item in shots]}
    if metric in ("choice", "loglikelihood"):
        of_choices = metric == "choice"
        return ContinuationBenchmark(
            name, config.capability, ask, of_choices, config.delimiter, scale, facts
        )
    made = TextBenchmark(
        name,
        config.capability,
        ask,
        _never,
        config.max_new_tokens or longest,
        config.stop,
        scale,
        gold=gold_text,
        holds=metric in ("exact", "contains", "numeric"),
        facts=facts,
    )
    if metric == "judge":
        grader = Grader(judge, config.rubric)
        return replace(made, score=grader.grade, judge=grader)
    if ":" in metric:
        function = find(metric, "metric")
        facts["code"] = code_of(function)
        return replace(made, score=_called(metric, function))
    return replace(made, score=_SCORES[metric](config.ignore_case))


def _after(text: str, delimiter: str) -> str:
    return text if text[-1:].isspace() else text + delimiter


Score = Callable[[Mapping[str, Any], str], float]
_SCORES: dict[str, Callable[[bool], Score]] = {
    "exact": lambda fold: lambda d, reply: metrics.exact(reply, answers_of(d), fold),
    "contains": lambda fold: lambda d, reply: metrics.contains(reply, answers_of(d), fold),
    "numeric": lambda fold: lambda d, reply: metrics.numeric(reply, answers_of(d)),
    "regex": lambda fold: lambda d, reply: metrics.fits_pattern(reply, answers_of(d), fold),
}


def _called(name: str, function: Callable[..., Any]) -> Score:
    return lambda data, reply: metrics.own_score(name, function, reply, data, content_id(data))


def _never(data: Mapping[str, Any], reply: str) -> float:
    raise ReadsimError("a benchmark without a score")
