"""What an allocator may know of a run before its start, and what it needs of the backend."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np

from readsim.allocators.base import Allocator, Setup
from readsim.backend import (
    OffersAlignment,
    OffersMerging,
    OffersOutlook,
    OffersSourceSignals,
    OffersSourceSizes,
    OffersTeacher,
    OffersWorld,
    TokenUsage,
    probe_items_of,
    schedule_of,
)
from readsim.envs.env import DistillEnv
from readsim.envs.episode import source_prior
from readsim.envs.offline_pool import offline_pool
from readsim.envs.rollback import need_rollback
from readsim.errors import CapabilityMissingError, ConfigError

T = TypeVar("T")
NEEDS = ("transitions", "world", "outlook", "teacher", "alignment", "merging", "signals")


def setup_for(env: DistillEnv, allocator: Allocator, seed: int, *, begun: bool = False) -> Setup:
    """What this allocator may know of this run; one that has `begun` in another run has had its transitions.

    Raises CapabilityMissingError for unmet needs, ConfigError for settings that do not suit it."""
    episode, backend, called = env.episode, env.backend, type(allocator).__name__
    if np.isfinite(allocator.rollback):
        need_rollback(backend)
    extras: dict[str, Any] = {}
    for need in sorted(allocator.needs - ({"transitions"} if begun else set())):
        if need == "trial":
            extras["trial"] = lambda a, tokens, charge: env.trial(a, tokens, charge=charge)
        elif need not in NEEDS:
            raise ConfigError(f"{called}.needs names {need!r}: unknown")
        elif need == "transitions":
            extras[need] = _charged(env, partial(offline_pool, backend, episode, seed=seed))
        elif need == "teacher" and isinstance(backend, OffersTeacher):
            extras[need] = _charged(env, backend.teacher_profile)
        elif need == "alignment" and isinstance(backend, OffersAlignment):
            extras[need] = _charged(env, backend.alignment)
        elif need == "merging" and isinstance(backend, OffersMerging):
            extras["merged"] = _charged(env, backend.merged_profiles)
        elif need == "signals" and isinstance(backend, OffersSourceSignals):
            continue  # they come with each transition
        elif need == "world" and isinstance(backend, OffersWorld):
            extras["world"], extras["task"] = backend.world, episode.task
        elif need == "outlook" and isinstance(backend, OffersOutlook):
            extras["outlook"] = backend.outlook
        else:
            raise CapabilityMissingError(
                f"{called} needs {need!r}, which this backend does not offer"
            )
    endless = np.full(len(episode.sources), np.inf)
    pools = backend.source_sizes() if isinstance(backend, OffersSourceSizes) else endless
    made = Setup(
        sources=episode.sources,
        capabilities=episode.visible,
        requirement=env.requirement,
        prior=source_prior(env.requirement, episode.visible, episode.sources),
        budget=episode.budget,
        steps=episode.steps,
        reward=episode.reward,
        history=episode.history,
        seed=seed,
        scores=episode.scale.is_score,
        lowest=episode.scale.lowest,
        pools=pools,
        items=probe_items_of(backend),
        utility=episode.task.kind,
        task_name=episode.task.name,
        learning_rate=schedule_of(backend),
        **extras,
    )
    allocator.check_setup(made)
    return made


def _charged(env: DistillEnv, measure: Callable[..., tuple[T, TokenUsage]]) -> Callable[..., T]:
    """`measure` for the allocator: the value alone, while the run is charged with what it used."""

    def value(*arguments: Any, **how: Any) -> T:
        found, used = measure(*arguments, **how)
        env.charge(used)
        return found

    return value
