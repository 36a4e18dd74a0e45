"""`readsim plan` as a person meets it: what it says, what it refuses, and a real run beside it."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.test_app import call
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)

SHIPPED = ("llama-70b-8b-20m", "llama-70b-8b-150m", "qwen-72b-14b-20m", "qwen-72b-14b-150m")
RUN = (
    *(
        "--budget",
        "6k",
        "--steps",
        "2",
        "--probe-items",
        "12",
        "--cache",
        "",
        "--config",
        "small.toml",
    ),
)
FEW = {"probe": 8, "dev": 8, "test": 8}
ACROSS = (
    *("--teacher", "Qwen/Qwen2.5-14B-Instruct"),
    *("--student", "meta-llama/Llama-3.1-8B-Instruct"),
)
TOLERANCE = 0.2  # of planned tokens at such a small budget, where few prompts are asked


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    monkeypatch.chdir(tmp_path)


def sketched(*tables: dict[str, Any], config: str | None = None) -> Any:
    from readsim_hf.config import resolve_config
    from readsim_hf.plan.dry_run import dry_run

    options: dict[str, Any] = {"probes": FEW}  # which items there are is not what a plan is about
    for table in tables:
        options |= table
    return dry_run(resolve_config(None if config is None else Path(config), options))


def test_a_plan_takes_every_option_of_a_run() -> None:
    from readsim_hf.cli.distill import distill
    from readsim_hf.cli.options import choose
    from readsim_hf.cli.plan import plan

    own = {"out", "resume", "log_to", "tensorboard", "dry_run", "check", "check_prompts"}
    own |= {"began", "keep_state"}
    shared = set(inspect.signature(choose).parameters)
    assert set(inspect.signature(distill).parameters) == shared | own
    assert shared <= set(inspect.signature(plan).parameters)


@pytest.mark.slow
def test_a_plan_beside_the_run_that_followed_it(capsys: pytest.CaptureFixture[str]) -> None:
    """On the pair that comes with readsim: student tokens are exact, the others near."""
    from readsim.runs.log_schema import read_content

    Path("small.toml").write_text("[probes]\ntest = 24\n[data]\ngroup = 16\n")
    code, said, _ = call(capsys, "plan", *RUN, "--seeds", "4", "--out", "before")
    assert code == 0
    assert "forecast of one run" in said
    planned = json.loads(Path("before/plan.json").read_text())
    assert call(capsys, "distill", *RUN, "--out", "run")[0] == 0
    [log] = Path("run/runs").glob("*.jsonl")
    totals = read_content(log).rows[-1]["totals"]
    assert planned["tokens"]["student"] == totals["student"]
    for kind in ("teacher_prompt", "teacher_generated", "probe"):
        assert totals[kind] == pytest.approx(planned["tokens"][kind], rel=TOLERANCE), kind

    code, said, _ = call(capsys, "plan", *RUN, "--seeds", "4", "--against", "run")
    assert code == 0
    assert "of 8 measured scores are inside their intervals" in said
    assert "1.000" in said
    assert "this machine" in said
    made = sorted(Path("run").glob("forecast-*"))
    assert [p.suffix for p in made] == [".pdf", ".png", ".svg"]

    code, _, error = call(capsys, "plan", *RUN, "--seed", "3", "--against", "run")
    assert (code, "no run log" in error) == (2, True)
    code, _, error = call(capsys, "plan", *RUN, "--steps", "3", "--against", "run")
    assert code == 2
    assert "steps is 2 in the run, 3 in the plan" in " ".join(error.split())


def local_form(name: str) -> Any:
    """The shipped run with its teacher loaded here."""
    source = sketched(config=name).config.pair.teacher_tokenizer
    return sketched({"pair": {"teacher": source}}, config=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["llama-70b-8b-20m", "qwen-72b-14b-20m", None])
def test_the_hours_are_those_of_arithmetic_by_hand(name: str | None) -> None:
    """Every number of the plan's device table again from the sizes, by the formulas in words."""
    from readsim_hf.costs.devices import DEVICES
    from readsim_hf.plan.estimate import hours_of, layout, memory_of, work_of
    from readsim_hf.plan.spending import held

    made = sketched() if name is None else local_form(name)
    device, config, teacher = DEVICES[0], made.config, made.teachers[0]
    peak = device.peak(made.precision)
    work = {one.kind: one for one in work_of(made)}
    asked, said, count = teacher.asked, teacher.said, made.spent.answered
    # a quarter of the places of a batch is free before others take them; each call of all sources' groups
    # waits for its longest reply
    together = config.data.group * len(made.sources)
    size = min(config.decoding.batch_size, together)
    values, weights = teacher.replies
    grid = np.arange(0, int(values.max()) + 1)
    below = np.array([weights[values <= t].sum() for t in grid]) / weights.sum()
    longest = float((1 - below**size).sum())
    assert teacher.longest(size) == pytest.approx(longest, rel=0.05, abs=1.0)  # whole tokens here
    steps = count * said / (7 / 8 * size) + count / together * longest
    writes = work["teacher writes"]
    assert writes.steps == pytest.approx(steps, rel=0.05)
    assert writes.steps > count * said / size  # more than the mean reply would take
    shape = teacher.shape
    each = 4 if made.precision == "fp32" else 2
    cache = 2 * shape.layers * shape.keys * each * size * (asked + said / 2)
    bandwidth = writes.steps * (each * shape.parameters + cache) / (0.5 * device.bandwidth)
    computing = writes.flops / (0.5 * peak)
    launching = writes.steps * shape.layers * 1.2e-3
    assert writes.seconds(device, 0.4, 0.5) == pytest.approx(max(bandwidth, computing, launching))
    recipe, each_layer = config.training, 8.8e-3 if config.training.lora else 4.3e-3
    whole = made.spent.prompt + made.spent.reply
    rows = min(recipe.micro_batch, recipe.batch, recipe.micro_tokens // whole)
    launching = made.spent.examples / rows * made.student.layers * each_layer
    trains = work["training"]
    computing = trains.flops / (0.4 * device.peak(trains.precision))
    assert trains.seconds(device, 0.4, 0.5) == pytest.approx(max(computing, launching))
    reads = 2 * shape.body * count * asked + 4 * shape.layers * shape.queries * count * asked**2
    reads += 2 * shape.vocabulary * shape.hidden * count
    hours = hours_of(list(work.values()), device, 0.4, 0.5)
    theirs = reads / (0.4 * peak) + writes.seconds(device, 0.4, 0.5)
    assert hours.teacher == pytest.approx(theirs / 3600, rel=1e-6)
    memory = memory_of(made)
    devices = layout(memory, device)
    run = held(hours, memory, device)
    assert run.device_hours == pytest.approx(len(devices) * hours.all)
    if name is not None:
        assert run.devices == 4
        assert 300 < run.device_hours < 700  # hours in which four are held, not those of one
        assert max(devices) <= 0.9 * device.memory
        assert devices[0] == pytest.approx(
            memory.student
            + memory.moments
            + max(memory.gradients + memory.activations + memory.logits, memory.student_cache)
        )
        assert sum(devices[1:]) == pytest.approx(memory.teacher + memory.teacher_cache)


@pytest.mark.slow
def test_a_finished_run_corrects_the_shares() -> None:
    """Seconds that a plan with other shares would have foretold give these shares."""
    from readsim_hf.costs.devices import DEVICES
    from readsim_hf.plan.against import corrections
    from readsim_hf.plan.estimate import hours_of, work_of

    work = work_of(local_form(SHIPPED[0]))
    hours = hours_of(work, DEVICES[0], 0.3, 0.45)
    seconds = {part: 3600 * getattr(hours, part) for part in ("train", "teacher", "probe")}
    [found] = corrections(work, seconds, DEVICES[:1], 0.4, 0.5)
    assert found.mfu == pytest.approx(0.3)
    assert 0.3 < found.generation < 0.5
    assert corrections(work, {}, DEVICES, 0.4, 0.5) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configurations_are_planned_without_weights(name: str) -> None:
    from readsim_hf.config import config_names
    from readsim_hf.costs.devices import DEVICES
    from readsim_hf.plan.estimate import hours_of, memory_of, served_bytes, work_of

    assert name in config_names()
    made = sketched(config=name)
    recipe = made.config.training
    assert (recipe.lora, recipe.learning_rate, recipe.precision) == (16, 1e-4, "bf16")
    assert (made.context, made.config.soft.k, made.config.steps) == (2048, 64, 20)
    assert made.config.budget == {"20m": 20_000_000, "150m": 150_000_000}[name.rpartition("-")[2]]
    assert made.columns == made.student.vocabulary == made.teacher.vocabulary
    assert made.longest <= made.context
    memory, work = memory_of(made), work_of(made)
    assert memory.teacher == 0  # it is served
    assert served_bytes(made) > 2 * made.teacher.parameters
    local = local_form(name)
    assert memory_of(local).teacher == 2 * made.teacher.parameters
    assert not local.teachers[0].served
    hours = {d.name: hours_of(work, d, 0.4, 0.2).all for d in DEVICES}
    assert hours["H200"] <= hours["H100"] < hours["A100-80G"]
    slow = hours_of(work, DEVICES[0], 0.2, 0.1).all
    assert slow == pytest.approx(2 * hours["H100"], rel=0.1)


def test_a_shipped_plan_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    prices = ("--price-hour", "2", "--price-prompt", "1")
    code, said, _ = call(capsys, "plan", "--config", SHIPPED[0], *prices)
    assert code == 0
    first = re.match(
        r"([\d.]+) h of H100 \(([\d.]+) h to ([\d.]+) h\): ([\d.]+) h of wall clock on 5 devices, 4 of them "
        r"the teacher's server; it costs ([\d.]+) in the unit of --price-hour; a served teacher's tokens "
        r"cost [\d.]+ in the unit of their price;",
        " ".join(said.split()),
    )
    assert first is not None
    total, low, high, lasts, money = map(float, first.groups())
    assert low < total < high
    assert total == pytest.approx(5 * lasts, rel=0.01)
    assert money == pytest.approx(2 * total, rel=0.01)
    for text in (
        "served 70.55B teacher, 8.03B student",
        "no tokenizer here",
        "no world is known",
        "readsim fit",
        "wall clock is the sum of training, replies and probes",
    ):
        assert text in said
    assert "on the CPU" not in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--config", "llama-70b"), "unknown config 'llama-70b'"),
        (
            ("--signal", "logit", "--objective", "sft"),
            "objective 'sft' is not defined on signal 'logit'",
        ),
        (("--budget", "1M"), "past the horizon of world 'nano-measured'"),
        (("--world", "gateway"), "world .gateway. has the sources"),
        (("--allocator", "oracle-static"), "needs 'world', which this backend does not offer"),
        (("--steps", "0"), "steps"),
        (("--mfu", "0"), r"--mfu = 0\.0: expected a number above 0, at most 1"),
        (("--task", "maths"), "unknown task 'maths'"),
        (
            ("--teacher", "x.gguf", "--student", "nano/student"),
            "model source 'x.gguf' does not exist",
        ),
        (
            ("--config", "llama-70b-8b-20m", "--student", "Qwen/Qwen2.5-14B-Instruct"),
            "the teacher is a llama with vocab_size 128256, the student a qwen2 with 152064",
        ),
        (
            ("--method", "gold"),
            "^error: objective 'span': teacher and student have the same tokens",
        ),
        (
            ("--method", "uld", "--soft", "full", *ACROSS),
            r"different tokenizers, and soft\.kind = 'full'; use 'topk'",
        ),
        (("--method", "gkd", *ACROSS), "the methods uld and gold"),
    ],
)
def test_what_a_run_would_refuse_is_refused(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    code, _, error = call(capsys, "plan", *options)
    assert code == 2
    assert re.search(message, " ".join(error.split()))


@pytest.mark.parametrize("method", ["uld", "gold"])
def test_methods_for_other_tokens_are_planned(method: str) -> None:
    """Both shapes are known without a hub, and the rule of a run says that these objectives work there."""
    teacher, student = ACROSS[1::2]
    made = sketched({"method": method, "pair": {"teacher": teacher, "student": student}})
    assert made.columns is None
    assert made.teachers[0].shape.vocabulary == 152064
    assert made.student.vocabulary == 128256
    assert made.spent.kinds["teacher_generated"] > 0


def test_settings_of_the_plan_alone_are_checked() -> None:
    from readsim.errors import ConfigError

    with pytest.raises(ConfigError, match=r"pair\.context = 4096: at most 512"):
        sketched({"pair": {"context": 4096}})
    with pytest.raises(ConfigError, match="context = 0: expected a number of at least 1"):
        sketched({"pair": {"context": 0}})
    with pytest.raises(ConfigError, match="k is 100: it must be at most the vocabulary, 99"):
        sketched({"soft": {"kind": "topk", "k": 100}})
    with pytest.raises(ConfigError, match=r"template cap 0\.01"):
        sketched({"data": {"cap": 0.01}})


def test_what_an_allocator_adds_is_planned() -> None:
    from readsim.errors import ConfigError

    plain, read = sketched(), sketched({"allocator": "read", "pool_runs": 4})
    interval = plain.config.budget // plain.config.steps
    assert read.spent.kinds["offline"] == 4 * interval
    steps = plain.config.steps
    whole = sketched({"allocator": "level+runs=2", "pool_runs": 4}).spent
    assert whole.kinds["offline"] == 2 * steps * interval  # its own number, each from start to end
    both = sketched({"allocator": "level+runs=2", "pool_runs": 4, "identify": True}).spent
    assert both.kinds["offline"] == (4 + 2 * steps) * interval
    again = {"allocator": "level+runs=2", "pool_runs": 4, "identify": True, "pool_steps": steps}
    assert sketched(again).spent.kinds["offline"] == 4 * steps * interval  # the identifier's serve
    with pytest.raises(ConfigError, match=r"pool of 9 whole runs .* give pool_runs = 9"):
        sketched({"allocator": "level+runs=9"})
    share = 1 + 4 / steps
    for kind in ("teacher_prompt", "teacher_generated"):
        assert read.spent.kinds[kind] == pytest.approx(share * plain.spent.kinds[kind])
    assert read.spent.kinds["probe"] > plain.spent.kinds["probe"]
    assert sketched({"allocator": "grid"}).spent.trials
    own = sketched({"on_policy": 0.5})
    assert own.spent.kinds["student_rollout"] == pytest.approx(
        plain.spent.kinds["teacher_generated"] / 2
    )


def test_what_a_judge_reads_and_writes_is_planned() -> None:
    rows = [{"question": f"Tell of {n}", "answer": f"It is {n}"} for n in range(40)]
    Path("open.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    probes: dict[str, Any] = {"probe": 4, "dev": 4, "test": 6}
    probes["tasks"] = [{"capability": "open", "path": "open.jsonl", "metric": "exact"}]
    exact = sketched({"probes": probes})
    judge = {"address": "http://127.0.0.1:9/v1", "max_new_tokens": 64}
    task = {**probes["tasks"][0], "metric": "judge"}
    graded = sketched({"probes": {**probes, "tasks": [task], "judge": judge}})
    assert exact.spent.kinds["judge"] == 0.0
    others = {k: v for k, v in graded.spent.kinds.items() if k != "judge"}
    assert others == {k: v for k, v in exact.spent.kinds.items() if k != "judge"}
    share = graded.items["test"] / 6  # of the evaluations, all of one size, one is graded
    assert graded.spent.kinds["judge"] == pytest.approx(
        graded.spent.measured / share * graded.spent.grade
    )
    assert graded.spent.grade > 64 / 2 + len("Tell of 10")  # characters, to this tokenizer


def test_a_forecast_says_what_its_world_was_measured_with() -> None:
    from readsim_hf.plan.worlds import forecast_of

    usual = forecast_of(sketched(), None, 3, 0.0)
    other = forecast_of(sketched({"method": "cot-kd"}), None, 3, 0.03)
    assert usual is not None
    assert other is not None
    assert "--world-error" in usual.doubts[0]
    assert not any("this run has others" in line for line in usual.doubts)
    assert any("this run has others: method" in line for line in other.doubts)
    assert "3 points for the world's own error" in other.doubts[0]


def test_a_forecast_is_of_the_method_that_the_run_names(tmp_path: Path) -> None:
    """A world of two methods, of which one needs twice the tokens of the other."""
    from dataclasses import replace

    from readsim.errors import UnknownNameError
    from readsim.worlds import load_world, save_world
    from readsim_hf.plan.worlds import forecast_of

    known = load_world("nano-measured")
    twice: dict[str, Any] = {
        name: np.concatenate([getattr(known, name)] * 2) for name in ("help", "harm")
    }
    twice["scale_tokens"] = np.concatenate([known.scale_tokens, 2 * known.scale_tokens])
    twice["efficiency_sd"] = np.zeros(16)
    names = tuple(f"{name}@{m}" for m in ("logit-kd", "cot-kd") for name in known.sources)
    both = replace(
        known,
        sources=names,
        gain=known.gain * 2,
        pool_tokens=np.zeros(0),
        repetition_harm=np.zeros(0),
        **twice,
    )
    save_world(both, tmp_path / "both.toml")
    path = str(tmp_path / "both.toml")
    fast = forecast_of(sketched(), path, 2, 0.0)
    slow = forecast_of(sketched({"method": "cot-kd"}), path, 2, 0.0)
    assert fast is not None
    assert slow is not None
    assert fast.outlook.mean[-1] > slow.outlook.mean[-1]  # the utility
    with pytest.raises(UnknownNameError, match=r"method of world .* 'gkd'"):
        forecast_of(sketched({"method": "gkd"}), path, 2, 0.0)
