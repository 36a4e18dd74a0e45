"""Prefix caching of a served teacher in the plan: how much, its seconds and its bytes by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.hf.plan.test_plan import sketched
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)

SERVED = {
    "pair": {
        "teacher": "http://127.0.0.1:9/v1",
        "teacher_model": "m",
        "teacher_tokenizer": "nano/teacher",
        "student": "nano/student",
    },
    "server": {"concurrency": 32},
}


def test_what_prompts_begin_with_in_whole_blocks() -> None:
    from readsim_hf.text_lengths import BLOCK, read_before

    a = list(range(40))
    some = [a, [*a[:33], 99, 98], [*a[:20], 7], [5, 6], a[:16]]
    # 33 in common are two blocks; of the last one its own last token is read always
    assert read_before(some).tolist() == [2.0 * BLOCK, 2.0 * BLOCK, BLOCK, 0.0, 0.0]
    assert read_before([a, a]).tolist() == [32.0, 32.0]  # the same prompt again
    assert read_before([a, a], 0.5).tolist() == [16.0, 16.0]  # pieces of half a token
    assert read_before([a]).tolist() == [0.0]


def known(plan: Any, shared: float, head: float) -> Any:
    """The plan with a teacher whose prompts share so many tokens."""
    (teacher,) = plan.teachers
    return replace(plan, teachers=(replace(teacher, shared=shared, head=head),))


def test_seconds_and_bytes_are_those_of_arithmetic_by_hand() -> None:
    from readsim_hf.costs.devices import DEVICES
    from readsim_hf.plan.estimate import served_bytes, work_of

    plan = sketched(SERVED)
    (teacher,) = plan.teachers
    assert teacher.served
    assert teacher.shape is not None
    shared, shape, device = 0.5 * teacher.asked, teacher.shape, DEVICES[0]
    half = {one.kind: one for one in work_of(known(plan, shared, 0.0))}["served teacher reads"]
    none = {one.kind: one for one in work_of(known(plan, 0.0, 0.0))}["served teacher reads"]
    count, asked = plan.spent.answered, teacher.asked
    assert none.tokens == pytest.approx(count * asked)
    assert half.tokens == pytest.approx(count * asked / 2)
    # each token that is read passes the layers and attends to the whole prompt; each prompt has one head
    each = 2 * shape.body + 4 * shape.layers * shape.queries * asked
    head = 2 * shape.vocabulary * shape.hidden
    flops = count * (asked / 2 * each + head)
    assert half.flops == pytest.approx(flops)
    peak = device.peak(plan.precision)
    assert half.seconds(device, 0.4, 0.5) == pytest.approx(flops / (0.4 * peak))
    bytes_each = 2 * shape.layers * shape.keys * (4 if plan.precision == "fp32" else 2)
    before, after = (served_bytes(known(plan, 0.0, h)) for h in (0.0, 16.0))
    assert before - after == pytest.approx(31 * 16 * bytes_each)  # held once, not 32 times


def test_a_teacher_that_is_loaded_here_reads_all_and_waits_for_each_group() -> None:
    from readsim_hf.plan.estimate import work_of

    served = sketched(SERVED)
    local = replace(served, teachers=(replace(served.teachers[0], served=False, shared=9.0),))
    work = {one.kind: one for one in work_of(local)}
    assert work["teacher reads"].tokens == pytest.approx(
        served.spent.answered * served.teachers[0].asked
    )
    writes = {one.kind: one for one in work_of(served)}["served teacher writes"]
    config, teacher, count = served.config, served.teachers[0], served.spent.answered
    steps = count * teacher.said / (7 / 8 * 32) + config.steps * teacher.longest(32)
    assert writes.steps == pytest.approx(steps)  # it is waited for at the end of each decision


def test_prompts_of_one_template_share_their_beginning() -> None:
    """Measured by the plan itself on our own templates, in bytes where no tokenizer is at hand."""
    plan = sketched(config="llama-70b-8b-20m")
    (teacher,) = plan.teachers
    assert 0 < teacher.shared < teacher.asked
    assert teacher.shared >= teacher.head


def test_host_memory_is_the_start_and_a_copy_of_what_training_holds() -> None:
    """By hand, and beside the bytes that a snapshot has."""
    from readsim_hf.plan.estimate import host_bytes
    from tests.support.hf_runs import TOKENS, small

    plain, tries = sketched(), sketched({"allocator": "greedy"})
    size = 4 * plain.student.parameters
    assert host_bytes(plain) == (size, size)  # the final test puts the start in the student's place
    assert host_bytes(tries) == (size, 3 * size)
    back = sketched({"allocator": "task-static+rollback=2"})
    assert host_bytes(back) == (size, 4 * size)  # the best student's weights and moments besides
    adapters = sketched({"training": {"lora": 4, "precision": "bf16"}, "allocator": "greedy"})
    own = 4 * adapters.student.adapters(4)
    assert host_bytes(adapters) == (size / 2, 3 * own)
    backend = small()
    backend.reset(0)
    backend.run_interval(0, np.array([0.5, 0.5]), TOKENS)
    saved = backend.snapshot()
    held = sum(a.nbytes for part in ("weights", "moments") for a in saved[part].values())
    whole = sum(p.nbytes for p in backend.components.pair.student.parameters())
    assert held == pytest.approx(3 * whole, rel=0.02)  # and a count of steps for each weight
