"""Files of Stable-Baselines3 policies: their names, networks of other shapes, what they were trained on."""

from pathlib import Path

import numpy as np
import pytest

from readsim.envs.env import DistillEnv
from readsim.runs.loop import rollout
from readsim.worlds.random import random_world
from tests.rl.test_sb3 import STEPS, WORLD, made
from tests.support.helpers import allocations

pytestmark = pytest.mark.extra("torch", "stable_baselines3")


def test_a_name_with_a_dot_is_kept(tmp_path: Path) -> None:
    from readsim_rl import Sb3VecEnv, save_sb3

    model = made("A2C", Sb3VecEnv(1, world=WORLD, steps=STEPS), "MultiInputPolicy")
    names = [save_sb3(model, tmp_path / name).name for name in ("lr_0.5", "lr_0.7", "a.zip")]
    assert names == ["lr_0.5.zip", "lr_0.7.zip", "a.zip"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize("critics", [1, 3])
def test_any_number_of_critics(critics: int, tmp_path: Path) -> None:
    from stable_baselines3 import SAC

    from readsim_rl import Sb3VecEnv, save_sb3

    env = Sb3VecEnv(1, world=WORLD, steps=STEPS)
    arguments = {"net_arch": [8], "n_critics": critics}
    model = SAC("MultiInputPolicy", env, policy_kwargs=arguments, buffer_size=8, seed=1)
    path = save_sb3(model, tmp_path / "sac.zip")
    rows, _ = rollout(DistillEnv(WORLD, steps=STEPS), f"sb3+path={path}", 0)
    assert np.allclose(allocations(rows).sum(1), 1.0)


def test_a_network_that_the_weights_do_not_have_is_not_made(tmp_path: Path) -> None:
    """A billion units in the text of a small file: refused before there is memory for them."""
    import json
    import zipfile

    from readsim.errors import ConfigError
    from readsim_rl import Sb3VecEnv, save_sb3

    model = made("A2C", Sb3VecEnv(1, world=WORLD, steps=STEPS), "MultiInputPolicy")
    path = save_sb3(model, tmp_path / "model.zip")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    data = json.loads(parts["data"])
    data["policy_kwargs"]["net_arch"] = [8, 10**9]
    parts["data"] = json.dumps(data).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ConfigError, match=r"1000000000 .* no weight of it is as large"):
        rollout(DistillEnv(WORLD, steps=STEPS), f"sb3+path={path}", 0)


def test_the_card_names_the_tasks_that_were_set(tmp_path: Path) -> None:
    """One that was set before the first run takes the place of the first one; later ones come beside it."""
    from readsim_rl import Sb3VecEnv
    from readsim_rl.sb3_files import sb3_card

    env = Sb3VecEnv(2, world=WORLD, task="average", steps=STEPS)
    assert env.drawn_from["tasks"] == ["average"]
    model = made("A2C", env, "MultiInputPolicy")
    env.set_options({"task": "skill_1"})
    env.reset()
    assert sb3_card(env, model)["tasks"] == ["skill_1"]
    env.set_options({"task": "skill_2", "budget": 5_000_000})
    env.reset()
    card = sb3_card(env, model)
    assert card["tasks"] == ["skill_1", "skill_2"]
    assert card["budgets"] == [5_000_000, 20_000_000]
    assert card["worlds"] == [WORLD.name]
    other = random_world(1, capabilities=3)
    env.set_options({"world": other})
    env.reset()
    assert env.drawn_from["worlds"] == sorted([WORLD.name, other.name])
