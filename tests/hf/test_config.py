"""Settings of a real run: who goes over whom, nothing lost on the way, and what a mistake gets."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from readsim.errors import ConfigError, ReadsimError
from tests.cli.test_app import call
from tests.support.hf import NEEDS, char_pair

pytestmark = pytest.mark.extra(*NEEDS)


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("TERMINAL_WIDTH", "300")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def of(*tables: dict[str, Any]) -> Any:
    from readsim_hf.config import RunConfig

    return RunConfig.of(*tables)


def test_options_go_over_the_file_and_the_file_over_the_preset(tmp_path: Path) -> None:
    from readsim_hf.config import preset_table, resolve_config

    preset = preset_table("nano")
    assert preset["training"]["batch"] != 7
    file = tmp_path / "run.toml"
    file.write_text(
        'budget = "50k"\nseed = 4\nmethod = "cot-kd"\n[training]\nbatch = 7\n'
        "[data]\ngroup = 9\n[probes]\nprobe = 5\n"
    )
    given = resolve_config(file, {"seed": 6, "training": {"lora": 2}, "probes": {"dev": 3}})
    assert (given.seed, given.budget, given.method) == (6, 50_000, "cot-kd")
    assert (given.training.batch, given.training.lora) == (7, 2)
    assert given.training.learning_rate == preset["training"]["learning_rate"]
    assert (given.probes.probe, given.probes.dev) == (5, 3)
    assert given.probes.max_new_tokens == preset["probes"]["max_new_tokens"]
    assert given.data.group == 9
    assert given.soft.kind == preset["soft"]["kind"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_settings_are_read_from_toml_json_and_yaml(encoding: str, tmp_path: Path) -> None:
    from readsim_hf.config import resolve_config

    texts = {
        "run.toml": 'budget = "50k"\r\n[training]\r\nbatch = 7\r\n',
        "run.json": '{"budget": "50k",\r\n "training": {"batch": 7}}\r\n',
        "run.yaml": "budget: 50k\r\ntraining:\r\n  batch: 7\r\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode(encoding))
        for path in (tmp_path / name, str(tmp_path / name)):
            given = resolve_config(path, {})
            assert (given.budget, given.training.batch) == (50_000, 7)


def test_numbers_of_numpy_and_pandas_are_numbers(tmp_path: Path) -> None:
    found = of(
        {
            "steps": np.int64(4),
            "on_policy": np.float32(0.5),
            "probes": {"truncate": np.bool_(True)},
        },
        {"data": {"capabilities": pd.Series(["math"]), "templates": [tmp_path / "t.jsonl"]}},
    )
    assert (found.steps, found.on_policy, found.probes.truncate) == (4, 0.5, True)
    assert found.data.capabilities == ("math",)
    assert found.data.template_files == (str(tmp_path / "t.jsonl"),)


def test_presets_are_of_named_pairs_alone(tmp_path: Path) -> None:
    from readsim_hf.config import SoftConfig, preset_table, resolve_config

    assert resolve_config(None, {}).pair.name == "nano"
    other = resolve_config(None, {"pair": {"name": "smollm2"}})
    assert other.budget != resolve_config(None, {}).budget
    own = resolve_config(None, {"pair": {"teacher": "a", "student": "b"}})
    assert own.pair.name is None
    assert own.soft == SoftConfig()
    assert preset_table("a-model") == {}
    file = tmp_path / "run.toml"
    file.write_text('[pair]\nname = "smollm2"\n')
    assert resolve_config(file, {}) == other


def test_the_cache_is_in_the_results_unless_one_is_named(tmp_path: Path) -> None:
    from readsim_hf.config import resolve_config

    default = tmp_path / "teacher.sqlite"
    file = tmp_path / "run.toml"
    assert resolve_config(None, {}, default).data.cache == str(default)
    for text, options, expected in (
        ('[data]\ncache = ""\n', {}, ""),  # for none
        ('[data]\ncache = "x"\n', {}, "x"),
        ('[data]\ncache = "x"\n', {"data": {"cache": ""}}, ""),
        ("[data]\ngroup = 3\n", {}, str(default)),
    ):
        file.write_text(text)
        assert resolve_config(file, options, default).data.cache == expected


def test_a_method_and_a_pair_of_names_replace_each_other() -> None:
    names = {"signal": "cot", "objective": "jsd", "objective_settings": {"beta": 0.3}}
    by_name = of({"method": "logit-kd"}, names)
    assert (by_name.method, by_name.signal, by_name.objective) == ("", "cot", "jsd")
    method = of(names, {"method": "resp-sft"})
    assert (method.method, method.signal, method.objective) == ("resp-sft", "", "")
    assert method.objective_settings == {}
    later = of(names, {"objective": "fkl", "objective_settings": {}})
    assert (later.signal, later.objective) == ("cot", "fkl")
    for both in ({"method": "logit-kd", **names}, {"signal": "cot"}, {"method": ""}):
        with pytest.raises(ConfigError, match="give either a method, or signal and objective"):
            of(both)
    with pytest.raises(ConfigError, match=r"objective_settings = .* not of the method 'logit-kd'"):
        of({"objective_settings": {"alpha": 0.3}})


FULL: dict[str, Any] = {
    "pair": {"teacher": "a", "student": "b", "device": "cuda:1", "teacher_precision": "fp16"},
    "method": "",
    "signal": "logit",
    "objective": "skew-fkl",
    "objective_settings": {"alpha": 0.2},
    "on_policy": 0.25,
    "soft": {"kind": "sampled", "k": 3},
    "decoding": {"max_new_tokens": 5, "temperature": 0.0, "batch_size": 2},
    "training": {"schedule": "linear", "warmup": 0, "precision": "bf16"},
    "data": {"templates": ["x.jsonl", "y.jsonl"], "cap": 0.5, "curriculum": "reversed"},
    "probes": {
        "benchmarks": [{"name": "gsm8k", "path": "x"}, {"name": "b", "path": "y", "shots": 2}],
    },
    "task": {"math": 0.75, "code": 0.25},
    "allocator_settings": {"pool": 12, "names": ["a"]},
    "seed": 2**40,
}


@pytest.mark.parametrize("value", ["true", '"unwalled"', "1", '"yes"', "[]"])
@pytest.mark.parametrize("command", ["distill", "plan"])
def test_a_file_of_settings_cannot_let_code_run(
    tmp_path: Path, value: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.toml"
    file.write_text(f"[probes]\nallow_code = {value}\n")
    for more in ((), ("--allow-code",)):
        code, _, err = call(capsys, command, "--config", str(file), *more)
        assert code != 0
        (line,) = err.strip().splitlines()
        assert line.startswith(
            f"error: probes.allow_code = {value}: the settings in {file} cannot let"
        )
        assert "--allow-code" in line


def test_permission_to_run_code_is_an_argument_and_no_setting(tmp_path: Path) -> None:
    from readsim_hf import make_backend
    from readsim_hf.config import RunConfig, resolve_config

    file = tmp_path / "run.toml"
    file.write_text(
        "[probes]\nallow_code = false\n"
    )  # as older runs wrote it: that permits nothing
    for word in (False, True, "unwalled"):
        config = resolve_config(file, {}, allow_code=word)
        assert config.probes.allow_code == word
        assert "allow_code" not in config.table()["probes"]  # nor in what a run writes of itself
        assert RunConfig.of(config.table(), allow_code=word) == config
    with pytest.raises(ConfigError, match="an argument allow_code=True"):
        RunConfig.of({"probes": {"allow_code": True}})
    with pytest.raises(ConfigError, match=r"settings cannot let code that a model wrote run"):
        make_backend(probes={"allow_code": True})
    with pytest.raises(
        ConfigError, match=r"settings \['allow_code'\]: put them into the RunConfig"
    ):
        make_backend(RunConfig(), allow_code=True)
    with pytest.raises(ConfigError, match="allow_code = 'yes': expected a bool or 'unwalled'"):
        RunConfig.of({}, allow_code="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "word"),
    [((), False), (("--allow-code",), True), (("--allow-code-unwalled",), "unwalled")],
)
def test_the_command_line_lets_code_run(
    option: tuple[str, ...],
    word: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import readsim_hf.distill

    def seen(*_: Any, **given: Any) -> bool:
        print(repr(given["allow_code"]))
        return True

    monkeypatch.setattr(readsim_hf.distill, "distill", seen)
    assert call(capsys, "distill", *option)[:2] == (0, f"{word!r}\n")


@pytest.mark.parametrize("settings", [{}, FULL, {"task": "math", "budget": "1.5k"}])
def test_nothing_is_lost_in_a_table(settings: dict[str, Any]) -> None:
    import tomllib

    import tomli_w

    config = of(settings)
    assert of(config.table()) == config
    assert of(tomllib.loads(tomli_w.dumps(config.table()))) == config
    assert json.loads(json.dumps(config.table())) == config.table()
    assert of(config.table()).table() == config.table()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"budget": "lots"}, "budget = 'lots'"),
        ({"budget": -5}, "budget = -5"),
        ({"budget": 1.5}, "budget = 1.5"),
        ({"budget": True}, "budget = True"),
        ({"steps": "3"}, "steps = '3'"),
        ({"seed": -1}, "seed = -1"),
        ({"seed": 1.0}, "seed = 1.0"),
        ({"threads": 0}, "threads = 0"),
        ({"pool_runs": 0}, "pool_runs = 0"),
        ({"pool_steps": 0}, "pool_steps = 0"),
        ({"steps": 4, "pool_steps": 5}, "pool_steps = 5"),
        ({"on_policy": 1.5}, "on_policy = 1.5"),
        ({"on_policy": float("nan")}, "on_policy = "),
        ({"alocator": "read"}, "unknown field alocator; did you mean 'allocator'"),
        ({"training": {"learning_rte": 1.0}}, "training.learning_rte; did you mean 'learning_rate'"),
        ({"training": {"learning_rate": float("inf")}}, "learning_rate = "),
        ({"training": {"learning_rate": "fast"}}, "training.learning_rate = 'fast'"),
        ({"training": {"batch": 2.5}}, "training.batch = 2.5"),
        ({"training": {"schedule": "cosin"}}, "training.schedule = 'cosin'.*'cosine'"),
        ({"training": {"clip": float("inf")}}, "clip = "),
        ({"training": 3}, "training = 3"),
        ({"pair": "nano"}, "pair = 'nano'"),
        ({"soft": {"kind": "ful"}}, "soft.kind = 'ful'.*'full'"),
        ({"soft": {"j": 3}}, r"unknown field soft.j .*known: kind, k"),
        ({"decoding": {"temperatur": 0}}, "decoding.temperatur; did you mean 'temperature'"),
        ({"data": {"group": 0}}, "group = 0"),
        ({"data": {"cap": 1.5}}, "cap = 1.5"),
        ({"data": {"keep": "corect"}}, "data.keep = 'corect'"),
        ({"server": {"patience_s": -1.0}}, "patience_s = -1.0"),
        ({"data": {"curriculum": "of"}}, "data.curriculum = 'of'"),
        ({"data": {"templates": "x.jsonl"}}, "data.templates = 'x.jsonl'"),
        ({"probes": {"probe": 1}}, "probe = 1"),
        ({"probes": {"max_new_tokens": 0}}, "max_new_tokens = 0"),
        ({"probes": {"batch_size": 0}}, "batch_size = 0"),
        ({"probes": {"benchmarks": [{"name": "gsm8k"}]}}, r"probes.benchmarks.0.path"),
        (
            {"probes": {"benchmarks": [{"name": "x", "path": "y", "shot": 2}]}},
            "unknown field probes.benchmarks.0.shot; did you mean 'shots'",
        ),
        ({"task": 3}, "task = 3"),
        ({"task": {"math": "much"}}, "task.math = 'much'"),
        ({"allocator_settings": 3}, "allocator_settings = 3"),
        ({"objective_settings": {"alpha": "x"}}, "objective_settings.alpha = 'x'"),
    ],
)  # fmt: skip
def test_a_bad_value_names_its_field(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ReadsimError, match=message):
        of(settings)


SMALL = ("--budget", "600", "--steps", "2", "--probe-items", "3", "--out", "run")

MISTAKES: list[tuple[list[str], str, list[str]]] = [
    (["--config", "absent.toml"], "", ["absent.toml", "no such file"]),
    (["--config", "run.toml"], "budget = = 3", ["run.toml", "line 1"]),
    (["--config", "run.toml"], "x = '\xff'", ["run.toml", "line 1, column 6", "UTF-8"]),
    (
        ["--config", "run.toml"],
        "stesp = 3",
        ["run.toml: unknown field stesp", "did you mean 'steps'"],
    ),
    (["--config", "run.toml"], "pair = 'nano'", ["pair = 'nano'"]),
    (["--config", "run.toml"], "[data]\ntemplates = ['no.jsonl']", ["no.jsonl", "no such file"]),
    (
        ["--config", "run.toml"],
        "[[probes.benchmarks]]\nname = 'gsm8k'\npath = 'no.jsonl'",
        ["no.jsonl"],
    ),
    (["--config", "run.toml"], "[data]\ncap = 0.01", ["cap 0.01", "expected a cap of at least"]),
    (["--config", "run.toml"], "[decoding]\ntemperature = -1.0", ["temperature is -1.0"]),
    (["--config", "run.toml"], "[soft]\nkind = 'topk'\nk = 0", ["k is 0"]),
    (["--method", "logit-kt"], "", ["unknown method 'logit-kt'", "did you mean 'logit-kd'"]),
    (["--method", "logit-kd", "--signal", "cot"], "", ["either a method, or signal and objective"]),
    (["--signal", "cot"], "", ["objective = ''", "either a method, or signal and objective"]),
    (["--signal", "logit", "--objective", "sft"], "", ["'sft' is not defined", "soft-sft"]),
    (["--signal", "cot", "--objective", "fk"], "", ["unknown objective 'fk'", "'fkl'"]),
    (["--method", "cot-sft", "--on-policy", "0.5"], "", ["own text", "use fkl"]),
    (["--on-policy", "2"], "", ["on_policy = 2.0"]),
    (["--task", "maths"], "", ["unknown task 'maths'", "did you mean 'math'"]),
    (["--task", "math=x"], "", ["task 'math=x'", "CAPABILITY=SHARE"]),
    (["--task", "math=0.5,math=0.5"], "", ["'math' is named twice"]),
    (["--task", "maths=1"], "", ["'maths'", "did you mean 'math'"]),
    (["--task", "math=-1,code=2"], "", ["math"]),
    (["--budget", "12q"], "", ["'12q'", "such as 20M"]),
    (["--budget", "1"], "", ["steps = 2", "budget of 1"]),
    (["--steps", "0"], "", ["steps = 0"]),
    (["--probe-items", "1"], "", ["probe = 1: expected a number of at least 2"]),
    (["--learning-rate", "-1"], "", ["learning_rate = -1.0"]),
    (["--precision", "fp8"], "", ["training.precision = 'fp8'", "bf16"]),
    (["--allocator", "raed"], "", ["'raed'", "did you mean 'read'"]),
    (["--allocator", "oracle-static"], "", ["needs 'world'", "does not offer"]),
    (["--pair", "nanno"], "", ["unknown pair 'nanno'", "did you mean 'nano'"]),
    (["--teacher", "x"], "", ["teacher is 'x'", "teacher and student"]),
    (["--device", "cuda:99"], "", ["cuda:99"]),
    (["--device", "gpu"], "", ["'gpu'", "cpu"]),
    (["--bugdet", "1k"], "", ["No such option", "--budget"]),
    (["--out", "a-file"], "", ["a-file"]),
]


@pytest.mark.parametrize(("options", "text", "fragments"), MISTAKES, ids=lambda v: str(v)[:40])
def test_a_mistake_is_one_clear_message(
    options: list[str],
    text: str,
    fragments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And nothing is begun."""
    import readsim_hf.distill

    if not {"--pair", "--teacher", "--device"} & set(options):
        monkeypatch.setattr(readsim_hf.distill, "pair_of", lambda *_, **__: char_pair())
    Path("run.toml").write_bytes(text.encode("latin-1"))
    Path("a-file").write_text("")
    before = sorted(Path.cwd().rglob("*"))
    code, shown, err = call(capsys, "distill", *SMALL, *options)
    assert code == 2, err
    for fragment in fragments:
        assert fragment in err, err
    assert "Traceback" not in shown + err
    assert sorted(Path.cwd().rglob("*")) == before
