"""LoRA: which layers, how strongly, with dropout; refused where PEFT refuses; over weights of few bits."""

from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError, ReadsimError
from tests.hf.training.test_training import examples, student
from tests.support.architectures import saved_of, tiny_of
from tests.support.hf import NEEDS, tiny

pytestmark = pytest.mark.extra(*NEEDS, "peft")


def test_only_the_targets_get_adapters_scaled_by_alpha() -> None:
    one = student(lora=2, lora_targets=("q_proj", "v_proj"), lora_alpha=6.0)
    assert len(one.names) == 2 * 2 * 2  # two layers of two products, A and B
    assert all(".q_proj." in name or ".v_proj." in name for name in one.names)
    assert scales(one) == {3.0}
    usual = student(lora=2)
    assert len(usual.names) == 2 * 7 * 2  # two layers of seven products, A and B
    assert scales(usual) == {2.0}


def scales(one: Any) -> set[float]:
    found = [getattr(module, "scaling", None) for module in one.trained.modules()]
    return {scaling["default"] for scaling in found if isinstance(scaling, dict)}


def test_gpt2_has_layers_of_another_kind() -> None:
    one = student(model=tiny_of("gpt2"), lora=2, lora_targets=("c_attn",))
    assert len(one.names) == 4
    one.train_window(examples(), 0.1)


def test_dropout_acts_in_training_alone_and_is_drawn_again_after_going_back() -> None:
    import torch

    some = examples()
    one, other, dry = (student(lora=2, lora_dropout=d, micro_batch=2) for d in (0.5, 0.5, 0.0))
    state = torch.random.get_rng_state()
    for place in range(2):
        one.train_window(some, 0.1 * (place + 1))
    assert torch.equal(torch.random.get_rng_state(), state)  # the global generator is left alone
    assert not any(m.training for m in one.trained.modules())

    other.train_window(some, 0.1)
    kept = {n: t.clone() for n, t in other.weights().items()}
    moments = {n: t.clone() for n, t in other.moments().items()}
    resumed = student(lora=2, lora_dropout=0.5, micro_batch=2)
    torch.rand(7)  # whatever was drawn in between
    resumed.put(kept, moments)
    resumed.train_window(some, 0.2)
    dry.train_window(some, 0.1)
    dry.train_window(some, 0.2)
    for name, tensor in one.weights().items():
        assert torch.equal(tensor, resumed.weights()[name]), name
    assert any(not torch.equal(t, dry.weights()[n]) for n, t in one.weights().items())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lora": 2, "lora_targets": ()}, "lora_targets = "),
        ({"lora": 2, "lora_targets": "all"}, "lora_targets = 'all'.*'all-linear'"),
        ({"lora": 2, "lora_alpha": 0.0}, r"lora_alpha = 0\.0"),
        (
            {"lora": 2, "lora_dropout": 1.0},
            r"lora_dropout = 1\.0: expected a number between 0 and 0\.99",
        ),
        ({"lora": -1}, "lora = -1"),
        ({"lora_dropout": 0.1}, r"lora_dropout = 0\.1 with lora = 0"),
        ({"lora_targets": ("q_proj",)}, "with lora = 0"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], said: str) -> None:
    from readsim_hf.training.recipe import Recipe

    with pytest.raises(ConfigError, match=said):
        Recipe(**settings)


@pytest.mark.parametrize(
    ("kind", "targets", "said"),
    [
        ("llama", ("q_prj",), "'q_prj'; did you mean 'q_proj'"),
        ("llama", ("q_proj", "nothing"), "'nothing'"),
        ("llama", ("mlp",), "'mlp' is a LlamaMLP; accepted: names of linear layers"),
        ("gpt2", ("c_attn", "lm_head"), "'lm_head' shares its weight.*use 'all-linear'"),
        ("gpt2", ("wte",), "'wte' shares its weight .*tie_word_embeddings = false"),
        ("mamba", "all-linear", "out_proj.*layers here: .*in_proj"),
        ("mamba", ("out_proj",), "incompatible with Mamba"),
    ],
)
def test_modules_that_are_refused(kind: str, targets: Any, said: str) -> None:
    """Before any weights are made, and by the student itself."""
    from readsim_hf.training.lora import check_lora
    from readsim_hf.training.recipe import Recipe

    model, recipe = tiny_of(kind), Recipe(lora=2, lora_targets=targets)
    for refused in (lambda: check_lora(model.config, recipe), lambda: student(model=model, lora=2,
                    lora_targets=targets)):  # fmt: skip
        with pytest.raises(ReadsimError, match=said) as error:
            refused()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "targets"),
    [("llama", ("lm_head", "embed_tokens")), ("llama", "all-linear"), ("gpt2", "all-linear")],
)
def test_a_model_with_its_adapters_put_in_is_the_one_that_was_trained(
    kind: str, targets: Any
) -> None:
    """A head of its own may have adapters, too."""
    import torch

    from readsim_hf.training.served import _whole

    one = student(model=tiny_of(kind), lora=2, lora_targets=targets, learning_rate=0.05)
    one.train_window(examples(), 0.5)
    ids = torch.arange(2, 12)[None]
    with torch.no_grad():
        torch.testing.assert_close(
            _whole(one.model)(ids).logits, one.model(ids).logits, atol=1e-4, rtol=1e-4
        )


def test_costs_follow_the_targets() -> None:
    from readsim_hf.costs.shape import shape_of

    one = student(lora=2, lora_targets=("q_proj", "v_proj"))
    shape = shape_of(tiny().config, ("q_proj", "v_proj"))
    assert shape.adapters(2) == sum(p.numel() for p in one.parameters)
    assert shape.body == shape_of(tiny().config).body


def test_without_bitsandbytes_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from readsim_hf.models import quantised
    from readsim_hf.models.pairs import load_pair

    monkeypatch.setattr(quantised, "find_spec", lambda name: None)
    source = saved_of("llama", tmp_path / "m")
    for role in ("teacher_precision", "student_precision"):
        with pytest.raises(ConfigError, match=r"'nf4' of .*: the package bitsandbytes is missing"):
            load_pair(teacher=source, student=source, **{role: "nf4"})  # type: ignore[arg-type]


def test_settings_of_precision() -> None:
    from readsim_hf.config import RunConfig

    with pytest.raises(ConfigError, match=r"student_precision = 'nf4' with training\.lora = 0"):
        RunConfig.of({"pair": {"student_precision": "nf4"}})
    with pytest.raises(ReadsimError, match=r"'nf5'.*'nf4'"):
        RunConfig.of({"pair": {"student_precision": "nf5"}})
    made = RunConfig.of({"pair": {"student_precision": "nf4"}, "training": {"lora": 2}})
    assert made.pair.student_precision == "nf4"


def test_bytes_of_few_bits() -> None:
    """QLoRA, section 3: about 0.127 bits a parameter for the constants; 65B in 4 bits has about 33 GB."""
    from readsim_hf.costs.memory import frozen_bytes, weight_bytes
    from readsim_hf.costs.shape import shape_of

    shape = shape_of(tiny().config)
    rest = shape.parameters - shape.body
    assert weight_bytes(shape, "int8") == shape.body + 2 * rest
    assert 8 * (weight_bytes(shape, "nf4") - 2 * rest) / shape.body == pytest.approx(
        4.127, abs=1e-3
    )
    assert frozen_bytes(shape, "nf4") == weight_bytes(shape, "nf4") + 2 * rest
    assert frozen_bytes(shape, "fp32") == weight_bytes(shape, "fp32")


@pytest.mark.extra("bitsandbytes")
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("precision", ["nf4", "int8"])
def test_a_teacher_and_a_student_of_few_bits(precision: str, tmp_path: Path) -> None:
    import torch

    from readsim_hf.models.pairs import load_pair
    from readsim_hf.models.tiny import tiny_model

    source = saved_of("llama", tmp_path / "m")
    tiny_model("llama", 99, 2, 64, 0, eos_token_id=1).save_pretrained(source)
    pair = load_pair(
        teacher=source, student=source, teacher_precision=precision, student_precision=precision
    )
    assert pair.teacher is not None
    kinds = {type(m).__name__ for m in (*pair.teacher.modules(), *pair.student.modules())}
    assert kinds & {"Linear4bit", "Linear8bitLt"}
    first, again = pair.fresh_student(), pair.fresh_student()
    one = student(model=first, lora=2, learning_rate=0.01)
    before = [one.train_window(examples(), 0.5).loss for _ in range(8)]
    assert before[-1] < before[0]
    assert all("lora_" in name for name in one.names)
    ids = torch.arange(2, 12)[None]  # the weights of few bits are as they were
    with torch.no_grad(), one.trained.disable_adapter():
        torch.testing.assert_close(one.trained(ids).logits.float(), again(ids).logits.float(),
                                   atol=0.02, rtol=0.02)  # fmt: skip
    one.trained.save_pretrained(tmp_path / "adapters")
    assert (tmp_path / "adapters" / "adapter_model.safetensors").is_file()
