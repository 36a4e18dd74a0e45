"""Training on drawn worlds: what is drawn, what the policy is told, what an update does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.trained.allocator import TrainedPolicy, known_of
from readsim.allocators.trained.network import fresh_weights
from readsim.allocators.trained.policy_file import load_policy
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError
from readsim.runs.loop import rollout
from readsim.runs.setups import setup_for
from readsim.streams import generator
from readsim.worlds import Task, optimum
from readsim.worlds.prior import Prior, load_prior
from tests.cli.test_app import call

needs_torch = pytest.mark.extra("torch")
SMALL = """
[sizes]
capabilities = [2, 3]
[unmatched]
share = 0.5
sources = 1.5
"""


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prior") / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Batches of a few runs, and few of them held out."""

    from readsim_rl import problems, train

    monkeypatch.setattr(problems, "MOST_RUNS", 6)
    monkeypatch.setattr(problems, "STEPS", (3, 5))
    monkeypatch.setattr(problems, "CLIMB", 4)
    monkeypatch.setattr(train, "HELD_OUT", 2)
    train.batch_of.cache_clear()
    yield
    train.batch_of.cache_clear()  # the next test's batches have all their runs


def settings(prior: Path, **changes: Any) -> Any:
    from readsim_rl import TrainSettings

    return TrainSettings(
        **{"prior": str(prior), "updates": 4, "evaluate": 2, "batches": 2, **changes}
    )


@pytest.mark.slow
@needs_torch
def test_a_batch_is_a_function_of_its_number(few: None) -> None:
    from readsim_rl.problems import draw_problems

    loaded = load_prior("wide")
    sizes = set()
    for number in range(5):
        one = draw_problems(loaded, 0, number)
        again = draw_problems(loaded, 0, number)
        assert np.array_equal(one.best, again.best)
        assert np.array_equal(one.stack.numbers["help"], again.stack.numbers["help"])
        assert np.allclose(one.requirement.sum(1), 1.0)
        assert np.allclose(one.weights.sum(1), 1.0)
        assert np.allclose(one.shares.sum(1), 1.0)
        assert (one.scores[2] >= one.scores[:2].max(0) - 1e-6).all()
        sizes.add((one.best.shape[1], one.weights.shape[1]))
    assert len(sizes) > 2


@needs_torch
def test_the_best_static_allocation_is_close_to_the_optimum(
    few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the numeric optimum of order-free worlds with linear tasks."""
    from dataclasses import replace

    from readsim_rl import problems as module
    from readsim_rl.problems import draw_problems

    monkeypatch.setattr(module, "CLIMB", 30)
    plain = load_prior("broad")
    off = {
        name: replace(part, share=0.0)
        for name, part in plain.parts.items()
        if name in ("forgetting", "gates", "drift", "process", "rehearsal", "formats", "hidden")
    }
    calm = Prior(plain.name, plain.description, plain.budget, {**plain.parts, **off})
    problems = draw_problems(calm, 3, 1)
    missed, checked = [], 0
    for n in range(problems.runs):
        if problems.exponent[n] != 1.0 or problems.cap[n] < 1.0 or checked == 3:
            continue
        checked += 1
        world = world_of(calm, problems, n)
        task = Task("drawn", problems.requirement[n], problems.weights[n])
        best = optimum(world, task, float(problems.budget[n]))
        assert problems.scores[2, n] <= best.utility + 1e-3
        found = task.utility(world.static_profile(problems.best[n], float(problems.budget[n])))
        assert found == pytest.approx(problems.scores[2, n], abs=1e-3)
        missed.append(best.utility - problems.scores[2, n])
    assert checked == 3
    assert np.median(missed) < 0.002


def world_of(prior: Prior, problems: Any, n: int) -> Any:
    """World n of a batch, found by its start."""
    from readsim_rl.problems import worlds_of

    return worlds_of(prior, problems)[n]


@needs_torch
def test_training_tells_what_a_setup_tells(few: None) -> None:
    from readsim_rl.play import told_of
    from readsim_rl.problems import draw_problems, many, worlds_of

    loaded = load_prior("wide")
    for number in range(4):
        problems = draw_problems(loaded, 1, number)
        start = np.full(problems.requirement.shape, 0.3)
        told = np.ones(problems.runs, dtype=bool)
        lots = generator(0, "allocator").standard_normal((1, problems.best.shape[1]))
        both = told_of(problems, many(problems), start, told, lots)
        for n, world in enumerate(worlds_of(loaded, problems)):
            kind = "linear"
            if problems.exponent[n] != 1.0:
                kind = f"ces:{float(problems.exponent[n, 0])!r}"
            elif problems.cap[n] < 1.0:
                kind = f"capped:{float(problems.cap[n, 0])!r}"
            task = Task("drawn", problems.requirement[n], problems.weights[n], kind)
            env = DistillEnv(world, task, int(problems.budget[n]), steps=problems.steps)
            env.reset(seed=0)
            setup = setup_for(env, TrainedPolicy(), 0)
            assert setup.teacher is not None
            known = known_of(setup, start[n], setup.teacher())
            for name, value in known._asdict().items():
                mine = np.asarray(getattr(both, name))[n]
                assert np.allclose(mine, value[0], rtol=1e-4, atol=1e-5), name


@pytest.mark.slow
@needs_torch
def test_training_writes_a_policy_and_resumes_with_the_same_numbers(
    few: None, prior: Path, tmp_path: Path
) -> None:
    from readsim_rl import train_policy

    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    seen: list[int] = []
    curve = train_policy(whole, settings(prior), on_update=lambda done, _: seen.append(done))
    assert seen == [1, 2, 3, 4]
    assert [row.update for row in curve] == [2, 4]

    def stop(done: int, _: float) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_policy(parts, settings(prior), on_update=stop)
    assert load_policy(parts).card["updates"] == 2
    assert train_policy(parts, settings(prior)) == curve
    one, other = load_policy(whole), load_policy(parts)
    assert one.card == other.card
    for name, value in one.weights.items():
        assert np.array_equal(value, other.weights[name]), name
    with pytest.raises(ConfigError, match=r"with seed = 0, not 1: give another file"):
        train_policy(parts, settings(prior, seed=1))
    longer = train_policy(parts, settings(prior, updates=5, evaluate=5))
    assert [row.update for row in longer] == [2, 4, 5]
    rows, _ = rollout(
        DistillEnv("random:capabilities=3", steps=3), TrainedPolicy(path=str(whole)), 0
    )
    assert np.isfinite(rows[-1]["utility"])


@needs_torch
def test_updates_follow_the_slope(few: None, prior: Path) -> None:
    """A small step along the gradient lowers the loss that it is of."""
    from readsim_rl import train as module

    chosen = settings(prior, imitation=0.0)
    weights = fresh_weights(np.random.default_rng(0))
    slope, before = module.gradient_of(chosen, weights, 0, 0)
    moved = {name: value - 0.02 * slope[name] for name, value in weights.items()}
    _, after = module.gradient_of(chosen, moved, 0, 0)
    assert after.loss < before.loss


@needs_torch
@pytest.mark.slow
def test_any_number_of_processes_and_the_command(
    prior: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    for jobs in (1, 2):
        out = tmp_path / f"jobs{jobs}.safetensors"
        options = ["--prior", str(prior), "--updates", "2", "--evaluate", "2", "--jobs", str(jobs)]
        code, said, _ = call(capsys, "train", str(out), *options)
        assert code == 0
        assert "held-out worlds" in said
        assert Path(f"{out}.csv").read_text(encoding="utf-8").startswith("update,iqm,")
        made.append(load_policy(out))
    for name, value in made[0].weights.items():
        assert np.array_equal(value, made[1].weights[name]), name


@needs_torch
def test_training_leaves_the_process_as_it_was(few: None, prior: Path) -> None:
    import torch

    from readsim_rl.train import gradient_of

    before = torch.get_num_threads()
    gradient_of(settings(prior), fresh_weights(generator(0, "data")), 0, 0)
    tiny = np.array([5e-324, 4.0])
    assert (0.5 * (tiny + tiny))[0] > 0.0  # too small for a normal number, and not 0
    assert torch.get_num_threads() == before


@needs_torch
def test_an_interrupt_before_the_first_look_keeps_what_was_done(
    few: None, prior: Path, tmp_path: Path
) -> None:
    from readsim_rl import train_policy

    out, chosen = tmp_path / "cut.safetensors", settings(prior, updates=2, evaluate=2)
    seen: list[int] = []

    def stop(done: int, _: float) -> None:
        seen.append(done)
        if seen in ([1], [1, 2]):  # in the second call before the last look
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train_policy(out, chosen, on_update=stop)
        assert not out.exists()
    curve = train_policy(out, chosen, on_update=stop)
    assert seen == [1, 2]
    assert curve == train_policy(tmp_path / "whole.safetensors", chosen)
    one, other = load_policy(out), load_policy(tmp_path / "whole.safetensors")
    assert all(np.array_equal(value, other.weights[n]) for n, value in one.weights.items())


@needs_torch
def test_the_command_says_that_nothing_is_left_to_do(
    few: None,
    prior: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ("train", str(tmp_path / "a.safetensors"), "--prior", str(prior), "--updates", "1")
    for said in (False, True):
        code, out, _ = call(capsys, *command, "--jobs", "1")
        assert code == 0
        assert ("already at 1 updates; --updates is a total" in " ".join(out.split())) == said


@needs_torch
def test_a_prior_that_was_changed_between_two_calls_is_read_again(
    few: None, tmp_path: Path
) -> None:
    from readsim_rl import train_policy

    prior, made = tmp_path / "own.toml", []
    for number, text in enumerate((SMALL, SMALL.replace("[2, 3]", "[4, 4]"))):
        prior.write_text(text, encoding="utf-8")
        out = tmp_path / f"{number}.safetensors"
        train_policy(out, settings(prior, updates=1, evaluate=1, batches=1))
        made.append(load_policy(out).weights)
    with pytest.raises(ConfigError, match="has changed since"):
        train_policy(tmp_path / "0.safetensors", settings(prior, updates=2, evaluate=1, batches=1))
    out.unlink()  # what was moved away is written again from the state
    train_policy(out, settings(prior, updates=1, evaluate=1, batches=1))
    assert all(np.array_equal(value, made[1][n]) for n, value in load_policy(out).weights.items())
    assert any(not np.array_equal(value, made[1][name]) for name, value in made[0].items())


@needs_torch
def test_a_policy_without_its_state_is_not_written_over(
    few: None, prior: Path, tmp_path: Path
) -> None:
    from readsim_rl import train_policy

    out = tmp_path / "a.safetensors"
    train_policy(out, settings(prior, updates=1, evaluate=1, batches=1))
    before = out.read_bytes()
    Path(f"{out}.state").unlink()
    with pytest.raises(
        ConfigError, match=r"there is a policy, without .*state to continue it from"
    ):
        train_policy(out, settings(prior, updates=2, evaluate=1, batches=1))
    assert out.read_bytes() == before
