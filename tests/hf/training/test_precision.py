"""What reads and writes in which precision: devices and types seen by spies."""

from typing import Any

import numpy as np
import pytest

from tests.support.hf import NEEDS, char_pair
from tests.support.hf_runs import small

pytestmark = pytest.mark.extra(*NEEDS, "peft")


@pytest.mark.parametrize(("precision", "expected"), [("fp32", "float32"), ("bf16", "bfloat16")])
def test_probes_and_rollouts_compute_in_the_precision_of_training(
    precision: str, expected: str
) -> None:
    """The output layer says so: of the student and its start; never of the teacher, which has its own."""
    pair = char_pair()
    backend = small(
        pair=pair,
        training={"precision": precision},
        method="",
        signal="resp",
        objective="fkl",
        on_policy=1.0,
    )
    seen: list[tuple[str, str]] = []
    theirs: Any = pair.teacher

    def spied(model: Any) -> None:
        who = "teacher" if model is theirs else "student"
        model.lm_head.register_forward_hook(
            lambda _, given, out: seen.append((who, str(out.dtype).removeprefix("torch.")))
        )

    spied(theirs)
    backend.reset(0)
    spied(backend.student.model)
    backend.measure("dev")
    assert set(seen) == {("student", expected)}
    seen.clear()
    backend._feed.teacher._ask_student(backend.components.suite.splits.prompts("dev"))
    assert set(seen) == {("student", expected), ("teacher", "float32")}
    seen.clear()
    backend.run_interval(0, np.array([0.5, 0.5]), 20)
    backend.final_eval()
    assert ("teacher", "bfloat16") not in seen
    assert {kind for who, kind in seen if who == "student"} == {expected}


def test_the_final_agreement_is_that_of_the_weights_as_they_are() -> None:
    """The student is measured where its start was before: what autocast cast for one is not read again."""
    from readsim_hf.distill import _agreement, _agreements, _held_out

    backend = small(method="logit-kd", training={"precision": "bf16", "learning_rate": 0.02})
    backend.reset(0)
    backend.run_interval(0, np.array([0.5, 0.5]), 60)
    held_out = _held_out(backend.components)
    found = _agreements(backend, held_out)
    with backend.student.autocast():
        alone = _agreement(backend.student.model, held_out, backend.components)
    assert found["after"] == alone
    assert found["before"]["kl"] != alone["kl"]


@pytest.mark.parametrize(
    ("training", "pair", "expected"),
    [
        ({}, {}, "fp32"),
        ({"precision": "bf16"}, {}, "fp32"),
        ({"lora": 2}, {}, "fp32"),
        ({"lora": 2, "precision": "bf16"}, {}, "bf16"),
        ({"lora": 2, "precision": "bf16"}, {"student_precision": "fp32"}, "fp32"),
    ],
)
def test_weights_that_lora_leaves_are_bfloat16_where_training_computes_in_it(
    training: dict[str, Any], pair: dict[str, Any], expected: str
) -> None:
    import torch

    from readsim_hf.components import pair_of
    from readsim_hf.config import RunConfig
    from readsim_hf.objectives.table import make_objective
    from readsim_hf.training.student import Student

    config = RunConfig.of({"training": training, "pair": {"name": "nano", **pair}})
    assert config.student_precision == expected
    student = Student(pair_of(config).fresh_student(), config.training, make_objective("sft"))
    trained = {p.dtype for p in student.parameters}
    assert trained == {torch.float32}  # adapters, or all
    frozen = {p.dtype for p in student.model.parameters() if not p.requires_grad}
    kept = {"fp32": torch.float32, "bf16": torch.bfloat16}[expected]
    assert frozen == ({kept} if training.get("lora") else set())


def test_on_a_gpu_a_loss_is_taken_of_a_thousand_positions_at_a_time() -> None:
    from readsim_hf.training.logits import CHUNK_ENTRIES, chunk_positions

    assert chunk_positions(128_256, "cuda") in range(1000, 2049)
    assert chunk_positions(128_256, "cpu") == CHUNK_ENTRIES // 128_256
    assert chunk_positions(10**8, "cpu") == 1


def test_micro_batches_have_similar_lengths_and_a_budget_of_tokens() -> None:
    from readsim_hf.objectives.table import make_objective
    from readsim_hf.training.batch import Example, length_of
    from readsim_hf.training.recipe import Recipe
    from readsim_hf.training.student import Student
    from tests.support.hf import record, tiny

    rng = np.random.default_rng(0)
    some = [
        Example(record([3] * int(rng.integers(1, 60)), [4] * int(rng.integers(1, 60))), 1)
        for _ in range(40)
    ]
    recipe = Recipe(micro_batch=16, micro_tokens=200)
    parts = Student(tiny(), recipe, make_objective("sft"))._parts(some)
    lengths = [[length_of(example) for example in part] for part in parts]
    assert sum(map(len, parts)) == len(some)
    assert [n for part in lengths for n in part] == sorted(length_of(e) for e in some)
    assert all(len(part) <= 16 and len(part) * max(part) <= 200 for part in lengths)
    padded = sum(len(part) * max(part) for part in lengths)
    assert padded < 1.15 * sum(map(sum, lengths))  # hardly any padding
