"""The unit and the bounds of a profile: declared by who measures, kept by logs, used by all readers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import readsim
from readsim.arrays import Array
from readsim.backend import Final, Measurement
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, ReadsimError, RunLogError
from readsim.fitting.law import fit_law
from readsim.plots.profile import draw_profile
from readsim.runs.cell import Cell, header_of
from readsim.runs.logs_for_fit import fit_table
from readsim.runs.loop import rollout
from readsim.runs.one import run_one
from readsim.runs.profile_scale import LOSSES, SCORES, ProfileScale
from readsim.runs.read_logs import Log, read_log
from readsim.summary import results, summarise
from readsim.testing import check_backend
from readsim.toy import ToyBackend
from readsim.worlds import World, load_world
from readsim.worlds.files import world_from_dict, world_to_dict
from tests.support.made_logs import rewrite

CHANCE = 0.5
LOWEST = -CHANCE / (1.0 - CHANCE)
lowest = st.floats(-5.0, 0.0)


class Corrected(ToyBackend):
    """The toy pair with chance taken off its scores: they fall to -c / (1 - c)."""

    scale = ProfileScale(lowest=LOWEST)

    def _seen(self, profile: Array) -> Array:
        return (profile - CHANCE) / (1.0 - CHANCE)

    def reset(self, seed: int | None) -> Measurement:
        found = super().reset(seed)
        return found._replace(profile=self._seen(found.profile))

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        found = super().run_interval(step, weights, tokens)
        return found._replace(profile=self._seen(found.profile))

    def dev_eval(self) -> Measurement:
        found = super().dev_eval()
        return found._replace(profile=self._seen(found.profile))

    def final_eval(self) -> Final:
        found = super().final_eval()
        profile, size = self._seen(found.profile), 1.0 - CHANCE
        return found._replace(
            profile=profile, change=found.change / size, change_sd=found.change_sd / size
        )


class Undeclared(Corrected):
    scale: Any = SCORES


def world(scale: ProfileScale) -> World:
    """A world of scores or losses on this scale; the same one but for the scale."""
    fields: dict[str, Any] = world_to_dict(load_world("gateway"))
    if not scale.is_score:
        rest = {"link": "exponential", "start": [-3.0] * 6, "ceiling": [-1.0] * 6}
        loss = {k: v for k, v in fields.items() if k not in ("floor", "gates")}
        k = len(fields["capabilities"])
        return world_from_dict(loss | rest | {"start": [-3.0] * k, "ceiling": [-1.0] * k})
    span = 1.0 - scale.lowest
    moved = {
        key: (scale.lowest + span * np.asarray(fields[key], dtype=float)).tolist()
        for key in ("start", "floor", "ceiling")
        if key in fields
    }
    return world_from_dict(fields | moved)


def log_of(made: World, folder: Path, allocators: tuple[str, ...] = ("uniform",)) -> list[Log]:
    def log(allocator: str) -> Log:
        cell = Cell(made, made.task_names[0], 400_000, 4, allocator, (0,))
        path, chosen = folder / "runs" / cell.file_name, cell.make_allocator()
        run_one(lambda: cell.make_env(made), chosen, cell.header(made), path, resume=False)
        return read_log(path)

    return [log(allocator) for allocator in allocators]


@given(lowest)
def test_a_header_holds_what_is_not_the_default(low: float) -> None:
    for scale in (ProfileScale(lowest=low), LOSSES):
        held = json.loads(json.dumps(scale.table()))
        assert ProfileScale.of_table(held) == scale
        assert (held == {}) == (scale == SCORES)
    assert (SCORES.low, SCORES.high) == (0.0, 1.0)
    assert (LOSSES.low, LOSSES.high) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"unit": "points"}, "unknown unit of a profile 'points'"),
        ({"lowest": 0.5}, r"lowest = 0\.5: the lowest score, a finite number of at most 0"),
        ({"lowest": -np.inf}, "lowest = -inf"),
        ({"lowest": "low"}, "lowest = 'low'"),
        ({"unit": "loss", "lowest": -1.0}, r"lowest = -1\.0: losses have no lowest score"),
        ({"low": -1.0}, "unknown field of a scale 'low'; did you mean 'lowest'"),
    ],
)
def test_a_wrong_scale_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ReadsimError, match=message):
        ProfileScale.of_table(fields)


def test_the_header_of_a_log_is_checked(tmp_path: Path) -> None:
    [log] = log_of(world(LOSSES), tmp_path)
    rewrite(
        log.path,
        lambda rows: [
            {**rows[0], "config": {**rows[0]["config"], "scale": {"unit": "nats"}}},
            *rows[1:],
        ],
    )
    with pytest.raises(RunLogError, match="header: scale: unknown unit of a profile 'nats'"):
        read_log(log.path)


def test_logs_of_plain_scores_say_nothing_of_it(tmp_path: Path) -> None:
    """Their bytes are those of logs before there was a scale; the others name theirs."""
    for number, scale in enumerate((SCORES, ProfileScale(lowest=-0.5), LOSSES)):
        [log] = log_of(world(scale), tmp_path / str(number))
        held = json.loads(log.path.read_text().splitlines()[0])["config"]
        assert held.get("scale", {}) == scale.table()
        assert ("scale" in held) == (scale != SCORES)
        assert log.header.scale == scale


def test_the_observation_space_has_the_bounds_of_the_scale() -> None:
    for scale in (SCORES, ProfileScale(lowest=-0.5), LOSSES):
        env = DistillEnv(world(scale), budget=400_000, steps=4)
        profile: Any = env.observation_space["profile"]
        assert (profile.low == scale.low).all()
        assert (profile.high == scale.high).all()
        observation, _ = env.reset(seed=0)
        for _ in range(4):
            assert env.observation_space.contains(observation)
            observation, *_ = env.step(np.ones(len(env.episode.sources)))
    with pytest.raises(ConfigError, match="profiles on another scale"):
        DistillEnv(world(SCORES), budget=400_000).reset(seed=0, options={"world": world(LOSSES)})


@given(lowest, st.integers(0, 50))
def test_a_world_with_chance_taken_off_is_the_same_world(low: float, seed: int) -> None:
    """Scores s and low + (1 - low) s: the same choices end at the same places."""
    plain, moved = world(SCORES), world(ProfileScale(lowest=low))
    assert moved.scale.lowest == pytest.approx(low)
    rng = np.random.default_rng(seed)
    scores = rng.uniform(size=(3, len(plain.capabilities)))
    one, other = plain.probe("probe"), moved.probe("probe")
    np.testing.assert_allclose(
        other.deviation(low + (1.0 - low) * scores), (1.0 - low) * one.deviation(scores), atol=1e-9
    )
    luck, fresh = rng.normal(size=(2, *scores.shape))
    np.testing.assert_allclose(
        other.measure(low + (1.0 - low) * scores, luck, fresh),
        low + (1.0 - low) * one.measure(scores, luck, fresh),
        atol=1e-9,
    )


def test_backends_say_their_scale() -> None:
    assert {o.status for o in check_backend(Corrected)} <= {"passed", "skipped"}
    with pytest.raises(
        AssertionError, match=r"profile of 'skill 0' is -0\.\d+: the backend's scale is"
    ):
        check_backend(Undeclared)

    class Losses(Corrected):
        scale = LOSSES

        def _seen(self, profile: Array) -> Array:
            return 3.0 * (profile - 1.0) - 0.1

    assert {o.status for o in check_backend(Losses)} <= {"passed", "skipped"}

    class Odd(ToyBackend):
        scale = (0.0, 1.0)

    with pytest.raises(ConfigError, match=r"Odd\.scale = \(0\.0, 1\.0\): expected a readsim"):
        DistillEnv(backend=Odd(), task="average", budget=150, steps=3)


def corrected_log(folder: Path, name: str, seed: int, declared: bool = True) -> Path:
    backend = (Corrected if declared else Undeclared)()
    task = dict.fromkeys(backend.capabilities, 1.0)
    env = DistillEnv(backend=backend, task=task, budget=300, steps=3)
    header = header_of(
        env, task="average", allocator=name, seeds=[seed], identity=("toy", "0" * 16)
    )
    path = folder / "runs" / f"{name}.{seed}.jsonl"
    run_one(lambda: env, readsim.load_allocator(name), header, path, resume=False)
    return path


def test_negative_scores_read_fit_report_and_plot(tmp_path: Path) -> None:
    for name in ("one-hot", "uniform", "random"):
        for seed in range(3):
            path = corrected_log(tmp_path, name, seed)
    log = read_log(path)
    assert log.header.scale == ProfileScale(lowest=LOWEST)
    assert min(row.profile.min() for row in log.starts + log.steps) < 0.0
    frame = results(tmp_path)
    table, notes = summarise(frame)
    assert set(table["unit"]) == {"points"}
    assert not any("WARNING" in note for note in notes)
    assert "in points" in draw_profile(log).texts[0].get_text()

    runs = fit_table(tmp_path)
    assert (runs.scale.unit, runs.scale.lowest) == ("scores", LOWEST)
    fitted = fit_law(
        runs.tokens,
        runs.profiles,
        sources=runs.sources,
        capabilities=runs.capabilities,
        scores=True,
        lowest=runs.scale.lowest,
        members=1,
        folds=0,
    )
    assert fitted.world.scale == ProfileScale(lowest=LOWEST)
    plain = fit_law(
        runs.tokens,
        (runs.profiles - LOWEST) / (1.0 - LOWEST),
        sources=runs.sources,
        capabilities=runs.capabilities,
        scores=True,
        members=1,
        folds=0,
    )
    np.testing.assert_allclose(
        fitted.predict(runs.tokens), LOWEST + (1.0 - LOWEST) * plain.predict(runs.tokens), atol=1e-5
    )
    # the fitted world can be lived in
    rows, _ = rollout(DistillEnv(fitted.world, budget=300, steps=3), "task-static", 0)
    assert np.isfinite(rows[-1]["utility"])


def test_scores_below_the_declared_scale_are_still_scores_and_it_is_said(tmp_path: Path) -> None:
    for name in ("uniform", "one-hot"):
        with pytest.warns(
            UserWarning, match=r"Undeclared measured -0\.\d+, and its scale is 0 to 1"
        ):
            corrected_log(tmp_path, name, 0, declared=False)
    table, notes = summarise(results(tmp_path))
    assert set(table["unit"]) == {"points"}
    assert sum("outside of the declared scale, 0 to 1" in note for note in notes) == 1
    runs = fit_table(tmp_path)
    assert runs.scale.unit == "scores"
    assert runs.scale.lowest == runs.profiles.min()
    assert any("outside of the declared scale" in note for note in runs.notes)


def test_losses_keep_their_unit(tmp_path: Path) -> None:
    logs = log_of(world(LOSSES), tmp_path, ("uniform", "task-static", "one-hot"))
    table, notes = summarise(results(tmp_path))
    assert set(table["unit"]) == {"loss"}
    assert table["utility"].between(-3.0, -1.0).all()
    assert not any("WARNING" in note for note in notes)
    assert fit_table(tmp_path).scale.unit == "losses"
    [first, *_] = [t for t in draw_profile(logs[0]).axes[0].lines if np.size(t.get_xdata()) > 2]
    np.testing.assert_allclose(
        np.asarray(first.get_ydata()),
        [logs[0].starts[0].profile[0], *(row.profile[0] for row in logs[0].steps)],
    )
