"""What a script imports: environments, comparisons as tables, and names that are documented."""

import inspect
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from gymnasium.utils.env_checker import check_env

import readsim
from readsim import Allocator, compare, load_world, make_env, world_from_effects
from readsim.errors import ConfigError, ReadsimError, UnknownNameError
from tests.cli.test_app import call
from tests.support.helpers import WORLD
from tests.support.made_allocators import Interrupting

FEW: dict[str, Any] = {"tasks": "skill_0", "budgets": "1M", "seeds": 2, "steps": 4}


class Tilted(Allocator):
    """The prior, with some shares moved to the first source."""

    def __init__(self, tilt: float = 0.5) -> None:
        self.tilt = tilt

    def select(self, state, context):  # type: ignore[no-untyped-def]  # as users write it
        return [self.tilt, *context.setup.prior[1:]]


def test_all_that_is_exported_is_there_and_documented() -> None:
    for name in readsim.__all__:
        found = getattr(readsim, name)
        assert name == "__version__" or inspect.getdoc(found), name
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = readsim.nothing_of_ours


def test_a_script_from_the_docstrings_alone() -> None:
    world = world_from_effects(
        [[8, -2], [3, 5]],
        sources=["math", "code"],
        tokens=np.float64(2e7),
        start=pd.Series([30.0, 40.0]),
        ceiling=90,
        unit="points",
    )
    runs = compare(
        worlds=world,
        tasks=[{"math": 2, "code": 1}, "average"],
        budgets=[5e6, "20M"],
        allocators=["uniform", "oracle-static", Tilted(0.7)],
        seeds=3,
        steps=5,
    )
    assert len(runs) == 2 * 2 * 3 * 3
    mean = runs.groupby("allocator")["utility"].mean()
    assert mean["oracle-static"] == mean.max()
    wide = runs.pivot_table(index="seed", columns="allocator", values="utility")
    difference = readsim.paired(wide["oracle-static"], wide["uniform"])
    assert difference.n == 3
    assert difference.mean == pytest.approx(mean["oracle-static"] - mean["uniform"])


def test_the_same_numbers_as_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["uniform", "task-static", "oracle-static"]
    frame = compare(WORLD, allocators=names, **FEW)
    command = ["compare", "--world", WORLD, "--tasks", "skill_0", "--budgets", "1M", "--seeds", "2"]
    command += ["--steps", "4", "--allocators", ",".join(names), "--out", str(tmp_path)]
    assert call(capsys, *command)[0] == 0
    written = pd.read_csv(tmp_path / "results.csv")
    pd.testing.assert_frame_equal(frame, written, check_exact=False, rtol=1e-12)


def test_rows_by_step_belong_to_the_runs() -> None:
    names = ["uniform", "random"]
    steps = compare(WORLD, allocators=names, rows="steps", **FEW)
    assert len(steps) == 2 * 2 * 4
    shares = steps.filter(like="allocation:").to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert (steps.groupby(["allocator", "seed"])["tokens"].sum() == 1_000_000).all()
    assert (steps.groupby(["allocator", "seed"])["spent"].max() == 1_000_000).all()
    first = steps[steps["step"] == 1]
    assert set(first["allocator"]) == set(names)


def test_a_folder_is_resumed(tmp_path: Path) -> None:
    once = compare(WORLD, allocators=["uniform", "read+pool=64"], out=tmp_path, **FEW)
    kept, lost = sorted((tmp_path / "runs").glob("*.jsonl"))
    before = kept.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    again = compare(WORLD, allocators=["uniform", "read+pool=64"], out=tmp_path, **FEW)
    pd.testing.assert_frame_equal(once, again)
    assert (kept.read_bytes(), kept.stat().st_mtime_ns) == before
    assert lost.exists()
    found = {log.header.allocator for log in readsim.read_logs(str(tmp_path))}
    assert found == {"read+pool=64", "uniform"}
    with pytest.raises(ConfigError, match="another comparison"):
        compare(WORLD, allocators=["random"], out=tmp_path, **FEW)


def test_several_worlds_and_jobs(tmp_path: Path) -> None:
    worlds: list[Any] = [load_world(WORLD), "random:seed=6,capabilities=4"]
    arguments: dict[str, Any] = {"allocators": {"mine": Tilted(), "even": "uniform"}, **FEW}
    one = compare(worlds, out=tmp_path, **arguments)
    two = compare(worlds, jobs=2, **arguments)
    pd.testing.assert_frame_equal(one, two)
    assert set(one["allocator"]) == {"mine", "even"}
    assert one["world"].nunique() == 2
    assert len([p for p in tmp_path.iterdir() if (p / "runs").is_dir()]) == 2


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"allocators": ["unifrm"]}, UnknownNameError, "uniform"),
        ({"tasks": "skil_0"}, UnknownNameError, "skill_0"),
        ({"budgets": "1Q"}, ConfigError, "1Q"),
        ({"rows": "decisions"}, ConfigError, "runs or steps"),
        ({"worlds": [WORLD, WORLD]}, ConfigError, "two are called"),
        ({"seeds": 0}, ConfigError, "seeds"),
        ({"allocators": [Tilted(), Tilted()]}, ConfigError, "each may appear once"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(
    changed: dict[str, object], error: type[Exception], words: str, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"worlds": WORLD, "allocators": ["uniform"], **FEW, **changed}
    with pytest.raises(error, match=words):
        compare(**given, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_make_env_is_gymnasiums_environment() -> None:
    ours = make_env(WORLD, "skill_0", "1M", steps=4)
    check_env(ours, skip_render_check=True)
    theirs = gym.make(readsim.ENV_ID, world=WORLD, task="skill_0", budget=1_000_000, steps=4)
    first, _ = ours.reset(seed=3)
    second, _ = theirs.reset(seed=3)
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])
    many = make_env(WORLD, "skill_0", 1_000_000, num_envs=3, steps=4)
    batch, _ = many.reset(seed=3)
    np.testing.assert_allclose(batch["profile"][0], first["profile"], atol=1e-9)


def test_rollout_takes_one_environment_and_a_name() -> None:
    rows, seconds = readsim.rollout(make_env(WORLD, "skill_0", "1M", steps=4), "uniform", 5)
    assert [row["kind"] for row in rows] == ["start", *["step"] * 4, "final"]
    assert seconds >= 0


class Held(Allocator):
    """Plays what a function says."""

    def __init__(self, rule: Any) -> None:
        self.rule = rule

    def select(self, state: Any, context: Any) -> Any:
        return self.rule(context)


class Called:
    """Without attributes, and no function."""

    def __call__(self, context: Any) -> list[int]:
        return [1, 0, 0, 0]


CALLED = Called()


def test_a_folder_never_gives_another_instance_s_runs(tmp_path: Path) -> None:
    few: dict[str, Any] = {**FEW, "seeds": 1}
    first = compare(WORLD, allocators={"m": Held(lambda c: [1, 0, 0, 0])}, out=tmp_path, **few)
    again = compare(WORLD, allocators={"m": Held(lambda c: [1, 0, 0, 0])}, out=tmp_path, **few)
    pd.testing.assert_frame_equal(first, again)
    with pytest.raises(ReadsimError, match=r"another config.*rule"):
        compare(WORLD, allocators={"m": Held(lambda c: [0, 1, 0, 0])}, out=tmp_path, **few)
    with pytest.raises(ConfigError, match="attribute rule cannot be recorded"):
        compare(WORLD, allocators={"n": Held(CALLED)}, out=tmp_path / "other", **few)
    weight = 3

    def tilted(c: Any) -> list[int]:
        return [weight, 1, 0, 0]

    compare(WORLD, allocators={"c": Held(tilted)}, out=tmp_path / "closure", **few)
    weight = 2
    with pytest.raises(ReadsimError, match=r"another config.*rule"):
        compare(WORLD, allocators={"c": Held(tilted)}, out=tmp_path / "closure", **few)


def test_what_arrays_and_tables_bring_along() -> None:
    few: dict[str, Any] = {**FEW, "allocators": np.array(["uniform"])}
    counted = compare(WORLD, **{**few, "seeds": np.int64(2), "budgets": np.array([1e6])})
    listed = compare(WORLD, **{**few, "seeds": np.arange(2), "tasks": np.array(["skill_0"])})
    pd.testing.assert_frame_equal(counted, listed)
    compare(WORLD, **{**few, "tasks": {"skill_0": np.float32(1)}})
    frame = pd.DataFrame([[0.1, 0.0], [0.0, 0.2]], index=["a", "b"], columns=["x", "y"])
    world = world_from_effects(frame, tokens="1M", start=0.4, ceiling=0.9, unit="shares")
    assert (world.sources, world.capabilities) == (("a", "b"), ("x", "y"))
    values = pd.Series([1.0, 2.0, 4.0], index=[0, 1, 2])
    assert readsim.paired(values, values.iloc[[2, 0, 1]]).sd == 0.0
    with pytest.raises(ConfigError, match="other labels"):
        readsim.paired(values, values.rename({0: 7}))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"worlds": []}, "at least one"),
        ({"seeds": [-1]}, "a whole number >= 0"),
        ({"seeds": True}, "a number of seeds"),
        ({"allocators": [Held]}, "a class; give an instance"),
        ({"allocators": [None]}, "expected a name or a readsim.Allocator"),
        ({"worlds": [load_world(WORLD).replace(name=n) for n in ("a b", "a-b")]}, "two are called"),
    ],
)
def test_more_mistakes_are_refused(changed: dict[str, Any], words: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"worlds": WORLD, "allocators": ["uniform"], **FEW, **changed}
    with pytest.raises(ConfigError, match=words):
        compare(**given, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_rollout_says_what_it_cannot_run() -> None:
    env: Any = gym.make(readsim.ENV_ID, world=WORLD, task="skill_0", budget="1M", steps=4)
    seed: Any = np.int64(5)
    many: Any = make_env(WORLD, num_envs=2)
    assert len(readsim.rollout(env, "uniform", seed).rows) == 6
    with pytest.raises(ConfigError, match="DistillVectorEnv: rollout runs single"):
        readsim.rollout(many, "uniform", 0)
    with pytest.raises(ConfigError, match="2 seeds for 1 environments"):
        readsim.rollout(make_env(WORLD), "uniform", [0, 1])
    with pytest.raises(ConfigError, match="allow_stop"):
        readsim.rollout(make_env(WORLD, allow_stop=True), "uniform", 0)


@pytest.mark.parametrize("name", ["w" * 900, "\u4e16" * 300, "a/b" * 100])
def test_worlds_with_long_names_have_folders(tmp_path: Path, name: str) -> None:
    """A file system takes 255 bytes; names that differ at their ends stay apart."""
    worlds = [load_world(WORLD).replace(name=name + end) for end in ("1", "2")]
    runs = compare(worlds, out=tmp_path, allocators="uniform", **FEW)
    assert sorted(runs["world"].unique()) == [name + "1", name + "2"]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_interrupt_says_how_to_resume(is_kept: bool, tmp_path: Path) -> None:
    rules: dict[str, str | Allocator] = {"even": "uniform", "cut": Interrupting()}
    words = "the same call with out=.* resumes" if is_kept else "nothing is kept; with out=FOLDER"
    with pytest.raises(KeyboardInterrupt, match=f"^interrupted: .*{words}") as caught:
        compare(WORLD, allocators=rules, out=tmp_path if is_kept else None, **FEW)
    assert caught.value.__suppress_context__  # nothing of the workers is shown
    assert len(list((tmp_path / "runs").glob("even*.jsonl"))) == is_kept
