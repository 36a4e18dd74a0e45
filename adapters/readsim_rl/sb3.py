"""A Stable-Baselines3 policy as an allocator."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium import spaces

from readsim.allocators.base import Context, Setup, State
from readsim.allocators.configured import Configured
from readsim.arrays import Array
from readsim.envs.candidates import sparse_set
from readsim.errors import ConfigError, UnlikeTrainingWarning
from readsim_rl.sb3_files import CARD, SavedModel, build_policy, read_model


@dataclass(frozen=True)
class Sb3(Configured):
    """alpha_t = the action of a saved Stable-Baselines3 policy, without its noise: `sb3+path=model.zip`.

    PPO, A2C and SAC, trained on readsim's environments with a "MultiInputPolicy", or with an "MlpPolicy" on
    flat observations (keys in alphabetical order), and RecurrentPPO with a "MultiInputLstmPolicy" or an
    "MlpLstmPolicy". Shares or discrete candidates. Networks of `net_arch` and `activation_fn`; nothing of
    the file is unpickled.

    A file that `readsim_rl.save_sb3` wrote also says what it was trained on, which is compared with the run:
    another number of sources, capabilities or past steps is refused; other names or steps, and a task,
    budget or kind of utility that was not among those of training, are said in a warning. An allocator does
    not know its world, so that another world is not said. The file holds the statistics of a `VecNormalize`
    and the candidate set too. Without it observations are taken as they are, and discrete actions as
    `DiscreteCandidates` makes them by default.

    Training such a policy is simulated and free, as the tokens of `trained` are. Needs the `rl` extra.

    path   the file
    """

    path: str = field(default="", metadata={"provenance": "the user's"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.path, str) or not self.path:
            raise ConfigError(
                "sb3: path is needed, the file that model.save wrote: sb3+path=model.zip"
            )
        object.__setattr__(self, "_model", read_model(self.path))
        object.__setattr__(self, "_policies", {})

    @property
    def model(self) -> SavedModel:
        """What the file says."""
        model: SavedModel = self.__dict__["_model"]
        return model

    def settings(self) -> list[tuple[str, str, str]]:
        """The file, then what its card says of the training."""
        named = (
            "algorithm",
            "timesteps",
            "worlds",
            "tasks",
            "budgets",
            "utilities",
            "steps",
            "reward",
        )
        card = self.model.card
        said = [(n, _short(card[n]), "the file's card") for n in named if n in card]
        return super().settings() + said

    def check_setup(self, setup: Setup) -> None:
        card, name = self.model.card, f"sb3 policy {self.path!r}"
        now = {
            "sources": list(setup.sources),
            "capabilities": list(setup.capabilities),
            "history": setup.history,
            "steps": setup.steps,
        }
        for key, value in now.items():
            was = card.get(key, value)
            if was == value:
                continue
            sizes = [len(x) if isinstance(x, list) else x for x in (was, value)]
            if key != "steps" and sizes[0] != sizes[1]:
                what = "past steps" if key == "history" else key
                raise ConfigError(
                    f"{name} was trained with {sizes[0]} {what}, this run has {sizes[1]}"
                )
            warnings.warn(
                f"{name} was trained with {key} {_short(was)}, this run has {_short(value)}",
                UnlikeTrainingWarning,
                stacklevel=2,
            )
        for key, here in (
            ("tasks", setup.task_name),
            ("budgets", setup.budget),
            ("utilities", setup.utility),
        ):
            known = card.get(key)
            if known and here not in ("", *known):
                warnings.warn(
                    f"{name} was trained with {key} {_short(known)}, this run has {here}",
                    UnlikeTrainingWarning,
                    stacklevel=2,
                )
        self._check_actions(setup, name)
        self._check_normalisation(setup, name)
        self._policy(setup)

    def _check_actions(self, setup: Setup, name: str) -> None:
        """ConfigError where the policy's actions are not shares of this run's sources."""
        s, candidates = len(setup.sources), self._candidates(setup)
        entries = self.model.actions if candidates is None else candidates.shape[1]
        if entries != s:
            why = "with allow_stop=True, which a run of an allocator does not have, or "
            raise ConfigError(
                f"{name} was trained {why if entries == s + 1 else ''}with "
                f"{entries} sources, this run has {s}"
            )
        if candidates is not None and len(candidates) != self.model.discrete:
            raise ConfigError(
                f"{name} has {self.model.discrete} actions, the default candidates of this run are "
                f"{len(candidates)}: save it with readsim_rl.save_sb3, which keeps its own"
            )

    def _check_normalisation(self, setup: Setup, name: str) -> None:
        """ConfigError where the statistics of the card are not of this run's observations."""
        sizes = self._sizes(setup)
        if self.model.flat:
            sizes = {"": sum(sizes.values())}
        rule = self.model.card.get("normalisation", {"keys": {}})
        for key, part in rule["keys"].items():
            found = {len(part["mean"]), len(part["var"])}
            if found != {sizes.get(key)}:
                raise ConfigError(
                    f"{name}: normalisation.keys[{key!r}] in its {CARD} has {max(found)} numbers, this "
                    f"run's observation {sizes.get(key, 'none')}: save it with readsim_rl.save_sb3 again"
                )

    def init(self, setup: Setup) -> State:
        """The state of a recurrent policy; nothing for the others."""
        return {"hidden": (), "begun": False}

    def select(self, state: State, context: Context) -> Array:
        return self._play(state, context)[0]

    def update(self, state: State, transition: Any) -> State:
        return {"hidden": self._play(state, transition.context)[1], "begun": True}

    def _play(self, state: State, context: Context) -> tuple[Array, tuple[Array, ...]]:
        """Shares (S,), and the hidden state after them."""
        setup = context.setup
        shown = self._normalised(context.observation())
        observation: Any = shown
        if self.model.flat:
            observation = self._normalised_flat(
                np.concatenate([shown[key] for key in sorted(shown)])
            )
        begun = np.array([not state["begun"]])
        hidden = tuple(np.asarray(part) for part in state["hidden"]) or None
        action, after = self._policy(setup).predict(
            observation, state=hidden, episode_start=begun, deterministic=True
        )
        candidates = self._candidates(setup)
        shares = np.asarray(action if candidates is None else candidates[int(action)], np.float64)
        return shares, () if after is None else tuple(np.asarray(part) for part in after)

    def _normalised(self, shown: dict[str, Array]) -> dict[str, Array]:
        rule = self.model.card.get("normalisation")
        if rule is None or self.model.flat:
            return shown
        return {k: _scaled(v, rule, k) if k in rule["keys"] else v for k, v in shown.items()}

    def _normalised_flat(self, shown: Array) -> Array:
        rule = self.model.card.get("normalisation")
        return shown if rule is None else _scaled(shown, rule, "")

    def _candidates(self, setup: Setup) -> Array | None:
        """Allocations (A, S) of discrete actions."""
        if not self.model.discrete:
            return None
        saved = self.model.card.get("candidates")
        return sparse_set(setup.prior) if saved is None else np.array(saved)

    @staticmethod
    def _sizes(setup: Setup) -> dict[str, int]:
        """Numbers of each part of an observation."""
        s, v, h = len(setup.sources), len(setup.capabilities), setup.history
        sizes = {"budget_left": 1, "profile": v, "requirement": v}
        return sizes | ({"history": h * (s + v + 2)} if h else {})

    def _policy(self, setup: Setup) -> Any:
        """Built once for each number of sources and size of observation."""
        s, v, h = len(setup.sources), len(setup.capabilities), setup.history
        policies: dict[tuple[int, int, int], Any] = self.__dict__["_policies"]
        if (s, v, h) not in policies:
            sizes = self._sizes(setup)
            space: spaces.Space[Any] = spaces.Dict({k: _any(n) for k, n in sizes.items()})
            if self.model.flat:
                space = _any(sum(sizes.values()))
            policies[s, v, h] = build_policy(self.model, space, s)
        return policies[s, v, h]


def _any(size: int) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, (size,), dtype=np.float64)


def _scaled(value: Array, rule: dict[str, Any], key: str) -> Array:
    """As `VecNormalize` does, with its statistics as they were."""
    mean, var = (np.array(rule["keys"][key][part]) for part in ("mean", "var"))
    out: Array = np.clip(
        (value - mean) / np.sqrt(var + rule["epsilon"]), -rule["clip"], rule["clip"]
    )
    return out


def _short(value: Any) -> str:
    """A list in a message."""
    if not isinstance(value, list):
        return str(value)
    return ", ".join(map(str, value[:8])) + (f", ... ({len(value)})" if len(value) > 8 else "")
