"""What a world must satisfy. Each message names the field, shows the value and says what is accepted."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, ReadsimError, WorldError, unknown
from readsim.files.names import check_name
from readsim.token_counts import SUFFIXES, show_tokens
from readsim.worlds.data import WorldData
from readsim.worlds.gains import gain, harm_grows_with_tokens
from readsim.worlds.links import LINKS
from readsim.worlds.terms.answer_format import formats_of

DYNAMICS = ("separable", "potential", "flow", "artifact")
GATE_FIELDS = ("capability", "needs", "threshold", "width", "low")
DRIFT_FIELDS = ("after_tokens", "help")
LIMITS = ("overtraining_tokens", "interference_limit", "rehearsal_share")  # infinite: off
ROUNDING = 1e-9
MOST_NAMES = 1000  # of sources, or of capabilities


def validate_world(world: WorldData) -> None:
    """Raise WorldError for the first contradiction found."""
    _names(world)
    _shapes(world)
    if world.dynamics not in DYNAMICS:
        raise WorldError(f"dynamics: {unknown('dynamics', world.dynamics, DYNAMICS)}")
    if world.link not in LINKS:
        raise WorldError(f"link: {unknown('link', world.link, LINKS)}")
    try:
        for family in world.gain:
            gain(family)
    except ReadsimError as error:
        raise WorldError(f"gain: {error}") from error
    _bounds(world)
    _measurement(world)
    _mode(world)
    if world.link == "identity" and world.dynamics != "artifact":
        _room(world)


def _fail(field: str, value: object, accepted: str) -> None:
    raise WorldError(f"{field} = {value!r}: {accepted}")


def _names(world: WorldData) -> None:
    check_name(world.name, "name", WorldError)
    for task in world.tasks:
        check_name(task, "tasks", WorldError)
    for field in ("capabilities", "sources"):
        names = getattr(world, field)
        if not names:
            _fail(field, names, "at least one name is needed")
        if len(names) > MOST_NAMES:
            raise WorldError(f"{field}: {len(names)} names, and {MOST_NAMES} are the most")
        for name in names:
            check_name(name, field, WorldError)
        doubled = sorted({n for n in names if names.count(n) > 1})
        if doubled:
            _fail(field, doubled[0], "each name may appear once")
    for name in world.hidden:
        if name not in world.capabilities:
            raise WorldError(f"hidden: {unknown('capability', name, world.capabilities)}")
    if len(set(world.hidden)) >= len(world.capabilities):
        _fail("hidden", world.hidden, "at least one capability must stay visible")


def _shapes(world: WorldData) -> None:
    s, k = world.shape
    wanted: dict[str, tuple[int, ...]] = dict.fromkeys(
        ("start", "floor", "ceiling", "process_sd", "forgetting_tokens"), (k,)
    )
    wanted |= dict.fromkeys(("items", "test_items", "probe_bias", "probe_slope"), (k,))
    wanted |= dict.fromkeys(("overtraining_tokens", "interference_limit", "rehearsal_share"), (k,))
    m = world.curves
    wanted |= dict.fromkeys(("pool_tokens", "efficiency_sd", "repetition_harm"), (s,))
    wanted |= {"scale_tokens": (m,), "help": (m, k), "harm": (m, k)}
    if world.feeds.size:
        wanted["feeds"] = (s, m)
    may_be_infinite = ("floor", "forgetting_tokens", "pool_tokens", *LIMITS)
    for field, shape in wanted.items():
        value: Array = getattr(world, field)
        if value.shape != shape:
            _fail(
                field,
                value.shape,
                f"expected shape {shape} for {s} sources and {k} capabilities",
            )
        if np.isnan(value).any() or (field not in may_be_infinite and not np.isfinite(value).all()):
            _fail(field, _first_bad(value), "numbers must be finite")
    if len(world.gain) != m:
        _fail(
            "gain",
            world.gain,
            f"expected one family for all, or one for each of the {m} gain curves",
        )


def _first_bad(value: Array) -> float:
    return float(value[~np.isfinite(value)][0])


def _bounds(world: WorldData) -> None:
    for field in ("help", "harm", "feeds", "efficiency_sd", "process_sd", "repetition_harm"):
        if getattr(world, field).size and (getattr(world, field) < 0).any():
            _fail(field, float(getattr(world, field).min()), "values must be >= 0")
    for field in ("scale_tokens", "forgetting_tokens", "pool_tokens", *LIMITS):
        if (getattr(world, field) <= 0).any():
            _fail(field, float(getattr(world, field).min()), "values must be > 0")
    if not world.horizon > 0:
        _fail("horizon", world.horizon, "expected a number of tokens > 0")
    for j, name in enumerate(world.capabilities):
        low, start, high = (float(v[j]) for v in (world.floor, world.start, world.ceiling))
        if not low <= start <= high:
            _fail(f"start of {name}", start, f"must lie between floor {low:g} and ceiling {high:g}")
        if world.is_score and (low == -np.inf or high > 1):
            expected = "scores lie in [0, 1], and floors below 0 where chance is taken off"
            _fail(f"floor and ceiling of {name}", (low, high), expected)
        if world.dynamics == "artifact" and (low, high) != (0.0, 1.0):
            _fail(f"floor and ceiling of {name}", (low, high), "the artifact mode has 0 and 1")
        if world.link == "exponential" and start == high:
            _fail(f"start of {name}", start, "the exponential link needs start < ceiling")
        if world.link == "logistic" and not low < start < high:
            _fail(f"start of {name}", start, "the logistic link needs floor < start < ceiling")
        if world.link == "exponential" and low != -np.inf:
            _fail(f"floor of {name}", low, "negated losses have no floor: leave it out")


def _measurement(world: WorldData) -> None:
    if not 0.0 <= world.pairing <= 1.0:
        _fail("pairing", world.pairing, "expected a correlation between 0 and 1")
    for field in ("items", "test_items"):
        value: Array = getattr(world, field)
        if (value < 0).any() or (value != np.round(value)).any():
            _fail(field, value.tolist(), "expected whole numbers >= 0 (0: no noise)")
    if (world.probe_slope <= 0).any():
        _fail("probe_slope", world.probe_slope.tolist(), "values must be > 0")


def _mode(world: WorldData) -> None:
    flow_only = {
        "forgetting_tokens": bool(np.isfinite(world.forgetting_tokens).any()),
        "gates": bool(world.gates),
        "drift": bool(world.drift),
    }
    for field, used in flow_only.items():
        if used and world.dynamics != "flow":
            _fail(field, "given", f"only dynamics = 'flow' has it, not {world.dynamics!r}")
    if world.feeds.size and (world.dynamics != "potential" or world.link == "identity"):
        here = (world.dynamics, world.link)
        _fail("feeds", here, "shared gain curves need dynamics 'potential' and a link that bounds")
    if np.isfinite(world.pool_tokens).any() and world.dynamics == "artifact":
        _fail("pool_tokens", world.pool_tokens.tolist(), "the artifact mode has none")
    if world.process_sd.any() and world.cumulative:
        _fail("process_sd", world.process_sd.tolist(), "only 'flow' and 'artifact' have it")
    if world.dynamics == "separable":
        if world.link != "identity":
            _fail("link", world.link, "a separable world has the identity link (Assumption 4.4)")
        if world.harm.any():
            _fail("harm", float(world.harm.max()), "a separable world has none (Assumption 4.4)")
    if world.dynamics == "artifact" and world.link != "identity":
        _fail("link", world.link, "the artifact mode has the identity link")
    if not isinstance(world.substeps, int) or world.substeps < 1:
        _fail("substeps", world.substeps, "expected a whole number >= 1")
    _gates(world)
    _drift(world)
    _terms(world)


def _gates(world: WorldData) -> None:
    seen = set()
    for n, gate in enumerate(world.gates):
        where = f"gates[{n}]"
        for key in gate:
            if key not in GATE_FIELDS:
                raise WorldError(f"{where}: {unknown('field', key, GATE_FIELDS)}")
        for key in ("capability", "needs"):
            name = gate.get(key)
            if name not in world.capabilities:
                raise WorldError(
                    f"{where}.{key}: {unknown('capability', str(name), world.capabilities)}"
                )
        if gate["capability"] in seen or gate["capability"] == gate["needs"]:
            _fail(
                where, gate["capability"], "expected one gate per capability, on another capability"
            )
        seen.add(gate["capability"])
        numbers = {
            k: gate.get(k, d) for k, d in (("threshold", None), ("width", 0.02), ("low", 0.0))
        }
        for key, value in numbers.items():
            if not isinstance(value, int | float) or not np.isfinite(value):
                _fail(f"{where}.{key}", value, "a number is needed")
        if float(str(numbers["width"])) <= 0 or not 0 <= float(str(numbers["low"])) <= 1:
            _fail(where, gate, "width must be > 0 and low between 0 and 1")


def _drift(world: WorldData) -> None:
    if not world.drift:
        return
    for key in world.drift:
        if key not in DRIFT_FIELDS:
            raise WorldError(f"drift: {unknown('field', key, DRIFT_FIELDS)}")
    after = world.drift.get("after_tokens")
    if not isinstance(after, int | float) or not 0 <= after < np.inf:
        _fail("drift.after_tokens", after, "expected a number of tokens >= 0")
    try:
        matrix = np.asarray(world.drift.get("help"), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise WorldError("drift.help: expected a matrix of numbers") from error
    if matrix.shape != world.shape or not np.isfinite(matrix).all() or (matrix < 0).any():
        _fail("drift.help", matrix.shape, f"expected {world.shape} finite numbers >= 0")


def _terms(world: WorldData) -> None:
    """Terms of real runs: in which dynamics each may be on. `schedule` may be in all."""
    of_flow = {
        "rehearsal_share": bool(np.isfinite(world.rehearsal_share).any()),
        "formats": bool(world.formats),
    }
    of_both = {
        "overtraining_tokens": bool(np.isfinite(world.overtraining_tokens).any()),
        "repetition_harm": bool(world.repetition_harm.any()),
        "interference_limit": bool(np.isfinite(world.interference_limit).any()),
    }
    for field, used in of_flow.items():
        if used and world.dynamics != "flow":
            _fail(field, "given", f"only dynamics = 'flow' has it, not {world.dynamics!r}")
    for field, used in of_both.items():
        if used and (world.dynamics not in ("potential", "flow") or world.link == "identity"):
            here = (world.dynamics, world.link)
            _fail(field, here, "needs dynamics 'potential' or 'flow' and a link that bounds")
    _ = world.learning_rate  # says itself what is wrong with `schedule`
    formats_of(world.formats, world.sources, world.capabilities)


def _room(world: WorldData) -> None:
    """With the identity link the numbers themselves must keep profiles between the bounds."""
    if world.dynamics == "flow":
        _fail("link", "identity", "flow worlds need a link that keeps profiles inside the bounds")
    endless = not np.isfinite(world.horizon)
    if endless and (world.harm.any() or not world.gains.bounded.all()):
        _fail(
            "horizon",
            world.horizon,
            "with the identity link, unbounded gains and any harm need a finite horizon (tokens)",
        )
    if world.efficiency_sd.any() and (world.harm.any() or not world.gains.bounded.all()):
        _fail("efficiency_sd", world.efficiency_sd.tolist(), "needs bounded gains without harm")
    x = np.full(world.shape[0], 1.0) if endless else world.horizon / world.scale_tokens
    most = np.where(world.gains.bounded > 0, 1.0, world.gains.value(x)) @ world.help
    room = world.ceiling - world.start
    for j in np.flatnonzero(most > room + ROUNDING):
        _fail(
            f"help towards {world.capabilities[j]}",
            float(most[j]),
            f"sums past the ceiling: at most {float(room[j]):g} is left above the start",
        )
    if world.harm.any():
        u = world.gains.value(x)
        linear = np.array([harm_grows_with_tokens(f) for f in world.gain])
        worst = ((x - np.where(linear, 0.0, u))[:, None] * world.harm).max(axis=0)
        for j in np.flatnonzero(worst > world.start - world.floor + ROUNDING):
            _fail(
                f"harm towards {world.capabilities[j]}",
                float(worst[j]),
                f"passes the floor at the horizon: at most "
                f"{float(world.start[j] - world.floor[j]):g} is left below the start",
            )


FEW_TOKENS = 1000


def check_budget(world: WorldData, budget: float) -> None:
    """Refuse a budget past the horizon up to which the world's numbers are valid."""
    if budget > world.horizon:
        raise ConfigError(
            f"budget = {budget:g} tokens is past the horizon of world {world.name!r} "
            f"({world.horizon:g} tokens), up to which its profiles stay in bounds"
        )


def doubt_budget(world: WorldData, budget: float) -> None:
    """Warn of a budget below `FEW_TOKENS` where the world takes a thousand times as much: a K, M or B lacks.

    It takes as much as its horizon or, where that is infinite, ten times the scale of its gains.
    """
    scale = float(np.median(world.scale_tokens))
    most = world.horizon if np.isfinite(world.horizon) else 10.0 * scale
    meant = [budget * factor for factor in SUFFIXES.values() if budget * factor <= most]
    if budget < FEW_TOKENS and meant:
        warnings.warn(
            f"budget = {budget:g} tokens: did you mean {show_tokens(meant[-1])}? In world {world.name!r} the "
            f"scale of the gains is {show_tokens(float(f'{scale:.2g}'))} tokens.",
            stacklevel=1,  # the same place each time, so that it is said once
        )


@contextmanager
def undoubted() -> Iterator[None]:
    """Without the warning of `doubt_budget`: for environments that are made on behalf of another one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"budget = \S+ tokens: did you mean")
        yield
