"""Hypothesis strategies for worlds, tasks and schedules.

Most numbers are multiples of 1/60: they shrink well, hit the bounds 0 and 1 often, and round.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import NDArray

from readsim.allocators.registry import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.runs.log_schema import Row, plain
from readsim.runs.loop import rollout
from readsim.worlds import Task, World
from readsim.worlds.gains import Gain, GainBank, gain

BUDGET = 10_000_000.0  # tokens, for which drawn worlds are valid
FAMILIES = ("exponential", "log", "hill", "power", "power:0.25", "power:0.9", "broken")
LINKS = ("identity", "saturating", "logistic", "exponential")
BOUNDED_LINKS = LINKS[1:]
KINDS = ("linear", "ces:0.5", "ces:-2", "capped:0.5")
TERMS = ("overtraining", "repetition", "interference", "rehearsal", "formats", "schedule")


def parts(low: int, high: int) -> SearchStrategy[float]:
    """Multiples of 1/60 from low/60 to high/60."""
    return st.integers(low, high).map(lambda n: n / 60)


def grids(shape: int | tuple[int, ...], low: int, high: int) -> SearchStrategy[Array]:
    """Arrays of such multiples."""
    return _integers(shape, high - low).map(lambda n: (n + low) / 60)


def allocations(size: int) -> SearchStrategy[Array]:
    """Points of the simplex (size,): corners, edges, faces and inner points, each often at any size."""
    counts = _integers(size, 9).filter(lambda n: n.sum() > 0).map(lambda n: n / n.sum())
    place = st.integers(0, size - 1)
    corner = place.map(lambda i: np.eye(size)[i])
    edge = st.tuples(place, place, parts(0, 60)).map(
        lambda e: e[2] * np.eye(size)[e[0]] + (1 - e[2]) * np.eye(size)[e[1]]
    )
    return st.one_of(corner, edge, counts)


def requirements(size: int) -> SearchStrategy[Array]:
    """Requirement vectors r (size,): on the simplex, one-hot and sparse ones as often as full ones."""
    return allocations(size)


def profiles(world: World) -> SearchStrategy[Array]:
    """Profiles (K,) between the floor and the ceiling of a world (losses: down to start - 1)."""
    low = np.where(np.isfinite(world.floor), world.floor, world.start - 1.0)
    return grids(len(low), 0, 60).map(lambda part: low + part * (world.ceiling - low))


def gain_curves() -> SearchStrategy[Gain]:
    """Gain curves u(x) of every family: concave, nondecreasing, u(0) = 0."""
    powers = parts(3, 57).map(lambda q: f"power:{q}")
    return st.one_of(st.sampled_from(FAMILIES), powers).map(gain)


def _integers(shape: int | tuple[int, ...], most: int) -> SearchStrategy[NDArray[np.int64]]:
    """Integers from 0 to `most`, from one draw of bytes: many times faster than number by number."""
    size = int(np.prod(shape))
    raw = st.binary(min_size=size, max_size=size)
    return raw.map(
        lambda b: (np.frombuffer(b, dtype=np.uint8) % (most + 1)).astype(np.int64).reshape(shape)
    )


def schedules(size: int, most: int = 6) -> SearchStrategy[Array]:
    """Tokens (T, S) of 1 to `most` intervals, 0 included, that sum to at most BUDGET."""
    return st.integers(1, most).flatmap(lambda t: grids((t, size), 0, 60).map(_to_budget))


def _to_budget(amounts: Array) -> Array:
    out: Array = amounts * (BUDGET / max(amounts.sum(), 1.0))
    return out


@st.composite
def tasks(draw: DrawFn, world: World, kinds: Sequence[str] = ("linear",)) -> Task:
    """A task whose utility has weight on some or all capabilities."""
    weights = draw(allocations(len(world.capabilities)))
    kind = draw(st.sampled_from(kinds))
    return Task("drawn", weights[world.visible_columns], weights, kind)


@st.composite
def worlds(
    draw: DrawFn,
    dynamics: Sequence[str] = ("separable", "potential", "flow", "artifact"),
    links: Sequence[str] = LINKS,
    families: Sequence[str] = FAMILIES,
    *,
    harm: bool = True,
    plain: bool = False,
    least: int = 1,
    most: int = 4,
) -> World:
    """A world of 1 to 4 sources and capabilities that is valid for BUDGET tokens.

    `plain` leaves out what only `flow` has: forgetting, gates, drift, process noise.
    """
    s, k = draw(st.integers(least, most)), draw(st.integers(least, most))
    mode = draw(st.sampled_from(dynamics))
    link = _link_of(draw, mode, links)
    one = st.sampled_from(families).map(lambda f: (f,) * s)
    gain = draw(st.one_of(one, st.tuples(*[st.sampled_from(families)] * s)))
    fields: dict[str, Any] = _bounds(draw, k, mode, link)
    fields |= {
        "scale_tokens": BUDGET * 2.0 ** (draw(_integers(s, 5)) - 3),
        "help": draw(grids((s, k), 0, 24)),
        "harm": draw(grids((s, k), -20, 12)).clip(min=0.0) * (harm and mode != "separable"),
    }
    capabilities = tuple(f"skill {j}" for j in range(k))
    if link == "identity" and mode != "artifact":
        _fit(fields, gain)
    if mode == "flow" and not plain:
        fields |= _flow_fields(draw, capabilities, s)
    return World(
        name="drawn",
        sources=tuple(f"pool {i}" for i in range(s)),
        capabilities=capabilities,
        dynamics=mode,
        link=link,
        gain=gain,
        **fields,
    )


def _link_of(draw: DrawFn, mode: str, links: Sequence[str]) -> str:
    if mode in ("separable", "artifact"):
        return "identity"
    chosen = [name for name in links if mode != "flow" or name != "identity"]
    return draw(st.sampled_from(chosen))


def _bounds(draw: DrawFn, k: int, mode: str, link: str) -> dict[str, Array]:
    inside = int(link in ("logistic", "exponential"))  # these need some room
    below, above = draw(grids(k, inside, 20)), draw(grids(k, inside, 25))
    if link == "exponential":
        ceiling = -draw(grids(k, 0, 60))
        start = ceiling - 4 * above
        return {"start": start, "floor": np.full(k, -np.inf), "ceiling": ceiling}
    if mode == "artifact":
        return {"start": below + above, "floor": np.zeros(k), "ceiling": np.ones(k)}
    floor = draw(grids(k, 0, 12))
    start = floor + below
    return {"start": start, "floor": floor, "ceiling": start + above}


def _fit(fields: dict[str, Any], gain: tuple[str, ...]) -> None:
    """Scale help and harm so that the identity link stays in bounds up to BUDGET."""
    bank, x = GainBank(gain), BUDGET / fields["scale_tokens"]
    u = bank.value(x)
    linear = np.array([name.startswith("power") for name in gain])
    help_sum = np.where(bank.bounded > 0, 1.0, u) @ fields["help"]
    worst = ((x - np.where(linear, 0.0, u))[:, None] * fields["harm"]).max(axis=0)
    for key, most, room in (
        ("help", help_sum, fields["ceiling"] - fields["start"]),
        ("harm", worst, fields["start"] - fields["floor"]),
    ):
        fields[key] = fields[key] * np.minimum(1.0, room / np.where(most > 0.0, most, 1.0))
    fields["horizon"] = BUDGET


def _flow_fields(draw: DrawFn, capabilities: tuple[str, ...], s: int) -> dict[str, Any]:
    k = len(capabilities)
    fields: dict[str, Any] = {"substeps": draw(st.integers(1, 5))}
    tokens = draw(grids(k, 0, 120))
    fields["forgetting_tokens"] = np.where(tokens < 0.1, np.inf, tokens * BUDGET)
    fields["process_sd"] = draw(st.sampled_from([0.0, 0.001])) * np.ones(k)
    if draw(st.booleans()):
        after = draw(parts(0, 60)) * BUDGET
        fields["drift"] = {"after_tokens": after, "help": draw(grids((s, k), 0, 24)).tolist()}
    if k > 1 and draw(st.booleans()):
        needs = draw(st.permutations(capabilities))
        gate = {"capability": needs[0], "needs": needs[1], "threshold": draw(parts(0, 60))}
        fields["gates"] = ({**gate, "width": draw(parts(1, 12)), "low": draw(parts(0, 60))},)
    return fields


@st.composite
def terms(draw: DrawFn, world: World, names: Sequence[str] = TERMS) -> World:
    """The world with some or all of the named terms of `readsim.worlds.terms` that its dynamics may have."""
    s, k = world.shape
    bounded = world.dynamics in ("potential", "flow") and world.link != "identity"
    changes: dict[str, Any] = {}

    def wanted(name: str, possible: bool) -> bool:
        return name in names and possible and draw(st.booleans())

    def some(low: int, high: int, unit: float) -> Array:
        """(K,) numbers above 0, a third of them infinite."""
        number = draw(grids(k, low, high))
        return np.where(number > (2 * high + low) / 180, np.inf, number * unit)

    if wanted("overtraining", bounded):
        changes["overtraining_tokens"] = some(10, 120, BUDGET)
    if wanted("repetition", bounded):
        changes["pool_tokens"] = draw(grids(s, 1, 60)) * BUDGET / 4
        changes["repetition_harm"] = draw(grids(s, 0, 60))
    if wanted("interference", bounded):
        changes["interference_limit"] = some(1, 30, 1.0)
    if wanted("rehearsal", world.dynamics == "flow"):
        changes["rehearsal_share"] = some(1, 30, 1.0)
    if wanted("formats", world.dynamics == "flow"):
        changes["formats"] = tuple(_format(draw, world, n) for n in range(draw(st.integers(1, 2))))
    if wanted("schedule", True):
        kind = draw(st.sampled_from(("constant", "linear", "cosine", "wsd")))
        parts_ = {
            "warmup": draw(parts(0, 12)),
            "end": draw(parts(0, 30)),
            "decay": draw(parts(6, 40)),
        }
        changes["schedule"] = {"kind": kind, **parts_}
    return world.replace(**changes)


def _format(draw: DrawFn, world: World, n: int) -> dict[str, object]:
    uses, shift = draw(grids(world.shape[0], 0, 30)), draw(grids(world.shape[1], -12, 12))
    return {
        "name": f"format {n}",
        "sources": dict(zip(world.sources, uses.tolist(), strict=True)),
        "scores": dict(zip(world.capabilities, shift.tolist(), strict=True)),
        "tokens": draw(parts(1, 30)) * BUDGET,
    }


@st.composite
def measured(draw: DrawFn, world: World) -> World:
    """The world with some or all of what makes it hard to measure, for any link.

    Hidden capabilities, probe bias and slope, item counts, an efficiency that varies from run to run,
    finite pools, and curves that sources share.
    """
    s, k = world.shape
    changes: dict[str, Any] = {
        "items": draw(grids(k, 0, 20)) * 60 * 16 // 1,
        "probe_bias": draw(grids(k, -6, 6)) * draw(st.booleans()),
    }
    if draw(st.booleans()):
        changes["probe_slope"] = draw(grids(k, 30, 90))
    if k > 1 and draw(st.booleans()):
        changes["hidden"] = world.capabilities[: draw(st.integers(1, k - 1))]
    bounded = world.dynamics in ("potential", "flow") and world.link != "identity"
    if bounded and draw(st.booleans()):
        changes["efficiency_sd"] = draw(grids(s, 0, 20))
    if bounded and draw(st.booleans()):
        changes["pool_tokens"] = draw(grids(s, 1, 60)) * BUDGET
    elif bounded and world.dynamics == "potential" and draw(st.booleans()):
        changes["feeds"] = np.maximum(draw(grids((s, s), 0, 60)), np.eye(s))
    return world.replace(**changes)


@st.composite
def slow_worlds(draw: DrawFn, most: int = 4) -> World:
    """Worlds whose gains start slowly and bend up before they bend down: behind a logistic link, from low."""
    world = draw(worlds(("potential",), ("logistic",), ("exponential",), harm=False, most=most))
    span = world.ceiling - world.floor
    low = world.floor + span * draw(parts(3, 9))
    return world.replace(start=low, help=np.eye(*world.shape) * span * draw(parts(30, 60)))


@st.composite
def run_logs(draw: DrawFn, steps: int = 3, allocator: str = "random") -> tuple[Row, list[Row]]:
    """(config, rows) of a short run of `allocator` in a drawn world, as a run log holds them."""
    world = draw(worlds(("separable", "potential", "flow")))
    task, seed = draw(tasks(world)), draw(st.integers(0, 2**31 - 1))
    env = DistillEnv(world, task, int(BUDGET), steps=steps)
    rows, _ = rollout([env], load_allocator(allocator), [seed])
    config = {
        "sources": list(world.sources),
        "capabilities": list(world.capabilities),
        "hidden": list(world.hidden),
        "requirement": task.requirement.tolist(),
        "task": task.name,
        "budget": int(BUDGET),
        "steps": steps,
        "allocator": allocator,
        "world": world.name,
    }
    return config, [plain(row, "row") for row in rows]
