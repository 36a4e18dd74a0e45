"""What a plan says of its devices, advice that is not followed yet, and warnings of few items."""

import json
import re
from pathlib import Path

import pytest

from tests.cli.test_app import call
from tests.hf.plan.test_plan import ACROSS, SHIPPED, sketched
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    monkeypatch.chdir(tmp_path)


def test_a_run_on_the_cpu_is_planned_there(capsys: pytest.CaptureFixture[str]) -> None:
    from readsim_hf.plan.against import Correction, correction_notes
    from readsim_hf.plan.answer import CPU_RATES, cpu_line, shown_time
    from readsim_hf.plan.estimate import work_of

    made = sketched()
    flops = sum(one.flops for one in work_of(made))
    [line] = cpu_line(made)
    assert shown_time(flops / CPU_RATES[0] / 3600) in line
    assert cpu_line(sketched(config=SHIPPED[0])) == []
    code, said, _ = call(capsys, "plan", "--devices", "H100")
    assert (code, said.startswith("on the CPU (pair.device)")) == (0, True)
    found = [Correction(name, 0.3, 0.4) for name in ("H100", "H200")]
    assert len(correction_notes(found, "cuda")) == 2
    [note] = correction_notes(found, "cpu")
    assert "--mfu" not in note


def test_advice_that_is_followed_is_not_given() -> None:
    from readsim_hf.costs.devices import DEVICES
    from readsim_hf.plan.show import device_notes

    pair = {"teacher": ACROSS[1], "student": ACROSS[1]}
    for lora in (0, 16):
        made = sketched({"pair": pair, "training": {"lora": lora, "micro_batch": 32}})
        notes = " ".join(device_notes(made, 0.4, 0.5, DEVICES))
        assert "shard it over several processes" in notes
        assert ("train adapters" in notes) is (lora == 0)
    for given in (None, "balanced_low_0"):
        small = {"context": 2048, "student_precision": "bf16", "device_map": given}
        recipe = {"lora": 16, "micro_batch": 1, "precision": "bf16"}
        llama = {"teacher": "meta-llama/Llama-3.3-70B-Instruct", "student": ACROSS[3]}
        made = sketched({"pair": llama | small, "training": recipe})
        notes = " ".join(device_notes(made, 0.4, 0.5, DEVICES))
        assert "more, the teacher's" in notes
        assert ("balanced_low_0" in notes) is (given is None)


def test_few_items_of_a_split_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    """26 questions where 64, 64 and 256 are asked for; and nothing where there are enough."""
    rows = [{"question": f"Tell of {n}", "answer": f"It is {n}"} for n in range(26)]
    Path("few.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"capability": "tell", "path": "few.jsonl", "metric": "exact"}
    [line] = sketched({"probes": {"tasks": [task]}}).few
    counts = [int(n) for n in re.findall(r"(\d+) (?:probe|dev|test)\b", line)]
    assert len(counts) >= 2
    assert max(counts) < 20
    assert line.startswith("warning: fewer than 20 items in a split measure little: tell/few has ")
    assert "[probes] probe, dev, test" in line
    assert sketched({"probes": {}}).few == ()
    for command in (("plan",), ("distill", "--dry-run")):
        code, said, _ = call(
            capsys, *command, "--probe-items", "12", "--budget", "6k", "--steps", "2"
        )
        assert code == 0
        assert said.count("warning: fewer than 20 items in a split") == 1
