"""The names that scripts import from the adapter, and a real run through the public environment."""

import inspect
import subprocess
import sys

import pytest

import readsim
import readsim_hf
from readsim.errors import ConfigError
from tests.support.paths import ROOT


def test_a_bare_import_loads_nothing_heavy() -> None:
    code = "import sys, readsim_hf; print({'torch', 'transformers', 'lm_eval'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT / "adapters",
    )
    assert done.stdout.strip() == "set()"
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = readsim_hf.nothing_of_ours


@pytest.mark.extra("torch", "transformers", "lm_eval")
def test_all_that_is_exported_is_there_and_documented() -> None:
    for name in readsim_hf.__all__:
        assert inspect.getdoc(getattr(readsim_hf, name)), name


@pytest.mark.extra("torch", "transformers", "lm_eval")
def test_a_real_step_through_the_public_names() -> None:
    from readsim_hf import RunConfig, make_backend

    backend = make_backend(budget="2k", steps=2, probes={"probe": 8, "dev": 8, "test": 8})
    env = readsim.make_env(backend=backend, task="average", steps=2)
    _, info = env.reset(seed=0)
    assert info == {"task": "average", "budget": 2_000}
    share = [1.0 / len(env.episode.sources)] * len(env.episode.sources)
    _, _, over, _, info = env.step(share)
    assert not over
    assert info["tokens"] == info["spent"] == 1_000
    with pytest.raises(ConfigError, match="budgt"):
        make_backend(budgt="2k")
    with pytest.raises(ConfigError, match="RunConfig"):
        make_backend(RunConfig(), budget="2k")
