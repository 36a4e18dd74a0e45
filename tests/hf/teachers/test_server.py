"""Whole runs on a server that transformers brings, killed and started again; distributions by HTTP."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest

from readsim.errors import TrainingError
from tests.support.hf import NEEDS
from tests.support.made_server import Fake, served, serving
from tests.support.made_teachers import asking
from tests.support.processes import PATIENCE, end, free_port, python, start, wait_for

pytestmark = pytest.mark.extra(*NEEDS, "openai")

SHARES = np.array([0.5, 0.5])


def options(url: str, model: str = "m", **more: Any) -> dict[str, Any]:
    """A small run with the nano student."""
    base = {
        "pair": {"teacher": url, "teacher_model": model, "student": "nano/student"},
        "method": "resp-sft",
        "budget": 90,
        "steps": 3,
        "soft": {"kind": "topk"},
        "decoding": {"max_new_tokens": 24, "temperature": 0.0},
        "training": {"batch": 8},
        "probes": {"probe": 2, "dev": 2, "test": 2, "max_new_tokens": 2},
        "data": {"group": 4},
        "server": {"retries": 1, "concurrency": 4},
    }
    return base | more


def run(out: Path, settings: dict[str, Any], *, resume: bool = False) -> list[dict[str, Any]]:
    """The rows of the run's log."""
    from readsim.runs.log_schema import read_content
    from readsim_hf.distill import distill

    distill(None, settings, out, resume=resume)
    (log,) = (out / "runs").glob("*.jsonl")
    return [dict(row) for row in read_content(log).rows]


def facts(out: Path) -> dict[str, Any]:
    (path,) = (p for p in (out / "runs").glob("*.json") if not p.match("*.check.json"))
    table = json.loads(path.read_text())
    read: dict[str, Any] = table["teacher"] | table["paid"]
    return read


def stored(path: Path) -> int:
    """Replies in a cache file."""
    from readsim_hf.teachers.cache import SignalCache

    with SignalCache(path).connection() as connection:
        return int(connection.execute("SELECT count(*) FROM replies").fetchone()[0])


class Upstream:
    """`transformers serve` in a process of its own."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.port = free_port()
        self.model = str(folder)
        self.url = f"http://127.0.0.1:{self.port}"
        quiet = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "OMP_NUM_THREADS": "1"}
        command = ["serve", str(folder), "--device", "cpu", "--host", "127.0.0.1", "--port"]
        code = "from transformers.cli.transformers import main; main()"
        with (home / f"{self.port}.log").open("wb") as log:
            self.process = start("-c", code, *command, self.port, env=quiet, stdout=log, stderr=log)

    def wait(self) -> None:
        """Until it answers."""

        def answers() -> bool:
            try:
                with urlopen(self.url + "/health", timeout=PATIENCE):
                    return True
            except OSError:
                return False

        wait_for(answers, self.process)

    def kill(self) -> None:
        end(self.process)


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Upstream]]:
    """Two servers of the nano teacher, started together."""
    from readsim_hf.models.loading import load_model, load_tokenizer

    folder, home = tmp_path_factory.mktemp("nano"), tmp_path_factory.mktemp("home")
    load_model("nano/teacher").save_pretrained(folder)
    tokenizer = load_tokenizer("nano/teacher")
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    tokenizer.save_pretrained(folder)
    both = [Upstream(folder, home) for _ in range(2)]
    try:
        for one in both:
            one.wait()
        yield both
    finally:
        for one in both:
            one.kill()


def through(upstream: list[Upstream]) -> Any:
    """Passes requests on to the first of these that is left; counts and keeps what came back."""

    def forward(body: dict[str, Any]) -> Any:
        request = Request(
            upstream[0].url + "/v1/chat/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    return forward


@pytest.mark.slow
@pytest.mark.extra("fastapi", "uvicorn")
def test_a_run_on_a_real_server_that_is_killed(upstreams: list[Upstream], tmp_path: Path) -> None:
    dying, lasting = upstreams
    name = lasting.model
    with serving(answer=through([lasting])) as whole:
        rows = run(tmp_path / "whole", options(whole.url, name))
    totals = rows[-1]["totals"]
    assert [totals["teacher_prompt"], totals["teacher_generated"]] == whole.usage
    assert totals["student"] == 90
    counts = facts(tmp_path / "whole")
    assert [counts["prompt_tokens"], counts["generated_tokens"]] == whole.usage
    assert (counts["generated"], counts["in_doubt"]) == (len(whole.sent), 0)
    assert stored(tmp_path / "whole" / "teacher.sqlite") == len(whole.sent)

    def kill(n: int, body: dict[str, Any]) -> str:
        if n == len(whole.asked) // 2:
            dying.kill()
        return "dies" if dying.process.poll() is not None else ""

    out = tmp_path / "killed"
    with serving(kill, through([dying])) as first:
        with pytest.raises(TrainingError, match=r"no reply in 2 attempts.*--resume"):
            run(out, options(first.url, name))
        kept = stored(out / "teacher.sqlite")
        assert kept == len(first.sent)
    with serving(answer=through([lasting])) as second:
        again = run(out, options(second.url, name), resume=True)  # on another port
    assert again == rows
    assert len(second.asked) == len(whole.asked) - kept
    assert not set(second.sent) & set(first.sent)
    total = [a + b for a, b in zip(first.usage, second.usage, strict=True)]
    assert total == whole.usage


@pytest.mark.slow
def test_a_killed_run_never_pays_twice(tmp_path: Path) -> None:
    """SIGKILL while requests are under way: what had arrived is not asked for again."""
    rng = np.random.default_rng(int(os.environ.get("READSIM_KILL_SEED", "5")))
    more = {"allocator": "one-hot", "task": "math"}
    with serving() as whole:
        rows = run(tmp_path / "whole", options(whole.url, **more))
    number = int(rng.integers(1, len(whole.asked)))
    process: list[subprocess.Popen[bytes]] = []

    def kill(n: int, body: dict[str, Any]) -> str:
        if n < number:
            return ""
        process[0].kill()
        return "stalls"

    out = tmp_path / "killed"
    with serving(kill) as first:
        code = (
            "import json, sys; from pathlib import Path; from readsim_hf.distill import distill;"
            "distill(None, json.loads(sys.argv[1]), Path(sys.argv[2]))"
        )
        settings = options(first.url, **more)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with python("-c", code, json.dumps(settings), out, **quiet) as running:
            process.append(running)
            assert running.wait() == -signal.SIGKILL
    kept = stored(out / "teacher.sqlite")
    # of those that were sent, the last few may have been on their way to the disk
    assert number - 4 < kept <= number
    with serving() as second:
        assert run(out, options(second.url, **more), resume=True) == rows
    assert len(second.asked) == len(whole.asked) - kept
    counts = facts(out)
    assert 1 <= counts["in_doubt"] <= 4
    # what was paid after the last checkpoint before the kill is not counted
    paid = sum(counts[f"{name}_tokens"] for name in ("prompt", "generated"))
    assert sum(second.usage) <= paid <= sum(first.usage) + sum(second.usage)
    totals = rows[-1]["totals"]
    assert totals["teacher_prompt"] == whole.usage[0]


def test_the_cache_serves_every_student_and_port(tmp_path: Path) -> None:
    prompts = [asking("3+4"), asking("4+4"), asking("3+4")]
    with serving() as fake:
        first = served(fake.url, tmp_path / "c")
        records = first.ask(prompts)
    assert len(fake.asked) == 2
    with serving() as other:
        again = served(other.url, tmp_path / "c", signal="resp", context=100)
        for a, b in zip(records, again.ask(prompts), strict=True):
            assert np.array_equal(a.completion_ids, b.completion_ids)
        assert other.asked == []
        for changes in ({"temperature": 0.5}, {"max_new_tokens": 9}, {"model": "n"}):
            served(other.url, tmp_path / "c", **changes).ask(prompts)
        assert len(other.asked) == 6
    assert first.counts.asked_prompt_tokens == again.counts.asked_prompt_tokens
    assert again.counts.prompt_tokens == 0


def test_without_a_cache_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from readsim_hf.distill import distill

    settings = options("http://127.0.0.1:9/v1", data={"cache": ""})
    distill(None, settings, tmp_path, dry_run=True)
    words = " ".join(capsys.readouterr().out.split())
    assert "warning: cache is ''" in words
    assert "teacher m at http://127.0.0.1:9/v1" in words
    assert not list(tmp_path.iterdir())


def test_a_server_is_asked_for_what_the_student_reads() -> None:
    with serving() as fake:
        served(fake.url, concurrency=1).ask([asking("3+4")])
        served(fake.url, signal="cot", concurrency=1).ask([asking("3+4")])
    texts = [body["messages"] for body in fake.asked]
    assert texts == [[{"role": "user", "content": f"3+4{mark}"}] for mark in "=~"]
    assert isinstance(fake, Fake)
    assert {"model", "messages", "max_tokens", "temperature", "seed"} == set(fake.asked[0])
