"""From an allocation to tokens: every supported supervision trains, and the ledger says what was used."""

from dataclasses import dataclass, field
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError
from readsim.runs.loop import rollout
from tests.support.helpers import decisions
from tests.support.hf import NEEDS
from tests.support.hf_runs import TOKENS, small

pytestmark = pytest.mark.extra(*NEEDS)

METHODS = ("resp-sft", "cot-sft", "logit-sft", "resp-kd", "cot-kd", "logit-kd")
OBJECTIVES = ("sft", "soft-sft", "kd", "fkl", "rkl", "jsd", "gjsd", "skew-fkl", "skew-rkl")
KINDS = ("full", "topk", "sampled")
SHARES = np.array([0.7, 0.3])


def allowed(signal: str, objective: str, kind: str, on_policy: bool) -> bool:
    """What is defined, said a second time."""
    if objective in ("sft", "soft-sft", "kd"):
        return not on_policy and (objective, signal) != ("sft", "logit")
    return kind != "sampled" or objective in ("fkl", "skew-fkl")


@dataclass
class Seen:
    """What reached the loss and what the two models were asked, recorded where it happens."""

    answered: list[Any] = field(default_factory=list)  # records that `ask` has returned
    asked: list[Any] = field(default_factory=list)  # prompts
    trained: list[tuple[Any, int]] = field(default_factory=list)  # record, tokens
    losses: list[float] = field(default_factory=list)
    early: int = 0  # examples trained on before they were answered
    tokens: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("teacher_prompt", "teacher_generated", "teacher_scored", "student_rollout"), 0
        )
    )

    def by_source(self, backend: Any, since: int = 0) -> Any:
        """Tokens that reached the loss (S,), and the longest example."""
        got = np.zeros(len(backend.sources))
        for record, tokens in self.trained[since:]:
            got[backend.sources.index(record.source)] += tokens
        return got, max(record.supervised for record, _ in self.trained)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    from readsim_hf.training.replies import Replies
    from readsim_hf.training.student import Student

    of_teacher: Any = import_module("readsim_hf.teachers.teacher")
    of_student: Any = import_module("readsim_hf.training.writers")
    out = Seen()
    ask, train = Replies.ask, Student.train_window
    generate, roll = of_teacher.generate, of_student.generate

    def asking(self: Any, prompts: Any) -> Any:
        records = ask(self, prompts)
        out.asked += prompts
        out.answered += [r for r in records if r is not None]
        return records

    def training(self: Any, examples: Any, spent: float) -> Any:
        known = {id(record) for record in out.answered}
        out.early += sum(id(e.record) not in known for e in examples)
        window = train(self, examples, spent)
        assert window.tokens == sum(e.tokens for e in examples)
        out.trained += [(e.record, e.tokens) for e in examples]
        out.losses.append(window.loss)
        return window

    def teaching(model: Any, prompts: Any, *rest: Any, **named: Any) -> Any:
        made = generate(model, prompts, *rest, **named)
        out.tokens["teacher_prompt"] += sum(map(len, prompts))
        out.tokens["teacher_generated"] += sum(map(len, made))
        return made

    def rolling(model: Any, prompts: Any, *rest: Any, **named: Any) -> Any:
        made = roll(model, prompts, *rest, **named)
        out.tokens["student_rollout"] += sum(map(len, made))  # and the teacher reads it all
        out.tokens["teacher_scored"] += sum(map(len, prompts)) + sum(map(len, made))
        return made

    monkeypatch.setattr(Replies, "ask", asking)
    monkeypatch.setattr(Student, "train_window", training)
    monkeypatch.setattr(of_teacher, "generate", teaching)
    monkeypatch.setattr(of_student, "generate", rolling)
    return out


CASES: list[dict[str, Any]] = [
    *({"method": method} for method in METHODS),
    *(
        {"method": "", "signal": s, "objective": o, "soft": {"kind": kind}}
        for n, (o, kind) in enumerate(product(OBJECTIVES, KINDS))
        if o != "sft"  # the methods above have it: it keeps no distributions
        and allowed(s := ("logit", "cot", "resp")[n % 3], o, kind, False)
    ),
    *(
        {"method": "", "signal": s, "objective": o, "soft": {"kind": kind}, "on_policy": 0.5}
        for n, (o, kind) in enumerate(product(OBJECTIVES, ("full", "topk")))
        if allowed(s := ("logit", "cot")[n % 2], o, kind, True)
    ),
    {"method": "logit-kd", "on_policy": 0.5},
    {"method": "logit-kd", "on_policy": 1.0},
]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c.values())))
def test_two_intervals_of_every_supervision(case: dict[str, Any], seen: Seen) -> None:
    backend = small(**case)
    backend.reset(1)
    total = dict.fromkeys(("student", "probe", *seen.tokens), 0)
    for step in range(2):
        since = len(seen.trained)
        outcome = backend.run_interval(step, SHARES, TOKENS)
        got, longest = seen.by_source(backend, since)
        assert got.sum() == TOKENS  # to the token: the last example is cut
        assert np.abs(got - SHARES * TOKENS).max() <= longest
        for kind, tokens in outcome.token_usage.items():
            total[kind] += tokens
    assert np.isfinite(seen.losses).all()
    assert not np.allclose(seen.losses, 0)
    own = case.get("on_policy", 0.0)
    assert total["student"] == 2 * TOKENS
    assert {kind: total[kind] for kind in seen.tokens} == seen.tokens
    assert (total["student_rollout"] > 0) == (own > 0)
    assert (total["teacher_generated"] > 0) == (own < 1)


def test_what_is_not_defined_is_refused_with_advice() -> None:
    refused = 0
    for signal, objective, kind, on in product(
        ("resp", "cot", "logit"), OBJECTIVES, KINDS, (0.0, 0.5)
    ):
        if allowed(signal, objective, kind, on > 0):
            continue
        if objective == "kd" and on:  # with its cross entropy; alpha = 1 is another thing
            assert not allowed(signal, objective, kind, True)
        with pytest.raises(ConfigError, match=rf"'{objective}' is not defined .*; .*use "):
            small(method="", signal=signal, objective=objective, soft={"kind": kind}, on_policy=on)
        refused += 1
    assert refused > 20


def test_replies_come_before_training_and_each_is_used_once(seen: Seen) -> None:
    backend = small()
    backend.reset(1)
    for step in range(2):
        backend.run_interval(step, SHARES, TOKENS)
    assert seen.early == 0
    used = [id(record) for record, _ in seen.trained]
    assert len(set(used)) == len(used)
    waiting = [id(r) for queue in backend._feed._queues for r in queue]
    assert not set(used) & set(waiting)
    assert set(used) | set(waiting) == {id(r) for r in seen.answered}  # nothing is thrown away


def test_difficulty_does_not_move_the_allocation(seen: Seen) -> None:
    """What is asked changes with the curriculum, how much of each source does not."""
    ends = []
    for curriculum in ("on", "off"):
        backend = small(data={"curriculum": curriculum})
        env = DistillEnv(backend=backend, task={"general": 0.7, "math": 0.3}, steps=2)
        since, start = len(seen.trained), len(seen.asked)
        rows, _ = rollout([env], load_allocator("task-static"), [1])
        got, longest = seen.by_source(backend, since)
        shares = [row["allocation"].tolist() for row in decisions(rows)]
        ends.append((shares, got, [p.key for p in seen.asked[start:]]))
        # each interval is within one example
        assert np.abs(got - sum(np.array(s) * TOKENS for s in shares)).max() <= 2 * longest
    (first, one, prompts), (second, other, others) = ends
    assert first == second
    assert np.abs(one - other).max() <= 2 * longest
    assert prompts != others


def test_equal_seeds_ask_equal_prompts(seen: Seen) -> None:
    """Whatever the allocation: runs that share a seed share their prompts."""

    def asked(seed: int, shares: Any) -> dict[str, list[str]]:
        since = len(seen.asked)
        backend = small(data={"curriculum": "off"})
        backend.reset(seed)
        for step in range(2):
            backend.run_interval(step, np.array(shares), TOKENS)
        new = seen.asked[since:]
        return {s: [p.key for p in new if p.capability == s] for s in backend.sources}

    some, again, other, moved = (
        asked(1, SHARES), asked(1, SHARES), asked(2, SHARES), asked(1, [0.3, 0.7])
    )  # fmt: skip
    assert some == again
    for source, prompts in some.items():
        assert prompts[0] != other[source][0]
        shared = min(len(prompts), len(moved[source]))
        assert shared > 2
        assert prompts[:shared] == moved[source][:shared]


def test_a_second_run_asks_the_cache_alone(tmp_path: Path, seen: Seen) -> None:
    ends = []
    for allocator in ("task-static", "task-static", "uniform"):
        backend = small(data={"cache": str(tmp_path / "teacher.sqlite"), "curriculum": "off"})
        env = DistillEnv(backend=backend, task={"general": 0.5, "math": 0.5}, steps=2)
        ends.append(rollout([env], load_allocator(allocator), [1])[0])
    first, second, third = (rows[-1] for rows in ends)
    made = first["totals"]["teacher_generated"]
    assert made > 0
    for later in (second, third):  # the account is as if each had asked; the teacher was not
        assert later["totals"] == first["totals"]
    assert np.array_equal(first["final_profile"], second["final_profile"])
    assert np.array_equal(first["final_change_sd"], second["final_change_sd"])
    assert seen.tokens["teacher_generated"] == first["totals"]["teacher_generated"]


@pytest.mark.parametrize(
    "recipe",
    [{"lora": 2}, {"gradient_checkpointing": True}, {"precision": "bf16"}, {"micro_batch": 3}],
    ids=str,
)
def test_every_recipe_goes_on_from_its_files(
    recipe: dict[str, Any], tmp_path: Path, seen: Seen
) -> None:
    def made() -> Any:
        return small(training=recipe, on_policy=0.5)

    one, other = made(), made()
    one.reset(1)
    one.run_interval(0, SHARES, TOKENS)
    assert not any(m.training for m in one.student.model.modules())  # replies come from a cache
    one.save(tmp_path)
    first = len(seen.losses)
    token_usage = one.run_interval(1, SHARES, TOKENS).token_usage
    second = len(seen.losses)
    other.load(tmp_path)
    assert other.run_interval(1, SHARES, TOKENS).token_usage == token_usage
    assert seen.losses[first:second] == seen.losses[second:]
