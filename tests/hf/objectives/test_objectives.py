"""Objectives by name, the baselines, what can be combined, one vocabulary for both sides."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.errors import ConfigError, UnknownNameError
from tests.support.made_targets import DIVERGENCES, OBJECTIVES, kl, pair, softmax, targets

pytestmark = pytest.mark.extra("torch")


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("half", [False, True])
def test_extremes_give_finite_losses_and_gradients(name: str, half: bool) -> None:
    """One-hot teachers, teachers with holes, very sure students, students without a token."""
    import torch

    from readsim_hf.objectives.table import make_objective

    inf = math.inf
    teacher = torch.tensor(
        [
            [0.0, -inf, -inf, -inf],
            [0.0, -inf, -inf, -inf],
            [-inf, math.log(0.5), -inf, math.log(0.5)],
            [-inf, -inf, 0.0, -inf],
            [math.log(0.25)] * 4,
        ]
    )
    rows = [
        [0.0, 0, 0, 0],
        [-300, 300, 0, 0],
        [90, -90, 0, 1],
        [0, -inf, 2, -inf],
        [200, 0, 0, -200],
    ]
    type_ = torch.bfloat16 if half else torch.float32
    student = torch.tensor(rows, dtype=type_, requires_grad=True)
    loss = make_objective(name, **OBJECTIVES[name])(student, targets(teacher, "full"))
    assert loss.dtype == torch.float32
    assert bool(loss.isfinite().all()), loss
    (grad,) = torch.autograd.grad(loss.sum(), student)
    assert bool(grad.isfinite().all()), grad


@given(seed=st.integers(0, 10**6), n=st.integers(1, 5), v=st.integers(2, 9))
def test_kd_is_the_equation_of_d22(seed: int, n: int, v: int) -> None:
    from readsim_hf.objectives.table import make_objective

    t, s, teacher, student = pair(seed, n, v)
    ce = -np.log(softmax(s)[np.arange(n), t.argmax(-1)])
    for a, tau in ((0.5, 1.0), (0.3, 2.0), (1.0, 0.5), (0.0, 3.0)):
        kd = make_objective("kd", alpha=a, temperature=tau)
        loss = kd(student, targets(teacher, "full")).detach().numpy()
        reference = (1 - a) * ce + a * tau**2 * kl(softmax(t, tau), softmax(s, tau))
        np.testing.assert_allclose(loss, reference, rtol=5e-5, atol=1e-5)


def test_baselines_are_finite_and_differ_as_documented() -> None:
    import torch

    from readsim_hf.methods.table import METHODS
    from readsim_hf.objectives.table import check_compatible, make_objective

    papers = {f"{s}-{o}": s for s in ("resp", "cot", "logit") for o in ("sft", "kd")}
    figure5 = {s: s for s in ("step-by-step", "equation-of-thought", "plan-then-code")}
    t, _, teacher, student = pair(0, 7, 12)
    record = targets(teacher, "full")
    values, grads = {}, {}
    for name, signal in (papers | figure5).items():
        method = METHODS[name]
        assert method.signal == signal
        objective = make_objective(method.objective, **method.settings)
        check_compatible(signal, objective, "full" if objective.needs_soft else None, False)
        loss = objective(student, record)
        (grads[name],) = torch.autograd.grad(loss.sum(), student)
        values[name] = loss.detach()
        assert bool(loss.isfinite().all())
        assert bool(grads[name].isfinite().all())
        assert float(grads[name].abs().max()) > 0.01

    def same(a: str, b: str) -> tuple[bool, bool]:
        close_ = [torch.allclose(x[a], x[b], atol=1e-5) for x in (values, grads)]
        return close_[0], close_[1]

    # Resp and CoT differ in their span, which is not the objective's.
    assert same("resp-sft", "cot-sft") == same("resp-kd", "cot-kd") == (True, True)
    assert same("logit-sft", "logit-kd") == (False, True)
    for two in (("cot-sft", "cot-kd"), ("cot-sft", "logit-sft"), ("cot-kd", "logit-kd")):
        assert same(*two) == (False, False)
    p = softmax(t)
    entropy = values["logit-sft"] - values["logit-kd"]
    np.testing.assert_allclose(entropy.numpy(), -(p * np.log(p)).sum(-1), atol=1e-5)
    half = (values["cot-sft"] + values["logit-kd"]) / 2
    torch.testing.assert_close(values["cot-kd"], half)


def test_methods_by_the_names_of_their_papers() -> None:
    from readsim_hf.config import RunConfig
    from readsim_hf.methods.table import METHODS
    from readsim_hf.objectives.table import make_objective
    from readsim_hf.supervision import supervision

    trained = {name: method for name, method in METHODS.items() if not method.command}
    for name, method in trained.items():
        config = RunConfig.of({"method": name})
        assert config.on_policy == method.on_policy
        wanted = make_objective(method.objective, **method.settings)
        assert supervision(config)[1] == wanted
    assert RunConfig.of({"method": "gkd", "on_policy": 0.0}).on_policy == 0.0
    assert RunConfig.of({"method": "gkd"}, {"method": "logit-kd"}).on_policy == 0.0


def test_names_and_settings() -> None:
    from readsim_hf.objectives.table import SAMPLED, TABLE, make_objective

    assert set(TABLE) == {*OBJECTIVES, *SAMPLED, "hidden", "uld", "shared", "span"}
    names = (*OBJECTIVES, *SAMPLED)
    text_alone = [name for name in names if not make_objective(name).needs_soft]
    assert text_alone == ["sft", "dpo", "plad"]
    with pytest.raises(UnknownNameError, match="unknown objective 'skew-fk'; did you mean 'skew-f"):
        make_objective("skew-fk")
    with pytest.raises(
        UnknownNameError, match="unknown setting of gjsd 'bta'; did you mean 'beta'"
    ):
        make_objective("gjsd", bta=1)


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        *[("kd", "alpha", v) for v in (-0.1, 1.1, math.nan, "half", None, True)],
        *[("kd", "temperature", v) for v in (0, -1, math.inf, math.nan)],
        *[("gjsd", "beta", v) for v in (-1e-9, 1.5)],
        *[(n, "alpha", v) for n in ("skew-fkl", "skew-rkl") for v in (0, 1, 2)],
    ],
)
def test_settings_out_of_range(name: str, setting: str, value: Any) -> None:
    from readsim_hf.objectives.table import make_objective

    with pytest.raises(ConfigError, match=f"{setting} is {value!r}: it must be a number"):
        make_objective(name, **{setting: value})


@pytest.mark.parametrize(
    ("signal", "name", "kind", "on_policy", "message"),
    [
        ("logit", "sft", "topk", False, "not defined on signal 'logit'; on 'logit' use soft-sft"),
        ("resp", "fkl", None, False, "soft_kind is None.*store 'full', 'topk', 'sampled'"),
        ("resp", "rkl", None, False, "store 'full', 'topk'$"),
        *[("logit", n, "sampled", False, "'sampled'.*fkl") for n in ("rkl", "jsd", "gjsd")],
        ("logit", "skew-rkl", "sampled", True, "'sampled'.*use soft-sft"),
        ("logit", "kd", "sampled", False, "temperature is 2.0.*must be 1; store"),
        ("cot", "sft", None, True, "student's own text; .* use fkl, rkl"),
        ("logit", "soft-sft", "full", True, "student's own text use fkl"),
        ("logit", "kd", "full", True, "or kd with alpha = 1"),
        (
            "step-by-step",
            "kd",
            "full",
            False,
            "'step-by-step', which trains on text alone; use sft",
        ),
        ("plan-then-code", "fkl", "topk", True, "trains on text alone; use sft"),
        ("equation-of-thought", "sft", None, True, "student's own text"),
    ],
)
def test_incompatible(signal: str, name: str, kind: Any, on_policy: bool, message: str) -> None:
    from readsim_hf.objectives.table import check_compatible, make_objective
    from readsim_hf.objectives.vocabulary import Cut

    objective = make_objective(name, **OBJECTIVES[name])
    for each in (objective, Cut(objective, 5)):
        with pytest.raises(ConfigError, match=message):
            check_compatible(signal, each, kind, on_policy)


@pytest.mark.parametrize("kind", ["full", "topk", "sampled"])
def test_the_table_allows_what_computes(kind: Any) -> None:
    from readsim_hf.objectives.table import TABLE, check_compatible, make_objective

    _, _, teacher, student = pair(1, 3, 8)
    record = targets(teacher, kind, None if kind == "full" else 3)
    for name in OBJECTIVES:
        objective = make_objective(name)
        try:
            check_compatible("cot", objective, kind, TABLE[name].texts == "own")
        except ConfigError:
            with pytest.raises(ConfigError, match="'sampled'"):
                objective(student, record)
        else:
            assert bool(objective(student, record).isfinite().all())


def test_compatible_on_the_students_own_text() -> None:
    from readsim_hf.objectives.table import check_compatible, make_objective

    for signal in ("resp", "cot", "logit"):
        check_compatible(signal, make_objective("kd", alpha=1.0), "topk", True)
        for name in DIVERGENCES:
            check_compatible(signal, make_objective(name), "topk", True)


def test_an_objective_of_somebody_else() -> None:
    """Only its own word on what it needs is known."""
    from readsim_hf.objectives.table import check_compatible

    class Mine:
        needs_soft = True

        def __call__(self, logits: Any, targets: Any) -> Any:
            return logits[:, 0]

    check_compatible("logit", Mine(), "sampled", True)
    with pytest.raises(ConfigError, match="objective 'Mine' needs the teacher's distributions"):
        check_compatible("logit", Mine(), None, True)


def test_unknown_signals_and_missing_targets() -> None:
    from readsim_hf.objectives.table import check_compatible, make_objective

    with pytest.raises(UnknownNameError, match="did you mean 'resp'"):
        check_compatible("rsp", make_objective("sft"), None, False)
    unknown: Any = "top-k"
    with pytest.raises(UnknownNameError, match="did you mean 'topk'"):
        check_compatible("cot", make_objective("fkl"), unknown, False)
    _, _, teacher, student = pair(1, 3, 8)
    with pytest.raises(ConfigError, match="soft is None"):
        make_objective("fkl")(student, targets(teacher, "full")._replace(soft=None))


def test_logits_beyond_the_shared_vocabulary_do_not_matter() -> None:
    import torch

    from readsim_hf.objectives.table import make_objective
    from readsim_hf.objectives.vocabulary import Cut, cut_logits

    _, _, teacher, wide = pair(2, 4, 9)
    shared = cut_logits(teacher, 6)
    record = targets(shared, "full")
    student = wide.detach()[:, :7].requires_grad_()
    shifted = student.detach().clone()
    shifted[:, 6:] = 1e4
    for name in OBJECTIVES:
        plain = make_objective(name)
        cut = Cut(plain, 6)
        assert cut.needs_soft == plain.needs_soft
        loss = cut(student, record)
        (grad,) = torch.autograd.grad(loss.sum(), student)
        assert bool((grad[:, 6:] == 0).all())
        assert bool((cut(shifted, record) == loss).all())
        with pytest.raises(ConfigError, match="there are 5 logits, fewer than the 6"):
            cut(student[:, :5], record)
    with pytest.raises(ConfigError, match="has 7 logits and the teacher's distributions have 6 en"):
        make_objective("fkl")(student, record)
