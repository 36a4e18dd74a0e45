"""An error names its owner; an allocator cannot write into what it is shown; what is odd is said once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim import Allocator
from readsim.envs.env import DistillEnv
from readsim.errors import AllocationError
from readsim.runs.loop import rollout
from tests.cli.test_app import call

WORLD = "random:seed=3,capabilities=4"


def run(allocator: Allocator, seeds: tuple[int, ...] = (3, 8)) -> Any:
    envs = [DistillEnv(WORLD, "skill_1", 10**6, steps=3) for _ in seeds]
    return rollout(envs, allocator, seeds)


class Odd(Allocator):
    """Does something odd in one hook, at one step, in one run."""

    def __init__(self, hook: str, act: Any) -> None:
        self.hook, self.act = hook, act

    def _perhaps(self, hook: str, seed: int, step: int, given: Any) -> Any:
        if self.hook == hook and seed == 8 and step in (0, 1):
            return self.act(given)
        return None

    def init(self, setup: Any) -> Any:
        self._perhaps("init", setup.seed, 0, setup)
        return {}

    def select(self, state: Any, context: Any) -> Any:
        chosen = self._perhaps("select", context.setup.seed, context.step, context)
        return np.full(4, 0.25) if chosen is None else chosen

    def update(self, state: Any, transition: Any) -> Any:
        context = transition.context
        new = self._perhaps("update", context.setup.seed, context.step, transition)
        return state if new is None else new


def broken(given: Any) -> Any:
    return 1 // 0


@pytest.mark.parametrize("hook", ["init", "select", "update"])
def test_an_exception_keeps_its_kind_and_names_its_owner(hook: str) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run(Odd(hook, broken))
    (note,) = caught.value.__notes__
    first, *lines = note.splitlines()
    assert first == f"allocator 'Odd+hook={hook}', task 'skill_1', seed 8, step 0, in {hook}"
    assert lines[-2:] == [
        f'  File "{__file__}", line {broken.__code__.co_firstlineno + 1}, in broken',
        "    return 1 // 0",
    ]
    assert "readsim/runs" not in note


def test_shares_that_are_no_numbers_name_their_owner() -> None:
    with pytest.raises(AllocationError) as caught:
        run(Odd("select", lambda _: np.array([np.nan, 1, 0, 0])))
    assert "seed 8, step 0" in caught.value.__notes__[0]


@pytest.mark.parametrize("field", ["profile", "history", "previous"])
def test_what_an_allocator_sees_cannot_be_written(field: str) -> None:
    def write(context: Any) -> None:
        getattr(context, field)[:] = 0.0

    with pytest.raises(ValueError, match="read-only"):
        run(Odd("select", write))


@pytest.mark.parametrize("field", ["allocation", "change", "profile"])
def test_what_an_allocator_learns_cannot_be_written(field: str) -> None:
    def write(transition: Any) -> None:
        getattr(transition, field)[:] = 0.0

    with pytest.raises(ValueError, match="read-only"):
        run(Odd("update", write))


@pytest.mark.parametrize("shares", [[-0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]])
def test_shares_that_were_changed_are_said_once(shares: list[float]) -> None:
    with pytest.warns(UserWarning, match=r"seed 8, step 0: its shares .*shown once") as said:
        run(Odd("select", lambda _: np.array(shares)))
    assert len(said) == 1
    run(Odd("select", lambda _: np.array([2.0, 1.0, 1.0, 0.0])))  # weights need not sum to 1


def test_a_state_that_no_checkpoint_can_hold_is_said() -> None:
    class Keeps(Odd):
        def init(self, setup: Any) -> Any:
            return {"lock": object()}

    with pytest.warns(UserWarning, match=r"its state cannot be saved.*lock"):
        run(Keeps("never", None))


def test_the_command_shows_the_user_s_lines_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *__import__("sys").path])
    Path("own_rule.py").write_text(
        "from readsim import Allocator\nclass Rule(Allocator):\n"
        "    def select(self, state, context):\n        return context.profle\n"
    )
    code, _, err = call(
        capsys, "compare", "--allocators", "own_rule:Rule", "--jobs", "1", "--out", "o"
    )
    assert code == 1
    shown = " ".join(err.split())
    assert "error: AttributeError: 'Context' object has no attribute 'profle'" in shown
    assert "allocator 'Rule', task" in shown
    assert "line 4, in select return context.profle" in shown
    assert "Traceback" not in err
