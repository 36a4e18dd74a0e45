"""A seeded family of worlds, for property tests and for averages over many worlds; `random:` as text.

The family has few knobs and is narrower than real runs: see `readsim.worlds.prior` for worlds as varied."""

from typing import Any

import numpy as np

from readsim.errors import ConfigError, shown, unknown
from readsim.streams import checked_seed
from readsim.worlds.prior import draw_world
from readsim.worlds.validation import MOST_NAMES
from readsim.worlds.world import World

MOST_FACTOR = 1e6  # of the numbers that scale the family

FIELDS: dict[str, type] = {
    "seed": int,
    "sources": int,
    "capabilities": int,
    "hidden": int,
    "coupling": float,
    "negative": float,
    "curvature": float,
    "noise": float,
    "dynamics": str,
    "schedule": str,
    "prior": str,
}
WITH_PRIOR = (
    "prior",
    "seed",
    "sources",
    "capabilities",
    "hidden",
)  # the others are ranges of the prior


def random_world(
    seed: int = 0,
    *,
    sources: int | None = None,
    capabilities: int = 8,
    coupling: float = 0.1,
    negative: float = 0.3,
    curvature: float = 1.0,
    noise: float = 1.0,
    dynamics: str = "potential",
    schedule: str = "constant",
) -> World:
    """A world drawn from a stated family; all numbers are ours.

    seed          the draw
    sources       S; K by default
    coupling      mean size of a cross effect, as a share of the mean own effect
    negative      share of cross effects that harm (0 with `separable`, which has no harm)
    curvature     budget of 60M tokens over the gain scale: 0.1 nearly straight, 10 saturates early
    noise         1: probes of 64 items; 0: exact; items = 64 / noise^2, at least 1
    dynamics      `separable`, `potential` or `flow` (with forgetting and process noise)
    schedule      the learning rate: `constant`, `linear`, `cosine` or `wsd`

    Own effects are uniform in [0.1, 0.4] of the range between start (uniform in [0.2, 0.5]) and
    ceiling (0.9); cross effects are exponentially distributed around `coupling` times the mean own
    effect. Source i is capability i's own source for i < min(S, K).
    """
    k = capabilities
    s = k if sources is None else sources
    checked_seed(seed)
    for name, value in (("capabilities", k), ("sources", s)):
        if not 1 <= value <= MOST_NAMES:
            raise ConfigError(
                f"{name} = {shown(value)}: expected a number of at least 1, at most {MOST_NAMES}"
            )
    for name, number in (("coupling", coupling), ("noise", noise)):
        if not 0 <= number <= MOST_FACTOR:
            raise ConfigError(
                f"{name} = {number!r}: expected a number >= 0, at most {MOST_FACTOR:g}"
            )
    if not 0 <= negative <= 1:
        raise ConfigError(f"negative = {negative!r}: expected a share between 0 and 1")
    if not 1 / MOST_FACTOR <= curvature <= MOST_FACTOR:
        raise ConfigError(
            f"curvature = {curvature!r}: expected a number > 0, from {1 / MOST_FACTOR:g} to {MOST_FACTOR:g}"
        )
    if dynamics not in ("separable", "potential", "flow"):
        raise unknown("dynamics", dynamics, ("separable", "potential", "flow"))
    rng = np.random.default_rng(seed)
    start = rng.uniform(0.2, 0.5, k)
    ceiling = np.full(k, 0.9)
    own = rng.uniform(0.1, 0.4, k) * (ceiling - start)
    size = rng.exponential(coupling * own.mean(), (s, k))
    harmful = rng.random((s, k)) < (0.0 if dynamics == "separable" else negative)
    scale = 60e6 / curvature * np.exp(rng.uniform(-0.5, 0.5, s))
    diagonal = np.eye(s, k, dtype=np.bool_)
    help_ = np.where(diagonal, own, np.where(harmful, 0.0, size))
    if dynamics == "separable":  # under the identity link all help must fit below the ceiling
        help_ /= np.maximum(1.0, help_.sum(axis=0) / (ceiling - start))
    named = [f"skill_{j}" for j in range(max(s, k))]
    flow = dynamics == "flow"
    return World(
        name=f"random-{seed}",
        description=f"drawn: {s} sources, {k} capabilities, {dynamics}",
        sources=tuple(named[:s]),
        capabilities=tuple(named[:k]),
        dynamics=dynamics,
        link="identity" if dynamics == "separable" else "saturating",
        start=start,
        floor=np.zeros(k),
        ceiling=ceiling,
        gain=("exponential",) * s,
        scale_tokens=scale,
        help=help_,
        harm=np.where(diagonal | ~harmful, 0.0, size),
        forgetting_tokens=rng.uniform(2e8, 1e9, k) if flow else np.full(k, np.inf),
        process_sd=np.full(k, 0.001 * noise) if flow else np.zeros(k),
        schedule={} if schedule == "constant" else {"kind": schedule},
        items=np.full(k, max(np.round(64 / noise**2), 1.0) if noise > 0 else 0.0),
        provenance={
            "family": f"readsim random family, seed {seed}, coupling {coupling:g}, negative "
            f"{negative:g}, curvature {curvature:g}, noise {noise:g}"
        },
    )


def random_world_from_text(text: str) -> World:
    """`random`, `random:seed=3,capabilities=5,...`, or `random:prior=broad,seed=3`, where a prior may be a
    file: `random:prior=mine.toml`."""
    _, _, rest = text.partition(":")
    settings: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if key not in FIELDS:
            raise unknown("field of the random family", key, FIELDS)
        if key in settings:
            raise ConfigError(f"{text!r}: {key} is given twice")
        try:
            settings[key] = FIELDS[key](value)
        except ValueError as error:
            raise ConfigError(
                f"{key} = {value!r} in {text!r}: expected {FIELDS[key].__name__}"
            ) from error
        if not equals:
            raise ConfigError(f"{part!r} in {text!r}: expected {key}=VALUE")
    if "prior" not in settings:
        if "hidden" in settings:
            raise ConfigError(f"hidden in {text!r}: only a prior hides capabilities: prior=broad")
        return random_world(**settings)
    if other := [key for key in settings if key not in WITH_PRIOR]:
        raise ConfigError(
            f"{other[0]} in {text!r}: with a prior, which has ranges of its own, only "
            f"{', '.join(WITH_PRIOR)} can be given"
        )
    return draw_world(**settings)
