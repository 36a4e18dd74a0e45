"""`check_backend`: what every backend promises, whatever it trains."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from readsim.arrays import Array
from readsim.backend import Backend, DurableBackend, Final
from readsim.envs.env import DistillEnv
from readsim.envs.ledger import KINDS
from readsim.testing.checks import Outcome, Property, Skip, run_properties
from readsim.tree_file import load_tree, save_tree

Make = Callable[[], Backend]
TOKENS = 50


def _plan(backend: Backend, steps: int = 2) -> list[Array]:
    rng = np.random.default_rng(4)
    return [rng.dirichlet(np.ones(len(backend.sources))) for _ in range(steps)]


def _go_on(backend: Backend) -> list[Any]:
    """Everything that a run shows from here, and the start of the next one."""
    shown: list[Any] = []
    for step, weights in enumerate(_plan(backend)):
        outcome = backend.run_interval(step, weights, TOKENS)
        shown += [outcome.profile, dict(outcome.charges), backend.dev_eval()]
    return [*shown, *backend.final_eval(), backend.reset(None), backend.dev_eval()]


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, in trees of dicts, lists, tuples and arrays."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    one, other = np.asarray(a), np.asarray(b)
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == other.dtype.kind == "f"))


def shapes(make: Make) -> None:
    backend = make()
    k, s = len(backend.capabilities), len(backend.sources)
    v = k - len(backend.hidden)
    assert len(set(backend.capabilities)) == k, "a capability's name appears twice"
    assert len(set(backend.sources)) == s, "a source's name appears twice"
    assert set(backend.hidden) <= set(backend.capabilities), "hidden ones are not capabilities"
    assert backend.reset(3).shape == (v,), f"reset: expected a profile of shape ({v},)"
    outcome = backend.run_interval(0, np.ones(s) / s, TOKENS)
    for profile in (outcome.profile, backend.dev_eval()):
        assert profile.shape == (v,), f"profile {profile.shape}: expected ({v},)"
        assert np.isfinite(profile).all(), f"profile {profile}"
    final = backend.final_eval()
    assert isinstance(final, Final), f"final_eval: expected Final, got {type(final).__name__}"
    for name, part in zip(Final._fields, final, strict=True):
        assert part.shape == (k,), f"final {name} {part.shape}: expected ({k},)"
        assert np.isfinite(part).all(), f"final {name} {part}"
    assert (final.change_sd >= 0).all(), "final change_sd is negative"


def charges(make: Make) -> None:
    backend = make()
    backend.reset(3)
    backend.drain()
    s = len(backend.sources)
    for tokens in (TOKENS, 7):
        used = backend.run_interval(0, np.ones(s) / s, tokens).charges
        assert used.get("student") == tokens, f"{tokens} tokens asked for, charged {dict(used)}"
        for each in (used, backend.drain()):
            assert set(each) <= set(KINDS), f"kinds of tokens {sorted(each)}: known are {KINDS}"
            assert all(type(n) is int and n >= 0 for n in each.values()), f"charges {dict(each)}"
    assert not any(backend.drain().values()), "drain gives the same tokens twice"


def determinism(make: Make) -> None:
    one, other = make(), make()
    other.reset(9)
    other.run_interval(0, _plan(other)[0], 20)
    assert same(one.reset(3), other.reset(3)), "the same seed, another first profile"
    assert same(_go_on(one), _go_on(other)), "the same seed and calls, other numbers"


def fresh_students(make: Make) -> None:
    backend = make()
    first = backend.reset(3)
    backend.run_interval(0, _plan(backend)[0], TOKENS)
    assert same(backend.reset(3), first), "after a run, reset does not give the same fresh student"


def snapshots(make: Make) -> None:
    backend = make()
    backend.reset(3)
    backend.run_interval(0, _plan(backend)[0], TOKENS)
    saved = backend.snapshot()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.npz"
        save_tree(path, saved)
        expected = _go_on(backend)
        assert same(saved, load_tree(path)), "going on changed the snapshot"
        fresh = make()
        fresh.reset(8)
        for other in (backend, fresh):
            other.restore(load_tree(path))
            assert same(expected, _go_on(other)), "after restore the run goes on differently"


def folders(make: Make) -> None:
    backend = make()
    if not isinstance(backend, DurableBackend):
        raise Skip("keeps its state in a tree")
    backend.reset(3)
    backend.run_interval(0, _plan(backend)[0], TOKENS)
    with TemporaryDirectory() as folder:
        backend.save(Path(folder))
        expected = _go_on(backend)
        other = make()
        assert isinstance(other, DurableBackend)
        other.load(Path(folder))
        assert same(expected, _go_on(other)), "after load the run goes on differently"


def _env(make: Make) -> DistillEnv:
    backend = make()
    visible = [c for c in backend.capabilities if c not in backend.hidden]
    planned: int | None = getattr(backend, "budget", None)  # as `DistillEnv` asks for it
    budget = 150 if planned is None else planned
    return DistillEnv(backend=backend, task=dict.fromkeys(visible, 1.0), budget=budget, steps=3)


def conservation(make: Make) -> None:
    env = _env(make)
    env.reset(seed=1)
    over, spent = False, 0
    while not over:
        weights = np.ones(len(env.setting.sources))
        _, _, over, _, info = env.step(weights)
        assert info["spent"] == spent + info["tokens"], "tokens spent do not add up"
        spent = info["spent"]
    budget = env.setting.budget
    assert spent == env.ledger.totals["student"] == budget, f"spent {spent} of {budget}"


def hidden_stay_hidden(make: Make) -> None:
    env = _env(make)
    shown, k = len(env.setting.visible), len(env.backend.capabilities)
    observation, info = env.reset(seed=1)
    over = False
    while not over:
        assert observation["profile"].shape == (shown,), "the profile shows hidden capabilities"
        assert not {"utility", "final_profile"} & set(info), "the end shows before it"
        observation, _, over, _, info = env.step(np.ones(len(env.setting.sources)))
    assert info["final_profile"].shape == (k,), "the end does not show all capabilities"


def gymnasium_checker(make: Make) -> None:
    from gymnasium.utils.env_checker import check_env

    check_env(_env(make), skip_render_check=True)


PROPERTIES = (
    Property("shapes", "names, shapes and finite numbers as `Backend` says", shapes),
    Property("charges", "every token asked for is charged once, in known kinds", charges),
    Property("determinism", "seed and calls fix every number", determinism),
    Property("fresh students", "reset starts from the same student again", fresh_students),
    Property("snapshots", "restore goes back exactly; a snapshot shares nothing", snapshots),
    Property("folders", "save and load go back exactly", folders),
    Property("conservation", "the budget is spent, and not more", conservation),
    Property("hidden capabilities", "none shows before the end", hidden_stay_hidden),
    Property("gymnasium", "the environment on top passes Gymnasium's checker", gymnasium_checker),
)


def check_backend(
    make: Make,
    *,
    expected_failures: Mapping[str, str] | None = None,
    on_fail: Literal["raise"] | None = "raise",
) -> list[Outcome]:
    """Test what a backend promises; `make` gives a new one each time.

    Runs take 150 tokens, or the budget that the backend has planned.

    What is tested: `[p.name for p in readsim.testing.backend_checks.PROPERTIES]`. Raises CheckError.
    """
    return run_properties(
        PROPERTIES, make, examples=1, expected_failures=expected_failures, on_fail=on_fail
    )
