"""The controls that ship: what is true by construction holds, what is false fails, for every statement."""

from readsim.theory import Result, Verdict, gains
from readsim.theory.controls import BUDGET, check_controls, ideal_world
from readsim.theory.result import FALSE, TRUE


def test_every_control_says_what_it_must() -> None:
    found = list(check_controls())
    wrong = [
        (r.statement, r.subject, r.statistic)
        for r in found
        if r.verdict is not (Verdict.HOLDS if r.subject == TRUE else Verdict.FAILS)
    ]
    assert not wrong

    def names(subject: str) -> set[str]:
        return {r.statement for r in found if r.subject == subject}

    assert names(TRUE) == names(FALSE)
    assert len(names(TRUE)) >= 13


def test_the_ideal_world_is_ideal_for_every_task_and_budget() -> None:
    world = ideal_world()
    found: list[Result] = []
    for task in world.task_names:
        for budget in (0.1 * BUDGET, 10 * BUDGET):
            found += gains.check_world_gains(world, world.task(task), budget)
    assert {r.verdict for r in found} == {Verdict.HOLDS}
