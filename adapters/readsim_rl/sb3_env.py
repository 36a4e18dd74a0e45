"""The fast vector environment as Stable-Baselines3's `VecEnv`. Needs the `rl` extra."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from readsim.arrays import Array
from readsim.envs.drawn_runs import DrawnRuns
from readsim.envs.env import DEFAULT_WORLD
from readsim.envs.episode import EpisodeConfig
from readsim.envs.vector_env import DistillVectorEnv
from readsim.envs.wrappers import fixed_candidates
from readsim.worlds.catalogue import load_world


def _names(settings: dict[str, Any]) -> dict[str, list[Any]]:
    """Of the worlds, tasks and budgets in the lists that runs draw from."""
    if settings.get("worlds") is None:
        return {}
    drawn = DrawnRuns(settings["worlds"], settings.get("tasks"), settings.get("budgets"), None)
    tasks = dict.fromkeys(task.name for some in drawn.tasks for task in some)
    return {
        "worlds": [world.name for world in drawn.worlds],
        "tasks": list(tasks),
        "budgets": drawn.budgets,
        "utilities": sorted({task.kind for some in drawn.tasks for task in some}),
    }


FINAL = ("utility", "final_profile", "final_change", "final_change_sd")


class Sb3VecEnv(VecEnv):
    """N runs advanced together: `PPO("MultiInputPolicy", Sb3VecEnv(64, worlds=[...], budgets=[...]))`.

    settings     those of `DistillVectorEnv`: one world, or `worlds`, `tasks`, `budgets` that each run
                 draws from at each reset
    flat         observations as one vector (keys in alphabetical order), for "MlpPolicy"
    candidates   discrete actions: "default", or allocations (A, S); None has shares of the sources

    Runs that end are reset at once, as Stable-Baselines3 expects; the info of such a step has the final
    `utility`, and the `world`, `task` and `budget` of the run that begins. `set_options({"task": ...})` works
    for environments with one world.
    """

    def __init__(
        self,
        num_envs: int,
        *,
        flat: bool = False,
        candidates: Array | str | None = None,
        **settings: Any,
    ) -> None:
        self._named = _names(settings)
        self.env = DistillVectorEnv(num_envs, autoreset_mode=AutoresetMode.SAME_STEP, **settings)
        first = settings.get("world")
        self._world = load_world(DEFAULT_WORLD if first is None else first).name
        self._met: dict[str, set[Any]] = {}  # by runs that have begun
        self._flat = flat
        self.candidates: Array | None = None
        action: spaces.Space[Any] = self.env.single_action_space
        if candidates is not None:
            given = None if isinstance(candidates, str) else candidates
            self.candidates = fixed_candidates(self.env.episode, given)
            action = spaces.Discrete(len(self.candidates))
        shown: spaces.Space[Any] = self.env.single_observation_space
        if flat:
            shown = spaces.flatten_space(shown)
        super().__init__(num_envs, shown, action)

    @property
    def episode(self) -> EpisodeConfig:
        """Names, steps and rules of the runs."""
        return self.env.episode

    @property
    def drawn_from(self) -> dict[str, list[Any]]:
        """Names of the worlds and tasks, and the budgets, that runs may have."""
        task, met = self.episode.task, {name: sorted(found) for name, found in self._met.items()}
        first: dict[str, list[Any]] = {
            "worlds": [self._world],
            "tasks": [task.name],
            "budgets": [self.episode.budget],
        }
        return self._named or {"utilities": [task.kind], **first, **met}

    def reset(self) -> Any:
        seeds = [seed for seed in self._seeds if seed is not None]
        options = self._options[0] or None
        shown, about = self.env.reset(seed=seeds[0] if seeds else None, options=options)
        self.reset_infos = [
            {k: about[k][n] for k in about if k[0] != "_"} for n in range(self.num_envs)
        ]
        for name in ("world", "task", "budget"):
            self._met.setdefault(f"{name}s", set()).update(about[name].tolist())
        self._reset_seeds()
        self._reset_options()
        return self._shown(shown)

    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        self._actions = actions if self.candidates is None else self.candidates[actions]

    def step_wait(self) -> VecEnvStepReturn:
        shown, reward, terminated, truncated, info = self.env.step(self._actions)
        over = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for n in np.flatnonzero(over):
            last = info["final_obs"][n]
            infos[n] = {
                "terminal_observation": self._flatten(last) if self._flat else last,
                "TimeLimit.truncated": bool(truncated[n] and not terminated[n]),
                **{key: info[key][n] for key in ("world", "task", "budget")},
                **{k: info["final_info"][k][n] for k in FINAL if k in info["final_info"]},
            }
        return self._shown(shown), reward.astype(np.float32), over, infos

    def _shown(self, observation: dict[str, Array]) -> Any:
        if self._flat:
            return np.concatenate([observation[key] for key in sorted(observation)], axis=1)
        return {key: np.array(observation[key]) for key in sorted(observation)}

    @staticmethod
    def _flatten(observation: dict[str, Array]) -> Array:
        return np.concatenate([observation[key] for key in sorted(observation)])

    def close(self) -> None:
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        own = getattr(self, attr_name, None) if attr_name != "render_mode" else None
        value = (
            getattr(self.env, attr_name) if own is None and hasattr(self.env, attr_name) else own
        )
        if value is None and attr_name != "render_mode":
            raise AttributeError(f"{type(self.env).__name__} has no {attr_name!r}")
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        raise AttributeError(f"{attr_name!r}: the runs of this environment have no attributes")

    def env_method(
        self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        raise AttributeError(f"{method_name!r}: the runs of this environment have no methods")

    def env_is_wrapped(self, wrapper_class: type[Any], indices: VecEnvIndices = None) -> list[bool]:
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[None]:
        """There is nothing to render."""
        return [None] * self.num_envs
