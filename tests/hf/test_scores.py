"""Real runs, identified, finished and shown side by side; a user's own card."""

import json
from pathlib import Path

import numpy as np
import pytest

from readsim.errors import ConfigError
from tests.cli.test_app import call
from tests.support.hf import NEEDS
from tests.support.hf_runs import stop_at_second

pytestmark = pytest.mark.extra(*NEEDS)


@pytest.fixture
def small_runs(in_a_folder: None, on_tiny: None, undrawn: None) -> tuple[str, ...]:
    """`readsim distill` on the tiny pair, with an identifier that is soon trained."""
    with Path("small.toml").open("a") as file:
        file.write("[identifier]\nsteps = 3\nmixtures = 2\nwordings = 1\nmembers = 2\n")
    return (
        *("distill", "--config", "small.toml", "--budget", "600", "--steps", "3", "--cache", ""),
        *(
            "--probe-items",
            "3",
            "--batch",
            "2",
            "--task",
            "math",
            "--pool-runs",
            "2",
            "--out",
            "out",
        ),
    )


@pytest.mark.slow
def test_read_identifies_allocates_and_stands_beside_the_others(
    small_runs: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole loop in miniature; killed in its interventions, resumed, and compared in the end."""
    from readsim_hf.backend import HFBackend

    read = (*small_runs, "--identify", "--allocator", "read+pool=30+guard=0.1")
    with pytest.MonkeyPatch.context() as patch:
        stop_at_second(patch, HFBackend, "run_interval")
        code, _, err = call(capsys, *read)
    assert code == 130
    assert "the same command resumes" in err
    code, out, _ = call(capsys, *read)
    assert code == 0
    assert "requirement:" in out
    (log,) = Path("out/runs").glob("read*.jsonl")
    header, *rows, _ = map(json.loads, log.read_text().splitlines())
    found = header["config"]["identified"]
    assert np.isclose(sum(found["requirement"]), 1)
    assert header["config"]["requirement"] == found["requirement"]
    assert header["config"]["weights"] != found["requirement"]
    assert rows[-1]["totals"]["offline"] == 2 * 200
    assert {"mu", "sigma", "kappa", "calibration"} <= set(rows[1]["report"])
    assert rows[1]["dev_profile"] is not None
    # the others, and the table of all
    assert call(capsys, *small_runs, "--allocator", "task-static")[0] == 0
    code, out, _ = call(capsys, *small_runs, "--allocator", "one-hot", "--method", "resp-sft")
    assert code == 0
    # the heads of columns wrap
    for word in ("task-static,", "logit-kd", "identified", "one-hot,", "resp-sft"):
        assert word in out
    code, out, _ = call(capsys, "scores", "out", "--reference", "one-hot, resp-sft")
    assert code == 0
    assert out.count("±") >= 2 * 9


def test_a_card_of_the_users_is_read_and_one_with_a_test_item_refused(tmp_path: Path) -> None:
    from readsim.envs.env import DistillEnv
    from readsim_hf.config import RunConfig
    from readsim_hf.identify import identify
    from tests.support.hf_runs import small

    card = {"description": "Zeichne Elefanten", "format": "blau", "evaluation": "Jury"}
    lines = "\n".join(f'{k} = "{v}"' for k, v in card.items())
    path = tmp_path / "mine.toml"
    path.write_text(lines)
    quick = {"card": str(path), "steps": 2, "mixtures": 1, "wordings": 1, "members": 1}
    backend = small()
    run = {"budget": 120, "steps": 2, "pool_runs": 2, "identify": True}
    config = RunConfig.of({**run, "identifier": quick})
    env = DistillEnv(backend=backend, task={"math": 0.8, "general": 0.2}, steps=2)
    task, found = identify(config, env, tmp_path / "bench")
    assert found.source == "uniform"
    assert np.allclose(task.requirement, 0.5)
    assert np.allclose(task.weights, env.episode.task.weights)
    again, _ = identify(config, env, tmp_path / "bench")
    assert np.array_equal(again.requirement, task.requirement)
    backend.components.suite.open_test()
    item = backend.components.suite.splits.prompts("test")[0].text
    path.write_text(f'{lines}\nexemplars = [{{ input = "{item}", output = "x" }}]')
    with pytest.raises(ConfigError, match="is an item of the test split"):
        identify(config, env, tmp_path / "bench")
