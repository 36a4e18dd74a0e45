"""What every backend promises, whatever it trains: see `readsim.backend.Backend`."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from readsim.allocators.read.allocator import ReAD
from readsim.arrays import Array
from readsim.backend import (
    Backend,
    DurableBackend,
    Final,
    Measurement,
    OffersRollback,
    OffersTrainedShares,
    scale_of,
)
from readsim.envs.env import DistillEnv
from readsim.envs.ledger import BUDGETED, KINDS
from readsim.envs.offline_pool import offline_pool
from readsim.runs.loop import rollout
from readsim.runs.shown import trained_row
from readsim.testing.checks import CheckOutcome, Property, Skip, run_properties
from readsim.tree_file import load_tree, save_tree

Make = Callable[[], Backend]
Tree = dict[str, Any]
TOKENS = 50
POOL = 8


def describe_difference(a: Any, b: Any, at: str = "") -> str | None:
    """Where two trees of dicts, lists, tuples and arrays first differ, with both values.

    None where they are equal to the last bit; NaN equals NaN.
    """
    if isinstance(a, dict) and isinstance(b, dict):
        keys = [*a, *(key for key in b if key not in a)]
        places = [(f"{at}.{key}" if at else str(key), key) for key in keys]
        found = (_entries_differ(a, b, key, place) for place, key in places)
        return next((text for text in found if text), None)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        if len(a) != len(b):
            return f"{at} has {len(a)} entries and then {len(b)}"
        pairs = enumerate(zip(a, b, strict=True))
        found = (describe_difference(x, y, f"{at}[{n}]") for n, (x, y) in pairs)
        return next((text for text in found if text), None)
    return _arrays_differ(np.asarray(a), np.asarray(b), at)


def _entries_differ(a: Tree, b: Tree, key: object, at: str) -> str | None:
    if key not in a or key not in b:
        return f"{at} is there the {'first' if key in a else 'second'} time only"
    return describe_difference(a[key], b[key], at)


def _arrays_differ(a: NDArray[Any], b: NDArray[Any], at: str) -> str | None:
    if np.array_equal(a, b, equal_nan=a.dtype.kind == b.dtype.kind == "f"):
        return None
    if a.shape != b.shape:
        return f"{at} has the shape {a.shape} and then {b.shape}"
    spots = ((list(place), a[place].item(), b[place].item()) for place in np.ndindex(a.shape))
    # NaN is no number that is equal to itself: its text is
    unequal = ((place, x, y) for place, x, y in spots if x != y and str(x) != str(y))
    place, x, y = next(unequal, ([], a, b))
    return f"{at}{place or ''} is {x!r} and then {y!r}"


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, in trees of dicts, lists, tuples and arrays."""
    return describe_difference(a, b) is None


def _visible(backend: Backend) -> list[str]:
    return [c for c in backend.capabilities if c not in backend.hidden]


def _by_name(call: str, field: str, values: object, names: Sequence[str]) -> dict[str, float]:
    """A profile (or change) as a table; asserts that it is one finite number for each name."""
    assert isinstance(values, np.ndarray), f"{call}: {field} is a {type(values).__name__}, no array"
    assert values.shape == (len(names),), (
        f"{call}: {field} has the shape {values.shape}: expected ({len(names)},), one number for each "
        f"of {', '.join(names)}"
    )
    assert values.dtype == np.float64, f"{call}: {field} is of {values.dtype}: expected float64"
    table = dict(zip(names, values.tolist(), strict=True))
    for name, value in table.items():
        assert np.isfinite(value), f"{call}: {field} of {name!r} is {value}"
    return table


def _usage(call: str, usage: object) -> dict[str, int]:
    """Token usage as a plain table; asserts that a ledger can take it."""
    assert isinstance(usage, Mapping), (
        f"{call}: token_usage is {usage!r}: expected a mapping of kind to tokens, {{}} for none"
    )
    for kind, tokens in usage.items():
        assert kind in KINDS, (
            f"{call}: unknown kind of tokens {kind!r}: known are {', '.join(KINDS)}"
        )
        whole = isinstance(tokens, int | np.integer) and not isinstance(tokens, bool)
        assert whole, f"{call}: {tokens!r} {kind} tokens: expected a whole number"
        assert tokens >= 0, f"{call}: {tokens} {kind} tokens: expected at least 0"
    return {kind: int(tokens) for kind, tokens in usage.items()}


def _measured(backend: Backend, call: str, found: object) -> Tree:
    """What `reset`, `run_interval` or `dev_eval` returned, as tables by name."""
    assert isinstance(found, Measurement), (
        f"{call} returned a {type(found).__name__}: expected Measurement(profile, token_usage)"
    )
    profile = _by_name(call, "profile", found.profile, _visible(backend))
    return {"profile": profile, "token_usage": _usage(call, found.token_usage)}


def _ended(backend: Backend) -> Tree:
    """What `final_eval` returned, as tables by name."""
    call, found = "final_eval()", backend.final_eval()
    assert isinstance(found, Final), (
        f"{call} returned a {type(found).__name__}: expected Final(profile, change, change_sd, token_usage)"
    )
    fields = ("profile", "change", "change_sd")
    tables = {f: _by_name(call, f, getattr(found, f), backend.capabilities) for f in fields}
    for name, value in tables["change_sd"].items():
        assert value >= 0, f"{call}: change_sd of {name!r} is {value}: expected at least 0"
    return {**tables, "token_usage": _usage(call, found.token_usage)}


def _plan(backend: Backend, steps: int = 2) -> list[Array]:
    rng = np.random.default_rng(4)
    return [rng.dirichlet(np.ones(len(backend.sources))) for _ in range(steps)]


def _start(backend: Backend, seed: int | None) -> Tree:
    call = f"reset({seed})"
    return {call: _measured(backend, call, backend.reset(seed))}


def _begun(make: Make) -> Backend:
    """A backend in a run of seed 3, after one interval."""
    backend = make()
    backend.reset(3)
    backend.run_interval(0, _plan(backend)[0], TOKENS)
    return backend


def _go_on(backend: Backend) -> Tree:
    """Everything that a run shows from here, and the start of the next one."""
    shown: Tree = {}
    for step, weights in enumerate(_plan(backend)):
        trained, after = f"run_interval({step})", f"dev_eval() after run_interval({step})"
        shown[trained] = _measured(backend, trained, backend.run_interval(step, weights, TOKENS))
        shown[after] = _measured(backend, after, backend.dev_eval())
    return shown | {"final_eval()": _ended(backend)} | _start(backend, None)


def _check_same(first: Tree, second: Tree, story: str) -> None:
    found = describe_difference(first, second)
    assert found is None, f"{story}: {found}"


def shapes(make: Make) -> None:
    backend = make()
    assert len(set(backend.capabilities)) == len(backend.capabilities), (
        f"capabilities {backend.capabilities}: a name appears twice"
    )
    assert len(set(backend.sources)) == len(backend.sources), (
        f"sources {backend.sources}: a name appears twice"
    )
    for name in backend.hidden:
        assert name in backend.capabilities, f"hidden {name!r} is not among the capabilities"
    _start(backend, 3)
    _go_on(backend)


def scales(make: Make) -> None:
    backend = make()
    scale = scale_of(backend)
    shown = _start(backend, 3) | _go_on(backend)
    for call, found in shown.items():
        for name, value in found["profile"].items():
            assert scale.low <= value <= scale.high, (
                f"{call}: profile of {name!r} is {value}: the backend's scale is {scale.low} to "
                f"{scale.high}; say another one with a `scale`, such as readsim.ProfileScale(lowest="
                "-1 / 3) where chance is taken off, or ProfileScale('loss') for negated losses"
            )


def token_usage(make: Make) -> None:
    backend = make()
    measuring = _start(backend, 3)
    for tokens in (TOKENS, 7):
        call = f"run_interval(tokens={tokens})"
        weights = np.ones(len(backend.sources)) / len(backend.sources)
        used = _measured(backend, call, backend.run_interval(0, weights, tokens))["token_usage"]
        assert used.get(BUDGETED) == tokens, (
            f"{call}: token_usage is {used}: expected {tokens} {BUDGETED!r} tokens"
        )
    measuring["dev_eval()"] = _measured(backend, "dev_eval()", backend.dev_eval())
    measuring["final_eval()"] = _ended(backend)
    for call, found in measuring.items():
        assert BUDGETED not in found["token_usage"], (
            f"{call}: token_usage is {found['token_usage']}: {BUDGETED!r} tokens are trained by "
            "run_interval alone, all else is beside the budget"
        )


def trained_shares(make: Make) -> None:
    backend = make()
    if not isinstance(backend, OffersTrainedShares):
        raise Skip("does not count what it trains of each source")
    backend.reset(3)
    for step, weights in enumerate([*_plan(backend), np.eye(len(backend.sources))[0]]):
        backend.run_interval(step, weights, TOKENS)
        trained_row(backend, TOKENS)


def determinism(make: Make) -> None:
    one, other = make(), make()
    other.reset(9)
    other.run_interval(0, _plan(other)[0], 20)
    runs = [_start(backend, 3) | _go_on(backend) for backend in (one, other)]
    _check_same(runs[0], runs[1], "two runs with the same seed and calls differ")


def fresh_students(make: Make) -> None:
    backend = make()
    first = _start(backend, 3)
    backend.run_interval(0, _plan(backend)[0], TOKENS)
    _check_same(
        first, _start(backend, 3), "after a run, reset does not give the same fresh student"
    )


def snapshots(make: Make) -> None:
    backend = _begun(make)
    saved = backend.snapshot()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        save_tree(path, saved)
        expected = _go_on(backend)
        changed = describe_difference(load_tree(path), saved)
        assert changed is None, f"the snapshot changed while the run went on: {changed}"
        backend.restore(load_tree(path))
        _check_same(expected, _go_on(backend), "after restore the run continues differently")
        fresh = make()
        fresh.reset(8)
        fresh.restore(load_tree(path))
        story = "restored into another backend, the run continues differently"
        _check_same(expected, _go_on(fresh), story)


def rollbacks(make: Make) -> None:
    backend, other = _begun(make), _begun(make)
    if not isinstance(backend, OffersRollback) or not isinstance(other, OffersRollback):
        raise Skip("has no put_back")
    saved = backend.snapshot()
    backend.put_back(saved)
    story = "after put_back of the present student the run continues differently"
    _check_same(_go_on(_begun(make)), _go_on(backend), story)
    other.run_interval(1, _plan(other)[1], TOKENS)
    other.put_back(saved)
    found = describe_difference(
        _ended(_begun(make))["profile"], _ended(other)["profile"], "final_eval(): profile"
    )
    assert found is None, f"put_back did not bring the student of the snapshot back: {found}"


def folders(make: Make) -> None:
    backend = _begun(make)
    if not isinstance(backend, DurableBackend):
        raise Skip("keeps its state in a tree")
    with TemporaryDirectory() as folder:
        backend.save(Path(folder))
        expected = _go_on(backend)
        other = make()
        assert isinstance(other, DurableBackend)
        other.load(Path(folder))
        _check_same(expected, _go_on(other), "after load the run continues differently")


def _env(make: Make) -> DistillEnv:
    backend = make()
    planned: int | None = getattr(backend, "budget", None)  # as `DistillEnv` asks for it
    budget = 150 if planned is None else planned
    task = dict.fromkeys(_visible(backend), 1.0)
    return DistillEnv(backend=backend, task=task, budget=budget, steps=3)


def offline_pools(make: Make) -> None:
    setting, backend = _env(make).episode, _begun(make)
    pool, used = offline_pool(backend, setting, POOL, 5)
    usage = _usage("the offline pool", used)
    for field, values in pool._asdict().items():
        if values is not None:
            assert len(values) == POOL, f"{field} of the pool has {len(values)} rows, not {POOL}"
            assert np.isfinite(values).all(), f"{field} of the pool is not finite"
    assert BUDGETED not in usage, f"the pool's token_usage is {usage}: it is not out of the budget"
    assert usage.get("offline", 0) > 0, f"the pool's token_usage is {usage}: no 'offline' tokens"
    story = "after an offline pool the run continues differently"
    _check_same(_go_on(_begun(make)), _go_on(backend), story)


def read_runs(make: Make) -> None:
    env = _env(make)
    rows, _ = rollout([env], ReAD(pool=POOL), [1])
    totals = rows[-1]["totals"]
    assert totals[BUDGETED] == env.episode.budget, f"ReAD spent {totals} of {env.episode.budget}"
    assert totals["offline"] > 0, f"ReAD's pool was not charged: {totals}"


def conservation(make: Make) -> None:
    env = _env(make)
    env.reset(seed=1)
    over, spent = False, 0
    while not over:
        weights = np.ones(len(env.episode.sources))
        _, _, over, _, info = env.step(weights)
        assert info["spent"] == spent + info["tokens"], "tokens spent do not add up"
        spent = info["spent"]
    budget = env.episode.budget
    assert spent == env.ledger.totals[BUDGETED] == budget, f"spent {spent} of {budget}"


def hidden_stay_hidden(make: Make) -> None:
    env = _env(make)
    shown, k = len(env.episode.visible), len(env.backend.capabilities)
    observation, info = env.reset(seed=1)
    over = False
    while not over:
        assert observation["profile"].shape == (shown,), "the profile shows hidden capabilities"
        assert not {"utility", "final_profile"} & set(info), "the end shows before it"
        observation, _, over, _, info = env.step(np.ones(len(env.episode.sources)))
    assert info["final_profile"].shape == (k,), "the end does not show all capabilities"


def gymnasium_checker(make: Make) -> None:
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings():  # losses have no bounds
        warnings.filterwarnings("ignore", ".*Box observation space m..imum value is -?infinity")
        check_env(_env(make), skip_render_check=True)


PROPERTIES = (
    Property("shapes", "names, shapes and finite numbers as `Backend` says", shapes),
    Property("scale", "scores are on the scale that the backend says", scales),
    Property("token usage", "every call says what it used; only intervals train", token_usage),
    Property("trained shares", "an interval's tokens are shared out to sources", trained_shares),
    Property("determinism", "seed and calls fix every number", determinism),
    Property("fresh students", "reset starts from the same student again", fresh_students),
    Property("snapshots", "restore goes back exactly; a snapshot shares nothing", snapshots),
    Property("rollback", "put_back brings an earlier student back, and nothing else", rollbacks),
    Property("folders", "save and load go back exactly", folders),
    Property("offline pool", "a pool is charged and leaves the run as it was", offline_pools),
    Property("read", "ReAD runs on it and spends the budget", read_runs),
    Property("conservation", "the budget is spent, and not more", conservation),
    Property("hidden capabilities", "none shows before the end", hidden_stay_hidden),
    Property("gymnasium", "the environment on top passes Gymnasium's checker", gymnasium_checker),
)


def check_backend(
    make: Make,
    *,
    expected_failures: Mapping[str, str] | None = None,
    on_fail: Literal["raise"] | None = "raise",
) -> list[CheckOutcome]:
    """Test the properties of a backend; `make` returns a new one each time.

    Runs take 150 tokens, or the budget that the backend has planned.

    What is tested: `[p.name for p in readsim.testing.backend_checks.PROPERTIES]`. Raises CheckError.
    """
    return run_properties(
        PROPERTIES, make, examples=1, expected_failures=expected_failures, on_fail=on_fail
    )
