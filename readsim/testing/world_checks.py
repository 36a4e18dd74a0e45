"""`check_world`: what every world promises, its dynamics above all."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from hypothesis import strategies as st

from readsim.arrays import Array
from readsim.testing.checks import CheckOutcome, Property, Skip, run_properties
from readsim.worlds import World, load_world, load_world_file, optimum, save_world, world_to_dict
from readsim.worlds.terms.answer_format import formats_of
from readsim.worlds.world import OPTIONAL_VECTORS

PARTS = 6


def _tokens(world: World) -> float:
    """A budget that moves the world: a mean scale, within its horizon."""
    scale = world.scale_tokens.mean() * 2.0 if world.scale_tokens.size else 2e7
    return float(min(scale, world.horizon))


def _schedule(world: World, seed: int) -> list[Array]:
    """Two to four random intervals of tokens (S,), some of them on one source."""
    rng = np.random.default_rng(seed)
    cuts = rng.dirichlet(np.ones(int(rng.integers(2, 5)))) * _tokens(world) * 0.98
    s = len(world.sources)
    one = np.eye(s)[rng.integers(s)]
    return [c * (one if rng.random() < 0.3 else rng.dirichlet(np.ones(s))) for c in cuts]


def _close(a: Array, b: Array, what: str, tolerance: float = 1e-9) -> None:
    gap = float(np.max(np.abs(np.asarray(a) - np.asarray(b)), initial=0.0))
    assert gap <= tolerance, f"{what}: differ by {gap:.3g}"


def starts_at_start(world: World) -> None:
    first = world.model.profile(world.initial(np.asarray(world.rate()), _tokens(world)))
    _close(first, world.start, "profile before training and `start`", 1e-12)
    _close(world.transfer_matrix(0.0), np.zeros(world.shape), "M(0) and 0", 1e-12)


def zero_tokens(world: World, seed: int) -> None:
    plan = _schedule(world, seed)
    nothing = [np.zeros(len(world.sources)), *plan, np.zeros(len(world.sources))]
    _close(world.profile_after(plan), world.profile_after(nothing), "with empty intervals")


def in_bounds(world: World, seed: int) -> None:
    end = world.profile_after(_schedule(world, seed))
    assert np.isfinite(end).all(), f"profile {end}"
    assert (end >= world.floor - 1e-9).all(), f"profile {end} is below the floor {world.floor}"
    assert (end <= world.ceiling + 1e-9).all(), f"{end} is above the ceiling {world.ceiling}"


def deterministic(world: World, seed: int) -> None:
    plan = _schedule(world, seed)
    _close(world.profile_after(plan), world.profile_after(plan), "two runs", 0.0)


def batch_equals_single(world: World, seed: int) -> None:
    plans = [_schedule(world, seed + n)[:2] for n in range(3)]
    together = world.profile_after([np.stack(part) for part in zip(*plans, strict=True)])
    for row, plan in zip(together, plans, strict=True):
        _close(row, world.profile_after(plan), "a run in a batch and alone")


def order_free(world: World, seed: int) -> None:
    if not world.order_free:
        raise Skip(_no_promise(world))
    plan = _schedule(world, seed)
    end = world.profile_after(plan)
    _close(end, world.profile_after(plan[::-1]), "a schedule and its reverse")
    _close(end, world.profile_after([np.sum(plan, axis=0)]), "a schedule and its sum at once")


def static_dominance(world: World, seed: int) -> None:
    if not world.cumulative:
        raise Skip(_no_promise(world))
    task, plan = world.task(world.task_names[0]), _schedule(world, seed)
    if not world.order_free:  # of runs that spend all, as stopping ends a learning rate early too
        plan = [part * (_tokens(world) / np.sum(plan)) for part in plan]
    best = optimum(world, task, _tokens(world), spend_all=not world.order_free)
    end = float(task.utility(world.profile_after(plan)))
    assert end <= best.utility + 1e-9 * (1 + abs(end)), f"{end} is above the optimum {best.utility}"


def concave(world: World, seed: int) -> None:
    if world.dynamics != "separable" or not world.order_free:
        raise Skip(_no_promise(world))
    rng = np.random.default_rng(seed)
    s, i = len(world.sources), int(rng.integers(len(world.sources)))
    b = rng.dirichlet(np.ones(s)) * _tokens(world) / 3
    step = np.eye(s)[i] * _tokens(world) / 4 * rng.random()
    low, middle, high = (world.profile_after([b + n * step]) for n in range(3))
    assert (high - middle >= -1e-12).all(), f"source {i} lowers a capability"
    assert (2 * middle - low - high >= -1e-12).all(), f"source {i} gains more from later tokens"


def equivariant(world: World, seed: int) -> None:
    if world.gates or world.drift or world.feeds.size:
        raise Skip("gates, drift and shared curves are not reordered here")
    rng = np.random.default_rng(seed)
    s, k = (rng.permutation(n) for n in world.shape)
    plan = _schedule(world, seed)
    changes: dict[str, object] = {"tasks": {}}
    own = {name: axis for name, _, axis in OPTIONAL_VECTORS}
    own |= {"scale_tokens": "S", "start": "K", "floor": "K", "ceiling": "K"}
    changes |= {name: getattr(world, name)[{"S": s, "K": k}[axis]] for name, axis in own.items()}
    changes |= {name: getattr(world, name)[np.ix_(s, k)] for name in ("help", "harm")}
    changes["gain"] = tuple(world.gain[i] for i in s)
    changes["sources"] = tuple(world.sources[i] for i in s)
    changes["capabilities"] = tuple(world.capabilities[j] for j in k)
    other = _changed(world, **changes)
    end = other.profile_after([part[s] for part in plan])
    _close(end, world.profile_after(plan)[k], "sources and capabilities in another order")


def terms_cost_and_protect(world: World, seed: int) -> None:
    if not world.terms or world.formats:
        raise Skip("no term with a direction is on")
    plan, nothing = _schedule(world, seed), np.full(world.shape[1], np.inf)
    end = world.profile_after(plan)
    if "overtraining" in world.terms:
        fresh = _changed(
            world, overtraining_tokens=nothing, repetition_harm=np.zeros(world.shape[0])
        )
        assert (end <= fresh.profile_after(plan) + 1e-9).all(), "overtraining helps"
    if "interference limit" in world.terms:
        free = _changed(world, interference_limit=nothing)
        assert (end >= free.profile_after(plan) - 1e-9).all(), "a limit of harm harms"
    # a limit that is reached later, and harm that has faded, may turn this one round
    alone = "interference limit" not in world.terms and np.isinf(world.forgetting_tokens).all()
    if "rehearsal" in world.terms and alone:
        bare = _changed(world, rehearsal_share=nothing)
        assert (end >= bare.profile_after(plan) - 1e-9).all(), "rehearsal harms"


def formats_shift(world: World, seed: int) -> None:
    formats = formats_of(world.formats, world.sources, world.capabilities)
    if formats is None:
        raise Skip("no format is on")
    plan = _schedule(world, seed)
    still = tuple({**table, "scores": {}} for table in world.formats)
    unseen = tuple({**table, "sources": {}} for table in world.formats)
    plain = _changed(world, formats=still).profile_after(plan)
    _close(plain, _changed(world, formats=unseen).profile_after(plan), "without shift or source", 0)
    moved = world.profile_after(plan) - plain
    assert (moved >= -1e-12)[(formats.shift >= 0.0).all(axis=0)].all(), (
        "a format lowers what it lifts"
    )
    assert (moved <= 1e-12)[(formats.shift <= 0.0).all(axis=0)].all(), (
        "a format lifts what it lowers"
    )


def learning_rate_counts(world: World, seed: int) -> None:
    if world.learning_rate.is_constant:
        raise Skip("the learning rate is constant")
    if world.drift:
        raise Skip("a drift counts plain tokens")
    plan = np.array(_schedule(world, seed))
    done = np.concatenate([[0.0], plan.sum(axis=1).cumsum()]) / plan.sum()
    counted = plan * world.learning_rate.mean(done[:-1], done[1:])[:, None]
    constant = _changed(world, schedule={})
    _close(world.profile_after(plan), constant.profile_after(counted), "tokens times their rate")


def _no_promise(world: World) -> str:
    return " and a ".join((f"{world.dynamics} worlds", *world.terms)) + " make no such promise"


def _changed(world: World, **changes: object) -> World:
    return world.replace(**changes) if type(world) is World else _again(world, changes)


def _again(world: World, changes: dict[str, object]) -> World:
    """A changed copy that stays of its class."""
    fields = {name: getattr(world, name) for name in world.__dataclass_fields__}
    return type(world)(**{**fields, **changes})


def round_trip(world: World) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "world.toml"
        save_world(world, path)
        again = load_world_file(path)
    assert world_to_dict(again) == world_to_dict(world), "the file holds other numbers"
    plan = _schedule(world, 0)
    _close(again.profile_after(plan), world.profile_after(plan), "the world of the file", 0.0)


SEEDS = st.integers(0, 2**16)
PROPERTIES = (
    Property("starts at start", "no training, no change; M(0) = 0", starts_at_start),
    Property("zero tokens", "intervals without tokens change nothing", zero_tokens, SEEDS),
    Property("bounds", "profiles stay between floor and ceiling", in_bounds, SEEDS),
    Property("determinism", "the same schedule, the same profile", deterministic, SEEDS),
    Property("batch equals single", "runs side by side do not touch", batch_equals_single, SEEDS),
    Property(
        "order free", "separable and potential: cumulative tokens alone count", order_free, SEEDS
    ),
    Property("static dominance", "no schedule ends above the optimum", static_dominance, SEEDS),
    Property("concave gains", "separable: Assumption 4.4", concave, SEEDS),
    Property(
        "terms", "overtraining costs; rehearsal and limits protect", terms_cost_and_protect, SEEDS
    ),
    Property("formats", "a format shifts its scores, and no others", formats_shift, SEEDS),
    Property("learning rate", "a token counts for the rate it meets", learning_rate_counts, SEEDS),
    Property("permutation equivariance", "names carry no numbers", equivariant, SEEDS),
    Property("file round trip", "saved and loaded it is the same world", round_trip),
)


def check_world(
    world: World | str,
    *,
    examples: int = 20,
    expected_failures: Mapping[str, str] | None = None,
    on_fail: Literal["raise"] | None = "raise",
) -> list[CheckOutcome]:
    """Test the properties of a world: a World, also of a subclass with a `model` of its own, or a name.

    What is tested: `[p.name for p in readsim.testing.world_checks.PROPERTIES]`. `expected_failures` maps a
    property to the reason for which it does not hold. Raises CheckError.
    """
    loaded = world if isinstance(world, World) else load_world(world)
    return run_properties(
        PROPERTIES,
        loaded,
        examples=examples,
        expected_failures=expected_failures,
        on_fail=on_fail,
    )
