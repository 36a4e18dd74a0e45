"""What a plan says of memory, devices, disk and money: against hand counts and the estimate itself."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError, ReadsimError
from tests.cli.test_app import call
from tests.hf.plan.test_plan import SHIPPED, sketched
from tests.support.hf import NEEDS, record

pytestmark = pytest.mark.extra(*NEEDS)

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
SMOL = "HuggingFaceTB/SmolLM2-135M-Instruct"
LOCAL = {"teacher": "nano/teacher", "student": "nano/student"}
PLANS: dict[str, dict[str, Any]] = {
    "nano": {},
    "smollm2": {"pair": {"name": "smollm2"}},
    "full batches": {"pair": {"teacher": LLAMA, "student": SMOL}, "method": "resp-sft"},
}


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    monkeypatch.setenv("READSIM_CACHE", str(tmp_path / "nothing-prepared"))
    monkeypatch.chdir(tmp_path)


def planned(name: str) -> Any:
    return sketched(config=name) if name in SHIPPED else sketched(PLANS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PLANS, *SHIPPED])
def test_the_largest_term_is_named_with_settings_that_lower_it(name: str) -> None:
    from readsim_hf.plan.estimate import memory_of
    from readsim_hf.plan.knobs import TERMS, knobs, largest, memory_advice, share_of

    plan = planned(name)
    memory = memory_of(plan)
    shares = {term: share_of(memory, term) for term in TERMS}
    assert sum(shares.values()) == pytest.approx(memory.peak)
    term = largest(memory)
    assert shares[term] == max(shares.values())
    assert TERMS[term] in memory_advice(plan)[0]
    for each in TERMS:
        for knob in knobs(plan, each):
            assert getattr(knob.memory, each) < getattr(memory, each)
            assert knob.memory.peak <= memory.peak * (1 + 1e-12)
    if term == "activations":
        assert {k.setting for k in knobs(plan, term)} >= {
            "training.micro_batch",
            "training.gradient_checkpointing",
        }


@pytest.mark.slow
def test_a_setting_makes_of_the_estimate_what_it_says() -> None:
    """The number beside a setting is that of a plan that has it."""
    from readsim_hf.plan.estimate import memory_of
    from readsim_hf.plan.knobs import knobs

    plan = sketched(PLANS["full batches"])
    settings: dict[str, dict[str, Any]] = {
        "training.micro_batch": {"training": {"micro_batch": 1}},
        "training.gradient_checkpointing": {"training": {"gradient_checkpointing": True}},
        "training.precision": {"training": {"precision": "bf16"}},
    }
    for knob in knobs(plan, "activations"):
        if knob.setting in settings:
            other = sketched(PLANS["full batches"], settings.pop(knob.setting))
            assert memory_of(other) == knob.memory
    assert not settings
    served = sketched(
        {"pair": {"teacher": "http://127.0.0.1:1/v1", "student": SMOL}, "method": "resp-sft"}
    )
    [knob] = [k for k in knobs(plan, "teacher") if k.setting == "pair.teacher"]
    assert memory_of(served).teacher == knob.memory.teacher == 0.0
    assert memory_of(served).student_cache == knob.memory.student_cache


def test_one_layers_activations_by_hand() -> None:
    """Llama 3.1 8B in bfloat16, one sequence of 100 tokens: 4096 wide, 32 x 128 queries, 14336 feed."""
    from readsim_hf.costs.memory import layer_bytes
    from readsim_hf.costs.shape import shape_of
    from readsim_hf.models.meta import config_of
    from readsim_hf.training.recipe import Recipe

    shape = shape_of(config_of(LLAMA))
    norms = 4 * (4096 * 4)  # inputs and normalised values of two norms, float32
    linear = 2 * (5 * 4096 + 4 * 4096 + 4 * 14336 + 100)
    assert layer_bytes(shape, 100, Recipe(precision="bf16")) == norms + linear
    both = [layer_bytes(shape, 100, Recipe(), device) for device in ("cuda", "cpu")]
    scores = 32 * 100  # in float32 on a GPU, of heads that share keys
    assert both[0] - both[1] == 4 * scores
    assert shape.keys == 8 * 128
    assert (shape.layers, shape.vocabulary) == (32, 128256)


def test_the_parameters_are_those_of_the_model_on_no_device() -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from readsim_hf.models.meta import config_of

    plan = planned("smollm2")
    for source, shape in (
        ("smollm2/teacher", plan.teacher),
        ("smollm2/student-10", plan.student),
    ):
        make: Any = AutoModelForCausalLM.from_config
        with torch.device("meta"):
            model = make(config_of(source))
        assert shape.parameters == sum(p.numel() for p in model.parameters())
    # embeddings once (tied), 30 layers of q, k, v, o, gate, up, down and two norms, the last norm
    layer = 576 * (576 + 2 * 192 + 576) + 3 * 576 * 1536 + 2 * 576
    assert plan.teacher.parameters == 49152 * 576 + 30 * layer + 576


def test_replies_on_disk_are_as_large_as_they_are_written() -> None:
    from readsim_hf.costs.disk import AROUND, reply_bytes
    from readsim_hf.teachers.codec import record_to_bytes
    from readsim_hf.teachers.record import Soft

    prompt, reply = list(range(300)), list(range(40))
    for k, vocabulary in ((64, 49152), (16, 128256)):
        ids = np.full((40, k), vocabulary - 1, dtype=np.int32)
        said = np.zeros(40, dtype=np.float32)
        soft = Soft("topk", ids, np.zeros((40, k), dtype=np.float32), said)
        wide = [vocabulary - 1, *prompt[1:]], [vocabulary - 1, *reply[1:]]
        written = len(record_to_bytes(record(*wide, soft=soft)))
        assert reply_bytes(vocabulary, 300, 40, k, whole=False) == pytest.approx(
            written, abs=2 * AROUND
        )
    full = Soft("full", np.zeros((40, 0), dtype=np.int32), np.zeros((40, 99), dtype=np.float32))
    written = len(record_to_bytes(record(prompt, reply, soft=full)))
    assert reply_bytes(99, 300, 40, 99, whole=True) == pytest.approx(written, abs=2 * AROUND)


@pytest.mark.parametrize("lora", [0, 4])
def test_checkpoints_are_as_large_as_they_are_written(lora: int, tmp_path: Path) -> None:
    from readsim.runs.checkpoints import KEPT
    from readsim_hf.costs.disk import checkpoint_bytes
    from readsim_hf.costs.shape import shape_of
    from readsim_hf.objectives.table import make_objective
    from readsim_hf.training.batch import Example
    from readsim_hf.training.recipe import Recipe
    from readsim_hf.training.saved import save_student
    from readsim_hf.training.student import Student
    from tests.support.hf import tiny

    model = tiny(width=64)
    shape = shape_of(model.config)
    student = Student(model, Recipe(lora=lora), make_objective("sft"))
    student.train_window([Example(record([2, 3], [4, 5]), 2)], 0.5)
    save_student(tmp_path, student.weights(), student.moments(), {})
    written = sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file())
    assert (KEPT + 1) * written == pytest.approx(checkpoint_bytes(shape, lora), rel=0.2)


@pytest.mark.slow
def test_fewer_bits_are_named_where_weights_stay_as_they_are() -> None:
    from readsim_hf.plan.estimate import memory_of
    from readsim_hf.plan.knobs import knobs

    own: dict[str, Any] = {"pair": {"teacher": LLAMA, "student": SMOL}, "method": "resp-sft"}
    lora: dict[str, Any] = {**own, "training": {"lora": 4}}
    assert not [k for k in knobs(sketched(own), "student") if k.setting == "pair.student_precision"]
    for role, table in (("teacher", own), ("student", lora)):
        setting = f"pair.{role}_precision"
        found = [k for k in knobs(sketched(table), role) if k.setting == setting]
        assert {knob.then for knob in found} == ({"nf4"} if role == "teacher" else {"bf16", "nf4"})
        for knob in found:
            other = sketched({**table, "pair": {**table["pair"], f"{role}_precision": knob.then}})
            assert memory_of(other) == knob.memory


# ------------------------------------------------------------------ servers, several teachers, no tokenizer


@pytest.mark.parametrize("key", ["completion", "unused"])
def test_a_teacher_that_is_not_asked_keeps_no_keys_and_values(key: str, tmp_path: Path) -> None:
    from readsim_hf.plan.estimate import memory_of

    rows = [{"prompt": f"{n}+1=", key: str(n + 1)} for n in range(40)]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    items = [{"question": f"{n}+2=", "answer": str(n + 2)} for n in range(40)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, items)))
    task = {"capability": "sums", "path": "items.jsonl", "metric": "exact"}
    plan = sketched(
        {
            "method": "resp-sft",
            "data": {"sources": [{"name": "sums", "path": "sums.jsonl"}]},
            "probes": {"tasks": [task], "probe": 4, "dev": 4, "test": 4},
        }
    )
    assert bool(plan.teachers[0].answers) is (key == "unused")
    assert (memory_of(plan).teacher_cache > 0.0) is (key == "unused")


def test_a_served_teacher_takes_no_memory_and_its_tokens_cost_money() -> None:
    from readsim_hf.plan.estimate import memory_of, work_of
    from readsim_hf.plan.spending import TokenPrices, token_money

    nano: dict[str, Any] = {
        "method": "resp-sft",
        "pair": {"teacher": "http://127.0.0.1:1/v1#m", "student": "nano/student"},
    }
    served = sketched(nano)
    local = sketched({"method": "resp-sft", "pair": LOCAL})
    assert served.title == "m -> nano/student"
    assert memory_of(served).teacher == memory_of(served).teacher_cache == 0.0
    assert memory_of(served).training == memory_of(local).training - memory_of(local).teacher
    assert not any(work.kind.startswith("teacher") for work in work_of(served))
    kinds = local.spent.kinds
    assert served.served == pytest.approx((kinds["teacher_prompt"], kinds["teacher_generated"]))
    assert local.served == (0.0, 0.0)
    prices = TokenPrices(2.0, 6.0)
    expected = (2.0 * kinds["teacher_prompt"] + 6.0 * kinds["teacher_generated"]) / 1e6
    assert token_money(served, prices) == pytest.approx(expected)
    assert token_money(local, prices) == pytest.approx(expected)  # what it would cost
    with pytest.raises(ConfigError, match=r"teacher_tokenizer is None: distributions of 'http"):
        sketched({**nano, "method": "logit-kd"})
    known = {**nano["pair"], "teacher_tokenizer": "nano/teacher"}
    assert sketched({**nano, "method": "logit-kd", "pair": known}).columns == 99


def test_several_teachers_share_the_prompts() -> None:
    from readsim_hf.plan.estimate import memory_of, work_of

    pair = {
        "teacher": "nano/teacher",
        "student": "nano/student",
        "teachers": {"math": "http://127.0.0.1:1/v1", "code": "nano/student"},
    }
    plan = sketched({"pair": pair, "method": "resp-sft"})
    one = sketched({"pair": LOCAL, "method": "resp-sft"})
    assert sum(teacher.share for teacher in plan.teachers) == pytest.approx(1.0)
    main, served, other = plan.teachers
    assert served.shape is None
    assert min(main.share, served.share, other.share) > 0.0
    sizes = one.teacher.parameters, one.student.parameters
    assert memory_of(plan).teacher == 2 * sum(sizes)  # bfloat16: the pair has no name
    assert plan.spent.kinds == pytest.approx(one.spent.kinds)  # one alphabet
    asked = sum(w.tokens for w in work_of(plan) if w.kind.endswith("reads") and w.part == "teacher")
    assert asked + plan.served[0] == pytest.approx(plan.spent.kinds["teacher_prompt"])
    with pytest.raises(
        ReadsimError, match=r"capability in \[pair.teachers\] 'maths'; did you mean"
    ):
        sketched({"pair": {**pair, "teachers": {"maths": "nano/student"}}, "method": "resp-sft"})


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Qwen2Config", "GPT2Config", "LlamaConfig"])
def test_without_a_tokenizer_tokens_are_counted_from_bytes(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """transformers makes an empty tokenizer for some kinds of model: it reads 0 tokens of any prompt."""
    import transformers

    getattr(transformers, kind)(vocab_size=500).save_pretrained(tmp_path / "bare")
    models = ("--teacher", "bare", "--student", "bare", "--method", "resp-sft")
    code, said, error = call(capsys, "plan", *models, "--budget", "1M")
    assert code == 0, error
    assert "no tokenizer here of bare" in said
    [each] = re.findall(r"(\d+) a prompt, (\d+) prompts", said)
    assert int(each[0]) > 50
    assert int(each[1]) < 300_000


# ------------------------------------------------------------------ devices and money


MINE = """
[[device]]
name = "H100"
price_hour = 2.5
[[device]]
name = "Mine"
memory_gb = 100
bf16_tflops = 500
fp32_tflops = 50
bandwidth_gb_s = 2000
price_hour = 4.0
"""


@pytest.mark.slow
def test_devices_of_a_file_stand_before_the_built_in_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from readsim_hf.costs.devices import DEVICES
    from readsim_hf.plan.answer import shown_time
    from readsim_hf.plan.device_file import read_devices

    Path("mine.toml").write_text(MINE)
    h100, mine, *others = read_devices(Path("mine.toml"))
    assert h100 == replace(DEVICES[0], price=2.5)
    assert (mine.memory, mine.bf16, mine.fp32, mine.bandwidth) == (100e9, 500e12, 50e12, 2e12)
    assert others == [device for device in DEVICES if device.name != "H100"]
    options = (
        "--config",
        SHIPPED[0],
        "--device-file",
        "mine.toml",
        "--price-hour",
        "1",
        "--out",
        "o",
    )
    code, said, error = call(capsys, "plan", *options, "--devices", "mine,h100,l40s")
    assert code == 0, error
    assert "replies on all of a server's; held: time by all devices" in " ".join(said.split())
    assert "disk: replies that are kept" in said
    shown = json.loads(Path("o/plan.json").read_text())["devices"]
    assert list(shown) == ["Mine", "H100", "L40S"]
    for name, price in (("Mine", 4.0), ("H100", 2.5), ("L40S", 1.0)):
        hours, servers = shown[name]["gpu_hours"], shown[name]["devices_of_the_server"]
        assert servers in (4, 8)  # the 70B teacher's, which divide its steps
        lasts = hours["train"] + hours["probe"] + hours["teacher"] / servers
        assert f" {shown_time(hours['teacher'] / servers)} " in said  # so that parts add up to all
        held = (shown[name]["devices_for_memory"] + servers) * lasts
        assert shown[name]["device_hours"] == pytest.approx(held)
        assert shown[name]["money"] == pytest.approx(price * held)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[devices]]\nname = 'x'", "unknown table 'devices'; did you mean 'device'"),
        ("device = 3", r"expected tables \[\[device\]\]"),
        ("[[device]]\nmemory_gb = 3", "device 1: it has no name"),
        ("[[device]]\nname = ''", "name = '': expected text"),
        ("[[device]]\nname = 'x'\nmemory = 3", "unknown field 'memory'; did you mean 'memory_gb'"),
        ("[[device]]\nname = 'x'\nmemory_gb = 3", r"device 1 \(x\): bf16_tflops is missing"),
        (
            "[[device]]\nname = 'H100'\nprice_hour = -1",
            "price_hour = -1: expected a number above 0",
        ),
        ("[[device]]\nname = 'H100'\nprice_hour = nan", "price_hour = nan: expected a number"),
        ("[[device]]\nname = 'H100'\nprice_hour = true", "price_hour = True: expected a number"),
        ("[[device]]\nname = 'H100'\n[[device]]\nname = 'H100'", "'H100' is there twice"),
    ],
)
def test_a_wrong_device_is_refused(text: str, message: str) -> None:
    from readsim_hf.plan.device_file import read_devices

    Path("bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_devices(Path("bad.toml"))


@pytest.mark.slow
def test_a_narrow_terminal_shows_every_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COLUMNS", "TERMINAL_WIDTH"):
        monkeypatch.setenv(name, "80")
    options = ("--config", "qwen-72b-14b-150m", "--price-hour", "3.21", "--out", "o")
    code, said, error = call(capsys, "plan", *options)
    assert code == 0, error
    plan = json.loads(Path("o/plan.json").read_text())
    for name, device in plan["devices"].items():
        [row] = [line for line in said.splitlines() if line.strip().startswith(name)]
        assert row.split()[-1] == f"{device['money']:.0f}"
        assert "…" not in row


def test_wrong_names_and_prices_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for options, message in (
        (("--devices", "H10"), "unknown device 'H10'; did you mean 'H100'"),
        (("--price-hour", "-1"), "--price-hour = -1.0: expected a number of at least 0"),
        (("--price-prompt", "nan"), "--price-prompt = nan: expected a number of at least 0"),
        (("--device-file", "none.toml"), "none.toml"),
    ):
        code, _, error = call(capsys, "plan", *options)
        assert code == 2
        assert message in " ".join(error.split())
