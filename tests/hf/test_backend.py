"""The real backend: what it hides, what tells runs apart, and what is left when something fails."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.registry import load_allocator
from readsim.allocators.static import Uniform
from readsim.backend import undone
from readsim.envs.env import DistillEnv
from readsim.errors import (
    CapabilityMissingError,
    ConfigError,
    ReadsimError,
    RunLogError,
    TrainingError,
)
from readsim.runs.checkpoints import load_checkpoint
from readsim.runs.log_file import RunLog
from readsim.runs.log_schema import read_content
from readsim.runs.loop import Row, rollout
from readsim.runs.setups import setup_for
from readsim.worlds.terms.learning_rate import LearningRate
from tests.support.hf import NEEDS, char_pair, tiny_run
from tests.support.hf_runs import TOKENS, small

pytestmark = pytest.mark.extra(*NEEDS)

TASK = {"general": 0.7, "math": 0.3}
STEPS = 3


def test_allocators_are_told_the_schedule_of_the_recipe() -> None:
    backend = tiny_run(training={"schedule": "linear", "warmup": 0.1})
    setup = setup_for(DistillEnv(backend=backend, task=TASK, steps=STEPS), Uniform(), 0)
    assert setup.learning_rate == LearningRate("linear", warmup=0.1)
    assert setup.paces[0] > setup.paces[-1]


# ------------------------------------------------------------------------------------ the test split


def test_the_test_split_is_shut_until_the_final_evaluation() -> None:
    backend = small()

    def shut() -> None:
        with pytest.raises(CapabilityMissingError, match="before the final evaluation"):
            backend.measure("test")
        with pytest.raises(CapabilityMissingError, match="before the final evaluation"):
            suite.splits.items(name, "test")

    suite = backend.components.suite
    name = suite.benchmarks[0].name
    backend.reset(1)
    shut()
    backend.dev_eval()
    backend.run_interval(0, np.array([0.5, 0.5]), TOKENS)
    shut()
    backend.final_eval()
    assert backend.measure("test").profile.shape == (2,)
    backend.reset(None)
    shut()


# ---------------------------------------------------------------------------------- the best student


def test_the_best_student_on_the_dev_split_is_kept_and_tested(tmp_path: Path) -> None:
    backend = small(keep_best=True)
    backend.reset(1)
    shares, kept = np.array([0.5, 0.5]), []
    for step, score in enumerate((0.2, 0.6, 0.6, 0.1)):
        backend.run_interval(step, shares, 30)
        backend.consider(score)
        kept.append({name: tensor.clone() for name, tensor in backend.student.weights().items()})
    assert backend.best.spent == 60  # the first of equals
    assert all((backend.best.weights[n] == kept[1][n]).all() for n in kept[1])
    with undone(backend):
        backend.run_interval(4, shares, 30)
        backend.consider(1.0)
    assert backend.best.spent == 60  # what was tried out is forgotten
    backend.save(tmp_path)
    other = small(keep_best=True)
    other.load(tmp_path)
    assert (other.best.score, other.best.spent) == (0.6, 60)
    final, again = backend.final_eval(), other.final_eval()
    assert final.token_usage == again.token_usage
    assert final.token_usage["probe"] > small_final_tokens()
    assert backend.best_tested.scores.keys() == backend.tested[1].scores.keys()
    now = backend.student.weights()
    assert all((now[n] == kept[-1][n]).all() for n in now)  # the last is still the last


def small_final_tokens() -> int:
    """Probe tokens of the end without a best student."""
    plain = small()
    plain.reset(1)
    plain.run_interval(0, np.array([0.5, 0.5]), 120)
    plain.consider(1.0)
    assert plain.best is None
    return int(plain.final_eval().token_usage["probe"])


# ------------------------------------------------------------------------------------- identity


def identity(**settings: Any) -> str:
    found: str = small(**settings).components.identity
    return found


def test_the_identity_is_what_compared_runs_must_share(tmp_path: Path) -> None:
    base = identity()
    unchanged: tuple[dict[str, Any], ...] = (
        {"seed": 5, "allocator": "uniform", "task": "math", "threads": 2, "steps": 4},
        {"data": {"cache": str(tmp_path / "teacher.sqlite")}, "pair": None},
        {"training": {"micro_batch": 2}, "decoding": {"batch_size": 3}},
        {"probes": {"batch_size": 5}, "budget": 999, "pool_runs": 3},
    )
    for same in unchanged:
        assert identity(**same) == base, same
    changed: list[dict[str, Any]] = [
        {"training": {"learning_rate": 0.011}},
        {"training": {"lora": 2}},
        {"training": {"gradient_checkpointing": True}},
        {"probes": {"seed": 1}},
        {"probes": {"max_new_tokens": 3}},
        {"probes": {"test": 3}},
        {"method": "cot-kd"},
        {"method": "", "signal": "logit", "objective": "fkl"},
        {"on_policy": 0.25},
        {"soft": {"kind": "topk"}},
        {"decoding": {"temperature": 0.5}},
        {"data": {"curriculum": "off"}},
        {"pair": char_pair(teacher_seed=7)},
        {"pair": char_pair(student_seed=7)},
        {"pair": replace(char_pair(), context=96)},
    ]
    found = [identity(**settings) for settings in changed]
    assert base not in found
    assert len(set(found)) == len(found)


def test_the_words_of_your_templates_belong_to_the_identity(tmp_path: Path) -> None:
    mine = {
        "id": "math/mine",
        "capability": "math",
        "text": "M{n}+{k}",
        "slots": {name: {"type": "integer", "low": 1, "high": 99} for name in "nk"},
        "expression": "n + k",
        "checker": "number",
    }

    def of(name: str, **changes: Any) -> Any:
        path = tmp_path / name
        path.write_text(json.dumps({**mine, **changes}))
        return tiny_run(data={"templates": [str(path)]}).components

    one, moved, other = of("a.jsonl"), of("b.jsonl"), of("c.jsonl", expression="n - k")
    assert "math/mine" in [t.id for t in one.library.templates["math"]]
    assert one.identity == moved.identity
    # Not only through the probe items: the same splits, other training prompts.
    assert one.manifest["templates"] != other.manifest["templates"]
    assert one.identity != other.identity


# --------------------------------------------------------------------------- what fails inside a run


def run(folder: Path, backend: Any, totals: list[Any] | None = None) -> list[Row]:
    """All rows; goes on where a log is. The ledger after the start and each decision is recorded."""
    folder.mkdir(exist_ok=True)
    env = DistillEnv(backend=backend, task=TASK, steps=STEPS)
    path = folder / "run.jsonl"
    again = path.exists()
    log = RunLog.open(path, config={}) if again else RunLog.create(path, config={}, seeds=[1])

    def note(_: int) -> None:
        if totals is not None:
            totals.append(dict(env.ledger.totals))

    try:
        with log:
            rollout(
                [env],
                load_allocator("greedy-last"),
                [1],
                log=log,
                checkpoint=folder / "state",
                on_step=note,
            )
    except ReadsimError:
        if totals is not None:
            totals.append(dict(env.ledger.totals))
        raise
    return read_content(path).rows


def after(calls: int, then: Callable[..., Any], first: Callable[..., Any]) -> Callable[..., Any]:
    """`first` for so many calls, `then` for the others."""
    count = 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        return (first if count <= calls else then)(*arguments, **named)

    return call


def raising(error: BaseException) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise error

    return call


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def module(name: str) -> Any:
    return import_module(f"readsim_hf.{name}")


def nan_loss(patch: pytest.MonkeyPatch) -> None:
    student = module("training.student")
    true = student.loss_sum
    broken = lambda *a: true(*a) * float("nan")  # noqa: E731
    patch.setattr(student, "loss_sum", after(4, broken, true))


def nan_score(patch: pytest.MonkeyPatch) -> None:
    suite = module("probes.suite")
    true = suite._scores
    # start, interval and dev of the first decision: two benchmarks each
    gone = raising(CapabilityMissingError("benchmark 'x': 1 of 2 scores are not a number"))
    patch.setattr(suite, "_scores", after(6, gone, true))


def silent_teacher(patch: pytest.MonkeyPatch) -> None:
    teacher = module("teachers.teacher")
    true = teacher.generate

    def nothing(model: Any, prompts: Any, *_: Any, ends: Any, **__: Any) -> Any:
        return [np.array([ends[0]], dtype=np.int32) for _ in prompts]

    patch.setattr(teacher, "generate", after(2, nothing, true))
    patch.setattr(teacher.Teacher, "_softs", lambda self, texts, _: self.score_many(texts))


def no_room_for_weights(patch: pytest.MonkeyPatch) -> None:
    saved = module("training.saved")
    error = OSError(28, "No space left on device")
    patch.setattr(saved, "save_tensors", after(5, raising(error), saved.save_tensors))


def no_room_for_state(patch: pytest.MonkeyPatch) -> None:
    from readsim import tree_file as checkpoint

    true = checkpoint.write_atomic
    full = raising(RunLogError("cannot write state.npz: No space left on device"))
    patch.setattr(checkpoint, "write_atomic", after(4, full, true))


def no_room_for_rows(patch: pytest.MonkeyPatch) -> None:
    from readsim.runs import log_file as runlog

    # the header, the start, the first decision
    patch.setattr(runlog, "_write", after(3, raising(full_disk()), runlog._write))


def no_room_for_anything(patch: pytest.MonkeyPatch) -> None:
    import os

    patch.setattr(os, "fsync", after(30, raising(full_disk()), os.fsync))


FAILURES: dict[Callable[[pytest.MonkeyPatch], None], tuple[type[ReadsimError], str]] = {
    nan_loss: (TrainingError, "loss is nan.*lower learning_rate"),
    nan_score: (CapabilityMissingError, "not a number"),
    silent_teacher: (TrainingError, "no usable reply for .*raise max_new_tokens"),
    no_room_for_weights: (RunLogError, "cannot write .*safetensors.*No space left"),
    no_room_for_state: (RunLogError, "No space left"),
    no_room_for_rows: (RunLogError, "earlier rows are kept.*No space left"),
    no_room_for_anything: (RunLogError, "No space left"),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Row], list[Any]]:
    totals: list[Any] = []
    return run(tmp_path_factory.mktemp("whole"), small(steps=STEPS), totals), totals


def _rounded(rows: list[Row]) -> list[Row]:
    """Losses, gradients and divergences to four digits: one failure takes another way to them."""

    def short(share: dict[str, Any]) -> dict[str, Any]:
        return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in share.items()}

    return [r | ({"trained": [*map(short, r["trained"])]} if "trained" in r else {}) for r in rows]


@pytest.mark.slow
@pytest.mark.parametrize("failure", FAILURES, ids=lambda f: f.__name__)
def test_a_failure_leaves_what_was_done_and_the_run_goes_on(
    failure: Callable[[pytest.MonkeyPatch], None],
    undisturbed: tuple[list[Row], list[Any]],
    tmp_path: Path,
) -> None:
    expected, ledgers = undisturbed
    error, message = FAILURES[failure]
    totals: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        failure(patch)
        with pytest.raises(error, match=message):
            run(tmp_path / "run", small(), totals)
    assert totals[-1] in ledgers  # a whole number of intervals, nothing of the one that failed
    rows = read_content(tmp_path / "run" / "run.jsonl").rows
    assert 1 < len(rows) < len(expected)
    assert _rounded(rows) == _rounded(expected[: len(rows)])
    tree, problems = load_checkpoint(tmp_path / "run" / "state", [small()])
    assert not problems
    assert tree["rows"] + len(tree["last"]) >= len(rows)
    assert _rounded(run(tmp_path / "run", small())) == _rounded(expected)


def test_a_prompt_that_does_not_fit_is_said(tmp_path: Path) -> None:
    """Templates are chosen by the pair's context; a teacher that reads less than it says still tells."""
    import dataclasses

    with pytest.raises(ConfigError, match="no template of 'general' makes prompts that fit"):
        small(pair=dataclasses.replace(char_pair(), context=20))
    pair = char_pair()
    pair.local_teacher().config.max_position_embeddings = 20
    with pytest.raises(
        ConfigError, match=r"prompt of '\w+/.* with max_new_tokens 8 .* teacher's context of 20"
    ):
        run(tmp_path / "run", small(pair=pair, decoding={"batch_size": 4}))
    assert len(read_content(tmp_path / "run" / "run.jsonl").rows) == 1
    assert load_checkpoint(tmp_path / "run" / "state", [small(pair=pair)])[0]["rows"] == 0


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    backend = small()
    backend.reset(1)
    backend.save(tmp_path)
    with pytest.raises(RunLogError, match="another pair, recipe or probes"):
        small(training={"learning_rate": 0.011}).load(tmp_path)
