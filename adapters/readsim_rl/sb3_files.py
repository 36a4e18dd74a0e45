"""A Stable-Baselines3 model on disk, read without unpickling: a new network gets the file's weights.

`save_sb3` writes what `model.save` writes, and beside it in the same zip file `readsim.json`: what the model
was trained on, its normalisation, its candidate set. A file of `model.save` alone is played too, and then
nothing is known of these three.
"""

import ast
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from readsim.backend import OffersWorld
from readsim.errors import CapabilityMissingError, ConfigError, shown
from readsim.files import AnyPath

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.policies import BasePolicy

CARD = "readsim.json"
# By the module of the policy's class: the algorithms, the class for flat observations, that for a Dict.
KINDS = {
    "stable_baselines3.common.policies": (
        "PPO or A2C",
        "ActorCriticPolicy",
        "MultiInputActorCriticPolicy",
    ),
    "stable_baselines3.sac.policies": ("SAC", "SACPolicy", "MultiInputPolicy"),
    "sb3_contrib.common.recurrent.policies": (
        "RecurrentPPO",
        "RecurrentActorCriticPolicy",
        "RecurrentMultiInputActorCriticPolicy",
    ),
}
SMALL = 1024  # a size that needs no weight beside it
OF_TRAINING = ("optimizer_class", "optimizer_kwargs", "ortho_init", "log_std_init")


@dataclass(frozen=True, eq=False)
class SavedModel:
    """What a file says: the policy's kind and arguments, its weights, its spaces, its card ({} for none)."""

    module: str
    arguments: dict[str, Any]
    weights: Mapping[str, Any]
    flat: bool
    discrete: int  # number of candidates, 0 for shares
    actions: int  # numbers of an action, 0 for candidates
    card: dict[str, Any]


def read_model(path: AnyPath) -> SavedModel:
    """Of a file that Stable-Baselines3 saved. Raises ConfigError naming what cannot be played."""
    where = f"sb3 policy {str(path)!r}"
    try:
        with zipfile.ZipFile(path) as archive:
            data = json.loads(archive.read("data"))
            weights = _weights(archive.read("policy.pth"), where)
            card = json.loads(archive.read(CARD)) if CARD in archive.namelist() else {}
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{where}: not a file of Stable-Baselines3's `model.save`") from error
    _check_card(card, where)
    try:
        module = str(data["policy_class"].get("__module__"))
        action, observation = data["action_space"], str(data["observation_space"].get(":type:"))
        is_choice = "Discrete" in str(action.get(":type:"))
        discrete, actions = (int(action["n"]), 0) if is_choice else (0, int(action["_shape"][0]))
        saved = dict(data.get("policy_kwargs") or {})
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ConfigError(f"{where}: its `data` lacks the policy's class or spaces") from error
    if module not in KINDS:
        known = ", ".join(kind for kind, _, _ in KINDS.values())
        raise ConfigError(f"{where}: a policy of {module}; those of {known} can be played")
    arguments = _arguments(saved, where) | ({"use_sde": True} if data.get("use_sde") else {})
    _check_sizes(arguments, weights, where)
    return SavedModel(
        module, arguments, weights, "Dict" not in observation, discrete, actions, card
    )


def _check_card(card: Any, where: str) -> None:
    """ConfigError for a card that `save_sb3` did not write: of what is read of it, other kinds."""
    try:
        for key in ("sources", "capabilities", "tasks", "budgets", "worlds", "utilities"):
            if not isinstance(card.get(key, []), list):
                raise TypeError(key)
        if not isinstance(card.get("history", 0), int):
            raise TypeError("history")
        if "candidates" in card:
            np.array(card["candidates"], dtype=np.float64)[:, 0]
        rule = card.get("normalisation", {"keys": {}, "clip": 1.0, "epsilon": 0.0})
        float(rule["clip"]), float(rule["epsilon"])
        for part in rule["keys"].values():
            np.array([part["mean"], part["var"]], dtype=np.float64)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ConfigError(
            f"{where}: its {CARD} is not one that readsim_rl.save_sb3 wrote ({error!r})"
        ) from error


def _weights(data: bytes, where: str) -> Mapping[str, Any]:
    try:
        import torch
    except ImportError as error:
        raise CapabilityMissingError(f"{where} needs torch: pip install 'readsim[rl]'") from error
    try:
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged files
        raise ConfigError(f"{where}: its policy.pth is damaged") from error
    if not isinstance(found, Mapping):
        raise ConfigError(f"{where}: its policy.pth holds no weights by name")
    for name, value in found.items():
        if isinstance(value, torch.Tensor) and not torch.isfinite(value).all():
            raise ConfigError(
                f"{where}: {shown(name)} in its policy.pth has numbers that are not finite: train it "
                "again, with a lower learning rate"
            )
    return found


def _arguments(saved: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`policy_kwargs`, from the text that the file has beside what is pickled."""
    import torch

    out: dict[str, Any] = {}
    for name, value in saved.items():
        if name.startswith(":") or name in OF_TRAINING:
            continue
        text = str(value)
        if name == "activation_fn":
            kind = text.removesuffix("'>").rpartition(".")[2]
            found = getattr(torch.nn, kind, None)
            if not (isinstance(found, type) and issubclass(found, torch.nn.Module)):
                raise ConfigError(f"{where}: its activation {shown(text)} is not one of torch.nn")
            out[name] = found
            continue
        try:
            out[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError) as error:
            raise ConfigError(
                f"{where}: its policy_kwargs have {name} = {shown(text)}, which only its own program can "
                "build; networks of `net_arch` and `activation_fn` can be played"
            ) from error
    return out


def _check_sizes(arguments: Mapping[str, Any], weights: Mapping[str, Any], where: str) -> None:
    """ConfigError for numbers that no weight is as large as: a network is made before it is compared."""
    most = max((max(getattr(w, "shape", ()), default=0) for w in weights.values()), default=0)
    waiting: list[Any] = list(arguments.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)
        elif isinstance(value, int) and value > max(most, SMALL):
            raise ConfigError(
                f"{where}: its policy_kwargs have {value} somewhere, and no weight of it is as large"
            )


def build_policy(model: SavedModel, observation: spaces.Space[Any], sources: int) -> "BasePolicy":
    """The policy with its weights. Raises ConfigError where they are of other spaces, CapabilityMissingError
    without the package."""
    from importlib import import_module

    import torch

    try:
        home = import_module(model.module)
    except ImportError as error:
        package = model.module.partition(".")[0]
        raise CapabilityMissingError(f"sb3 needs {package}: pip install 'readsim[rl]'") from error
    kind = getattr(home, KINDS[model.module][1 if model.flat else 2])
    action: spaces.Space[Any] = spaces.Box(0.0, 1.0, (sources,), dtype=np.float32)
    if model.discrete:
        action = spaces.Discrete(model.discrete)
    try:
        with torch.random.fork_rng(devices=[]):  # first weights are drawn and replaced
            policy: BasePolicy = kind(observation, action, lambda _: 0.0, **model.arguments)
        policy.load_state_dict(model.weights)
    except (RuntimeError, TypeError, ValueError, AssertionError, AttributeError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(
            f"sb3 policy: its weights are not of its policy_kwargs and this run's spaces: {said[:200]}"
        ) from error
    policy.set_training_mode(False)
    return policy


def save_sb3(model: "BaseAlgorithm", path: AnyPath) -> Path:
    """`model.save(path)`, and in the same file what it was trained on, so that `sb3+path=...` can tell a
    mismatch; with the statistics of a `VecNormalize` and the candidates of discrete actions.

    The file, which is what is returned, has `.zip` behind a name without it. Raises ConfigError for a model
    without a readsim environment.
    """
    target = Path(path)
    if target.suffix != ".zip":
        target = target.with_name(f"{target.name}.zip")
    env = model.get_env()
    if env is None:
        raise ConfigError("save_sb3: the model has no environment; set one with model.set_env")
    card = sb3_card(env, model)
    model.save(target)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(CARD, json.dumps(card, indent=1))
    return target


def sb3_card(env: Any, model: "BaseAlgorithm") -> dict[str, Any]:
    """What a model is trained on."""
    try:
        episode = env.get_attr("episode")[0]
        sources, visible = list(episode.sources), list(episode.visible)
    except AttributeError as error:
        raise ConfigError("save_sb3: the model's environment is not one of readsim's") from error
    card: dict[str, Any] = {
        "algorithm": type(model).__name__,
        "timesteps": int(model.num_timesteps),
        "sources": sources,
        "capabilities": visible,
        "steps": episode.steps,
        "history": episode.history,
        "reward": episode.pays,
        **_drawn(env, episode),
    }
    if isinstance(model.action_space, spaces.Discrete):
        card["candidates"] = np.asarray(env.get_attr("candidates")[0]).tolist()
    normalise = model.get_vec_normalize_env()
    if normalise is not None and normalise.norm_obs:
        rms = normalise.obs_rms
        each = rms if isinstance(rms, dict) else {"": rms}
        card["normalisation"] = {
            "clip": normalise.clip_obs,
            "epsilon": normalise.epsilon,
            "keys": {k: {"mean": v.mean.tolist(), "var": v.var.tolist()} for k, v in each.items()},
        }
    return card


def _drawn(env: Any, episode: Any) -> dict[str, Any]:
    """Names of worlds and tasks, and budgets: all that are drawn from, or those of the environment."""
    try:
        found: dict[str, Any] = env.get_attr("drawn_from")[0]
    except AttributeError:
        known = {"tasks": [episode.task.name], "budgets": [episode.budget]}
        return known | {"worlds": [_world_name(env)], "utilities": [episode.task.kind]}
    return found


def _world_name(env: Any) -> str:
    """Of the simulated world, or of the class of any other backend."""
    backend = env.get_attr("backend")[0]
    return backend.world.name if isinstance(backend, OffersWorld) else type(backend).__name__
