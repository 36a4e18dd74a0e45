"""A trainer that asks for its mixture: the rows it gets, and what a resumed one does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.advise import Advice
from readsim.advise.shares import read_shares
from readsim.errors import ConfigError, UnknownNameError
from readsim.runs.log_schema import read_content
from tests.support.hf import NEEDS, tiny

pytestmark = [
    pytest.mark.extra(*NEEDS, "accelerate", "datasets"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def rows(first: int, count: int = 30) -> list[dict[str, Any]]:
    """Texts of `first`, `first + 1`, ... and of 3 to 6 tokens."""
    made = []
    for n in range(count):
        ids = [first, *[2 + (first + n + k) % 30 for k in range(2 + n % 4)]]
        made.append({"input_ids": ids, "labels": ids})
    return made


SOURCES = {"a": rows(5), "b": rows(6), "c": rows(7)}


def drawn(mixed: Any, count: int) -> list[tuple[int, ...]]:
    reading = iter(mixed)
    return [tuple(next(reading)["input_ids"]) for _ in range(count)]


def test_shares_are_of_tokens_and_hold_from_their_entry_on() -> None:
    from readsim_hf.trainers.mixture import MixedRows

    mixed = MixedRows(SOURCES, seed=1)
    mixed.mix(0, {"a": 1, "b": 1})
    mixed.mix(600, {"c": 3, "a": 1})
    reading = iter(mixed)
    while mixed.tokens < 600:
        next(reading)
    at = dict(mixed.given)
    assert at["c"] == 0
    assert abs(at["a"] - at["b"]) <= 6
    while mixed.tokens < 1600:
        next(reading)
    more = {name: mixed.given[name] - at[name] for name in at}
    assert more["b"] == 0
    assert more["c"] / sum(more.values()) == pytest.approx(0.75, abs=0.01)


def test_seed_and_schedule_fix_the_rows_whenever_it_became_known() -> None:
    from readsim_hf.trainers.mixture import MixedRows

    whole = MixedRows(SOURCES, seed=1)
    whole.mix(100, {"b": 1.0})
    late = MixedRows(SOURCES, seed=1)

    def told() -> None:
        late.mix(late.tokens, {"b": 1.0})

    late.ask = told
    expected, seen, reading = drawn(whole, 80), [], iter(late)
    for n in range(80):
        if n == 0:
            before = MixedRows(SOURCES, seed=1)
            steps = iter(before)
            while before.tokens < 100:
                next(steps)
        late.asked = late.tokens >= before.tokens and not late.schedule
        seen.append(tuple(next(reading)["input_ids"]))
    assert seen == expected
    assert drawn(MixedRows(SOURCES, seed=2), 80) != drawn(MixedRows(SOURCES, seed=1), 80)


def test_each_pass_over_a_source_has_every_row_once() -> None:
    from readsim_hf.trainers.mixture import MixedRows

    mixed = MixedRows({"a": rows(5)})
    seen = drawn(mixed, 60)
    assert sorted(seen[:30]) == sorted(seen[30:]) == sorted(tuple(r["input_ids"]) for r in rows(5))
    assert seen[:30] != seen[30:]


def test_mistakes() -> None:
    from readsim_hf.trainers.callback import AskForShares
    from readsim_hf.trainers.mixture import MixedRows

    mixed = MixedRows(SOURCES)
    with pytest.raises(UnknownNameError, match="'d'"):
        mixed.mix(0, {"d": 1.0})
    with pytest.raises(ConfigError, match="at least 0"):
        mixed.mix(0, {"a": -1.0})
    with pytest.raises(ConfigError, match="at least one"):
        MixedRows({})
    with pytest.raises(ConfigError, match="'a' has no rows"):
        MixedRows({"a": []})
    with pytest.raises(ConfigError, match="`log` and `shares`, or `advice`"):
        AskForShares(mixed)


def test_a_mixture_stays_where_its_file_is_gone(tmp_path: Path) -> None:
    from readsim.advise.shares import Advised, Shares, write_shares
    from readsim_hf.trainers.callback import AskForShares
    from readsim_hf.trainers.mixture import MixedRows

    mixed, path = MixedRows(SOURCES), tmp_path / "shares.json"
    asking = AskForShares(mixed, tmp_path / "metrics.jsonl", path)
    mixed.ask()
    assert not mixed.schedule
    write_shares(path, Shares([Advised(0, 0, {"b": 1.0})]))
    mixed.ask()
    path.unlink()
    with pytest.warns(UserWarning, match="is gone: the last mixture stays"):
        mixed.ask()
    assert [tokens for tokens, _ in mixed.schedule] == [0]
    assert asking.rows is mixed


def advice(folder: Path) -> Advice:
    return Advice(
        log=folder / "metrics.jsonl",
        shares=folder / "shares.json",
        sources=tuple(SOURCES),
        capabilities=tuple(SOURCES),
        allocator="exp3",
        budget=360,
        steps=8,
        out=folder / "run.jsonl",
    )


def train(folder: Path, steps: int, *, resume: bool = False) -> Any:
    """A trainer with evaluations of each source, that decides in its own process."""
    import torch
    from transformers import Trainer, TrainingArguments

    from readsim_hf.trainers.callback import AskForShares
    from readsim_hf.trainers.mixture import MixedRows
    from readsim_hf.trainers.rows import pad_rows

    mixed = MixedRows(SOURCES, seed=3)
    trainer = Trainer(
        model=tiny(),
        args=TrainingArguments(
            output_dir=str(folder / "out"),
            max_steps=24,
            per_device_train_batch_size=4,
            learning_rate=0.01,
            eval_strategy="steps",
            eval_steps=3,
            eval_on_start=True,
            save_steps=5,
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
            logging_strategy="no",
        ),
        train_dataset=mixed,
        eval_dataset={name: found[:4] for name, found in SOURCES.items()},
        data_collator=pad_rows,
        callbacks=[AskForShares(mixed, advice=advice(folder))],
    )

    class Stop(Exception):
        pass

    from transformers import TrainerCallback

    class Killed(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == steps < 24:
                raise Stop

    trainer.add_callback(Killed())
    try:
        trainer.train(resume_from_checkpoint=resume or None)
    except Stop:
        assert steps < 24
    else:
        assert steps >= 24
    assert isinstance(trainer.model, torch.nn.Module)
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*the job went back")
def test_a_trainer_that_was_stopped_and_resumed_ends_the_same(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    expected = train(whole, 24)
    for steps, resume in ((7, False), (14, True), (24, True)):
        found = train(parts, steps, resume=resume)
    for name, value in expected.items():
        assert value.equal(found[name]), name
    assert (parts / "shares.json").read_bytes() == (whole / "shares.json").read_bytes()
    assert read_content(parts / "run.jsonl").rows == read_content(whole / "run.jsonl").rows
    decisions = read_shares(whole / "shares.json").decisions
    assert len(decisions) > 4
    mixtures = np.array([list(d.shares.values()) for d in decisions])
    assert np.ptp(mixtures, axis=0).max() > 0.01


def test_a_torn_last_line_is_ended(tmp_path: Path) -> None:
    from readsim_hf.trainers.callback import append_row

    path = tmp_path / "metrics.jsonl"
    append_row(path, {"tokens": 1})
    with path.open("a") as file:
        file.write('{"tok')
    append_row(path, {"tokens": 2})
    assert path.read_text() == '{"tokens": 1}\n{"tok\n{"tokens": 2}\n'
