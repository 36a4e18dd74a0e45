"""What the vector environment is made with and reset to, checked and read."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from readsim.errors import ConfigError, RenderModeError, shown

MOST_ENVS = 1_000_000

T = TypeVar("T")


def check_vector_arguments(
    num_envs: int, backend: object, max_episode_steps: int | None, render_mode: str | None
) -> None:
    """ConfigError for what no vector environment can be made with."""
    if backend is not None:
        raise ConfigError("backend: one run at a time, with gymnasium.make instead of make_vec")
    whole = isinstance(num_envs, int | np.integer) and not isinstance(num_envs, bool)
    if not whole or not 1 <= num_envs <= MOST_ENVS:
        raise ConfigError(
            f"num_envs = {shown(num_envs)}: expected a whole number from 1 to {MOST_ENVS}"
        )
    if max_episode_steps is not None and max_episode_steps < 1:
        raise ConfigError(
            f"max_episode_steps = {max_episode_steps!r}: expected a number of at least 1, or None"
        )
    if render_mode is not None:
        raise RenderModeError(f"render_mode = {render_mode!r}: there is nothing to render")


def refuse_with_worlds(**given: object) -> None:
    """ConfigError for the arguments of one world, which `worlds` takes the place of."""
    instead = {"task": ": give `tasks`", "budget": ": give `budgets`"}
    for name, value in given.items():
        if value is not None:
            raise ConfigError(f"`{name}` cannot be given with `worlds`{instead.get(name, '')}")


def need_worlds(**given: object) -> None:
    """ConfigError for the arguments that mean something with `worlds` only."""
    for name, value in given.items():
        if value is not None:
            raise ConfigError(f"`{name}`: give it together with `worlds`")


def each_of(
    options: Mapping[str, Any],
    name: str,
    runs: NDArray[np.int64],
    total: int,
    read: Callable[[Any], T],
) -> list[T] | None:
    """The reset option for each of the named runs, read once where it is one for all."""
    if name not in options:
        return None
    value = options[name]
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        return [read(value)] * len(runs)
    if len(value) != total:
        raise ConfigError(
            f"reset option {name!r}: {len(value)} values, expected one for all runs or one for "
            f"each of {total}"
        )
    return [read(value[run]) for run in runs]
