"""Stable-Baselines3: its policies as allocators, the fast environment as its own."""

import base64
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim.allocators.base import Context
from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.envs.vector_env import DistillVectorEnv
from readsim.envs.wrappers import DiscreteCandidates, FlatObservation
from readsim.errors import ConfigError
from readsim.runs.doubts import doubts_of
from readsim.runs.grid import make_cells, run_cells
from readsim.runs.loop import rollout
from readsim.runs.setups import setup_for
from readsim.worlds import Task, World
from readsim.worlds.random import random_world
from tests.support.helpers import allocations

needs_sb3 = pytest.mark.extra("torch", "stable_baselines3")
STEPS = 4
WORLD = random_world(0, capabilities=3)


def made(name: str, env: Any, policy: str) -> Any:
    import stable_baselines3
    import torch

    fewer = {"n_steps": 8} if name != "SAC" else {"learning_starts": 8, "buffer_size": 64}
    if name == "PPO":
        fewer |= {"batch_size": 8, "n_epochs": 1}
    arguments = {"net_arch": [8], "activation_fn": torch.nn.ReLU}
    kind = getattr(stable_baselines3, name)
    return kind(policy, env, seed=1, policy_kwargs=arguments, **fewer)


def played_both(path: Path, model: Any, observe: Callable[[dict[str, Array]], Any]) -> None:
    """The allocator's shares against the model's own actions on what it would have been shown."""
    allocator = load_allocator(f"sb3+path={path}")
    env = DistillEnv(WORLD, steps=STEPS)
    shown, _ = env.reset(seed=5)
    setup = setup_for(env, allocator, 5)
    state, previous = allocator.init(setup), setup.prior
    for step in range(STEPS):
        context = Context(
            setup,
            step,
            shown["profile"],
            float(shown["budget_left"][0]),
            shown["history"],
            previous,
        )
        action, _ = model.predict(observe(shown), deterministic=True)
        expected = action
        if allocator.model.discrete:  # type: ignore[attr-defined]
            expected = np.array(allocator.model.card["candidates"])[int(action)]  # type: ignore[attr-defined]
        previous = np.asarray(allocator.select(state, context))
        assert np.allclose(previous, expected, rtol=0, atol=1e-6)
        shown, *_ = env.step(previous)


def flat(shown: dict[str, Array]) -> Array:
    return np.concatenate([shown[key] for key in sorted(shown)])


@needs_sb3
@pytest.mark.parametrize("name", ["PPO", "A2C", "SAC"])
@pytest.mark.parametrize("is_flat", [False, True])
def test_it_plays_what_the_model_plays(name: str, is_flat: bool, tmp_path: Path) -> None:
    from readsim_rl import Sb3VecEnv, save_sb3

    env = Sb3VecEnv(2, world=WORLD, steps=STEPS, flat=is_flat)
    model = made(name, env, "MlpPolicy" if is_flat else "MultiInputPolicy")
    model.learn(16)
    path = save_sb3(model, tmp_path / "model.zip")
    played_both(path, model, flat if is_flat else lambda shown: shown)


@needs_sb3
@pytest.mark.parametrize("is_flat", [False, True])
def test_normalised_observations_and_candidates(is_flat: bool, tmp_path: Path) -> None:
    from stable_baselines3.common.vec_env import VecNormalize

    from readsim_rl import Sb3VecEnv, save_sb3

    env = Sb3VecEnv(2, world=WORLD, steps=STEPS, flat=is_flat, candidates="default")
    normalised = VecNormalize(env)
    model = made("PPO", normalised, "MlpPolicy" if is_flat else "MultiInputPolicy")
    model.learn(32)
    path = save_sb3(model, tmp_path / "model.zip")

    def observe(shown: dict[str, Array]) -> Any:
        return normalised.normalize_obs(flat(shown) if is_flat else dict(shown))

    played_both(path, model, observe)


@needs_sb3
@pytest.mark.filterwarnings("ignore:.*render_mode='rgb_array'")
def test_models_of_make_vec_env_and_of_model_save_alone(tmp_path: Path) -> None:
    from stable_baselines3.common.env_util import make_vec_env

    from readsim_rl import save_sb3

    def wrapped(env: Any) -> Any:
        return DiscreteCandidates(FlatObservation(env))

    kwargs = {"world": WORLD, "steps": STEPS}
    env = make_vec_env("readsim/Distill-v0", n_envs=2, env_kwargs=kwargs, wrapper_class=wrapped)
    model = made("PPO", env, "MlpPolicy")
    model.learn(16)
    played_both(save_sb3(model, tmp_path / "with_card.zip"), model, flat)
    model.save(tmp_path / "alone.zip")
    rows, _ = rollout(DistillEnv(WORLD, steps=STEPS), f"sb3+path={tmp_path / 'alone.zip'}", 0)
    assert np.allclose(allocations(rows).sum(axis=1), 1.0)
    env.set_options({"task": "average"})
    begun: Any = env.reset()
    assert begun[0, -3:] == pytest.approx(1 / 3)


def saved(tmp_path: Path, **settings: Any) -> Path:
    from readsim_rl import Sb3VecEnv, save_sb3

    env = Sb3VecEnv(2, steps=STEPS, **{"candidates": "default", **settings})
    model = made("A2C", env, "MultiInputPolicy")
    return save_sb3(model, tmp_path / "model.zip")


@needs_sb3
def test_another_run_than_it_was_trained_for_is_said(tmp_path: Path) -> None:
    path = saved(tmp_path, world=WORLD)
    named = f"sb3+path={path}"
    for world, history, said in (
        (random_world(0, capabilities=4), 3, "trained with 3 sources, this run has 4"),
        (WORLD, 2, "trained with 3 past steps, this run has 2"),
    ):
        with pytest.raises(ConfigError, match=said):
            rollout(DistillEnv(world, steps=STEPS, history=history), named, 0)
    with pytest.warns(UserWarning, match="trained with steps 4, this run has 7"):
        rollout(DistillEnv(WORLD, steps=7), named, 0)
    other = renamed(WORLD)
    with pytest.warns(UserWarning, match="sources skill_0, skill_1, skill_2, this run has a, b, c"):
        rollout(DistillEnv(other, steps=STEPS), named, 0)


def renamed(world: World) -> World:
    return world.replace(sources=("a", "b", "c"))


@needs_sb3
def test_the_card_says_what_it_was_trained_on(tmp_path: Path) -> None:
    worlds = [random_world(n, capabilities=3) for n in range(3)]
    path = saved(tmp_path, worlds=worlds, budgets=["5M", "9M"], tasks=["average"], reward="utility")
    said = {name: value for name, value, _ in load_allocator(f"sb3+path={path}").settings()}
    assert said["worlds"] == "random-0, random-1, random-2"
    assert said["tasks"] == "average"
    assert said["budgets"] == "5000000, 9000000"
    assert said["reward"] == "utility"
    assert said["algorithm"] == "A2C"


@needs_sb3
def test_nothing_of_a_file_is_unpickled(tmp_path: Path) -> None:
    path, trap = saved(tmp_path, world=WORLD), tmp_path / "trap"
    call = (
        f"cbuiltins\nopen\n(V{trap}\nVw\ntR.".encode()
    )  # a pickle that makes a file when it is read
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    data = json.loads(parts["data"])
    for value in data.values():
        if isinstance(value, dict) and ":serialized:" in value:
            value[":serialized:"] = base64.b64encode(call).decode()
    parts["data"] = json.dumps(data).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    rollout(DistillEnv(WORLD, steps=STEPS), f"sb3+path={path}", 0)
    assert not trap.exists()


@needs_sb3
def test_files_that_cannot_be_played(tmp_path: Path) -> None:
    import torch
    from stable_baselines3 import TD3

    from readsim_rl import Sb3VecEnv

    TD3("MultiInputPolicy", Sb3VecEnv(1, world=WORLD), buffer_size=8).save(tmp_path / "td3.zip")
    (tmp_path / "text.zip").write_text("no zip", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("data", "{}")
    torch.save({}, tmp_path / "weights.zip")
    cases = [
        ("", "path is needed"),
        (f"+path={tmp_path / 'nowhere.zip'}", "No such file"),
        (f"+path={tmp_path / 'text.zip'}", "not a file of Stable-Baselines3"),
        (f"+path={tmp_path / 'empty.zip'}", "not a file of Stable-Baselines3"),
        (f"+path={tmp_path / 'weights.zip'}", "not a file of Stable-Baselines3"),
        (f"+path={tmp_path / 'td3.zip'}", "those of PPO or A2C, SAC, RecurrentPPO can be played"),
    ]
    for settings, said in cases:
        with pytest.raises(ConfigError, match=said):
            load_allocator(f"sb3{settings}")


@needs_sb3
def test_the_fast_environment_has_the_vector_environments_numbers() -> None:
    from readsim_rl import Sb3VecEnv

    worlds = [random_world(n, capabilities=3) for n in range(3)]
    ours = Sb3VecEnv(4, worlds=worlds, steps=STEPS)
    reference = DistillVectorEnv(4, worlds=worlds, steps=STEPS, autoreset_mode="SameStep")
    ours.seed(3)
    first: Any = ours.reset()
    start, about = reference.reset(seed=3)
    assert [info["world"] for info in ours.reset_infos] == list(about["world"])
    for key, value in start.items():
        assert np.array_equal(first[key], value)
    rng = np.random.default_rng(0)
    for step in range(1, 2 * STEPS + 1):
        actions = rng.random((4, 3))
        shown: Any
        shown, reward, over, infos = ours.step(actions)
        expected = reference.step(actions)
        assert np.allclose(reward, expected[1], atol=1e-6)
        assert over.all() == (step % STEPS == 0)
        for key, value in expected[0].items():
            assert np.array_equal(shown[key], value)
        if over.all():
            for n, info in enumerate(infos):
                last = info["terminal_observation"]
                assert np.array_equal(last["profile"], expected[4]["final_obs"][n]["profile"])
                assert last["budget_left"] == 0.0
                assert info["utility"] == expected[4]["final_info"]["utility"][n]
                assert not info["TimeLimit.truncated"]
    limited = Sb3VecEnv(2, world=WORLD, max_episode_steps=2)
    limited.reset()
    limited.step(np.ones((2, 3)))
    assert all(info["TimeLimit.truncated"] for info in limited.step(np.ones((2, 3)))[3])
    limited.set_options({"task": "average"})
    begun: Any = limited.reset()
    assert np.allclose(begun["requirement"], 1 / 3)
    with pytest.raises(AttributeError, match="no 'nothing'"):
        limited.get_attr("nothing")


@needs_sb3
def test_doubts_are_told_once_for_all_cells(tmp_path: Path) -> None:
    spec = f"sb3+path={saved(tmp_path, world=WORLD)}"
    cells = make_cells(WORLD, steps=7, budgets=["2M", "4M"], allocators=[spec, "uniform"])
    assert len(cells) > 2
    texts = doubts_of(cells)
    assert len(texts) == len(set(texts))
    assert any(text.endswith("was trained with steps 4, this run has 7.") for text in texts)
    assert any(
        text.endswith("trained with budgets 20000000, this run has 2000000.") for text in texts
    )
    alike: dict[str, Any] = {"tasks": [WORLD.task_names[0]], "steps": STEPS, "budgets": ["20M"]}
    assert doubts_of(make_cells(WORLD, allocators=[spec], **alike)) == []
    bent = DistillEnv(WORLD, "average", 20_000_000, steps=STEPS)
    with pytest.warns(UserWarning, match="was trained with tasks .* this run has average"):
        setup_for(bent, load_allocator(spec), 0)
    run_cells(cells[:1], tmp_path)  # and the run does not warn


@needs_sb3
@pytest.mark.parametrize("given", [{"world": WORLD}, {"worlds": [WORLD], "tasks": ["average"]}])
def test_one_world_is_recorded_and_another_utility_is_said(
    given: dict[str, Any], tmp_path: Path
) -> None:
    allocator = load_allocator(f"sb3+path={saved(tmp_path, **given)}")
    said = {name: value for name, value, _ in allocator.settings()}
    assert (said["worlds"], said["utilities"]) == (WORLD.name, "linear")
    task = WORLD.task(said["tasks"])
    bent = Task(task.name, task.requirement, task.weights, "ces:-2.0")
    with pytest.warns(UserWarning, match="trained with utilities linear, this run has ces:-2.0"):
        setup_for(DistillEnv(WORLD, bent, "20M", steps=STEPS), allocator, 0)


def damaged(path: Path, **parts: bytes | None) -> Path:
    """A copy whose parts are these; None: left out."""
    with zipfile.ZipFile(path) as archive:
        held: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    other = path.with_name("damaged.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for name, value in (held | {k.replace("__", "."): v for k, v in parts.items()}).items():
            if value is not None:
                archive.writestr(name, value)
    return other


def spoilt(weights: bytes) -> bytes:
    """The same arrays, each with a number that is none."""
    import torch

    held, out = torch.load(io.BytesIO(weights), weights_only=True), io.BytesIO()
    for value in held.values():
        value.view(-1)[0] = np.nan
    torch.save(held, out)
    return out.getvalue()


@needs_sb3
def test_damaged_and_foreign_files_are_refused_in_a_sentence(tmp_path: Path) -> None:
    path = saved(tmp_path, world=WORLD)
    with zipfile.ZipFile(path) as archive:
        data, weights = json.loads(archive.read("data")), archive.read("policy.pth")
        card = json.loads(archive.read("readsim.json"))
    two = {"mean": [0.0, 0.0], "var": [1.0, 1.0]}
    of_two = {"clip": 10.0, "epsilon": 1e-8, "keys": {"profile": two}}

    def with_card(**changed: Any) -> bytes:
        return json.dumps({**card, **changed}).encode()

    def with_data(**changed: Any) -> bytes:
        return json.dumps({k: v for k, v in {**data, **changed}.items() if v is not None}).encode()

    cases: list[tuple[dict[str, bytes | None], str]] = [
        ({"policy__pth": b"garbage"}, "policy.pth is damaged"),
        ({"policy__pth": b""}, "policy.pth is damaged"),
        ({"policy__pth": weights[:2000]}, "policy.pth is damaged"),
        ({"data": b"[]"}, "lacks the policy's class or spaces"),
        ({"data": with_data(policy_class=None)}, "lacks the policy's class or spaces"),
        ({"data": with_data(action_space=None)}, "lacks the policy's class or spaces"),
        ({"data": with_data(policy_kwargs=[1])}, "lacks the policy's class or spaces"),
        ({"data": with_data(policy_kwargs={"foo": 1})}, "are not of its policy_kwargs"),
        (
            {"data": with_data(policy_kwargs={"activation_fn": "<class 'torch.nn.functional'>"})},
            "not one of torch.nn",
        ),
        ({"readsim__json": b"[1]"}, "is not one that readsim_rl.save_sb3 wrote"),
        ({"readsim__json": b'{"candidates": "x"}'}, "is not one that readsim_rl.save_sb3 wrote"),
        ({"readsim__json": b'{"normalisation": {"clip": 1}}'}, "is not one that"),
        ({"readsim__json": b'{"history": [3]}'}, "is not one that readsim_rl.save_sb3 wrote"),
        ({"readsim__json": b"[" * 10**5}, "not a file of Stable-Baselines3"),
        ({"data": b"[" * 10**5}, "not a file of Stable-Baselines3"),
        ({"readsim__json": with_card(candidates=[[1.0, 0.0]])}, "with 2 sources, this run has 3"),
        (
            {"readsim__json": with_card(normalisation=of_two)},
            r"normalisation.keys\['profile'\] in its readsim.json has 2 numbers, this run's observation 3",
        ),
        ({"policy__pth": spoilt(weights)}, "has numbers that are not finite: train it again"),
    ]
    for parts, said in cases:
        spec = f"sb3+path={damaged(path, **parts)}"
        with pytest.raises(ConfigError, match=said) as refused:
            setup_for(DistillEnv(WORLD, steps=STEPS), load_allocator(spec), 0)
        assert "\n" not in str(refused.value)


@needs_sb3
@pytest.mark.parametrize("candidates", [None, "default"])
def test_a_policy_with_a_stop_is_refused_before_the_run(
    candidates: str | None, tmp_path: Path
) -> None:
    path = saved(tmp_path, world=WORLD, allow_stop=True, candidates=candidates)
    with pytest.raises(ConfigError, match="with allow_stop=True, which a run of an allocator"):
        setup_for(DistillEnv(WORLD, steps=STEPS), load_allocator(f"sb3+path={path}"), 0)
