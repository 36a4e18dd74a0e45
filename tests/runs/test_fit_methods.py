"""Worlds of several methods of distillation: the worlds of one, and fits to runs that say their method."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from readsim import load_allocator
from readsim.arrays import Array
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError, UnknownNameError, WorldError
from readsim.fitting.law import fit_law
from readsim.fitting.network import LawConfig
from readsim.runs.grid import make_cells, run_cell
from readsim.runs.logs_for_fit import fit_table
from readsim.runs.loop import rollout
from readsim.runs.read_logs import log_paths, read_log
from readsim.worlds import World, load_world, save_world
from readsim.worlds.methods import methods_of, of_method
from tests.support.made_logs import rewrite
from tests.support.made_reports import MANIFEST

WORTH = {"gkd": 1.0, "resp-sft": 0.4}  # what a token counts for


def two_methods(*, shared: bool = True) -> World:
    """Two capabilities, each with a source a method; with `shared` curves, else one a source."""
    pairs = [(name, method) for method in WORTH for name in ("math", "code")]
    worth = np.array([WORTH[method] for _, method in pairs])
    own = np.array([[1.0, 0.1], [0.2, 1.0]] * 2)
    return World(
        name="both",
        sources=tuple(f"{name}@{method}" for name, method in pairs),
        capabilities=("math", "code"),
        dynamics="potential",
        link="saturating",
        start=np.array([0.2, 0.3]),
        floor=np.zeros(2),
        ceiling=np.array([0.9, 0.85]),
        gain=("exponential",) * (2 if shared else 4),
        scale_tokens=np.full(2, 1e4) if shared else 1e4 / worth,
        feeds=own * worth[:, None] if shared else np.zeros((0, 0)),
        help=np.diag([0.4, 0.5]) if shared else own * 0.4,
        harm=np.zeros((2, 2)) if shared else np.full((4, 2), 0.01),
        efficiency_sd=np.arange(4) / 100,
        pool_tokens=np.array([1e4, 2e4, 3e4, 4e4]),
        provenance={"fit": "made", "average": "yes"},
    )


def grown(world: World, tokens: Array) -> Array:
    return world.profile_after([tokens])


@pytest.mark.parametrize("shared", [True, False])
def test_the_world_of_a_method_is_the_whole_one_where_only_it_is_fed(shared: bool) -> None:
    world = two_methods(shared=shared)
    tokens = np.random.default_rng(0).uniform(0, 2e4, (20, 2))
    for k, method in enumerate(WORTH):
        alone = of_method(world, method)
        assert (alone.name, alone.sources) == (f"both@{method}", ("math", "code"))
        assert alone.provenance == {"fit": "made"}  # the average is of all methods
        whole = np.zeros((20, 4))
        whole[:, 2 * k : 2 * k + 2] = tokens
        np.testing.assert_allclose(grown(alone, tokens), grown(world, whole))
        assert list(alone.pool_tokens) == list(world.pool_tokens[2 * k : 2 * k + 2])


def test_a_method_worth_less_takes_more_tokens() -> None:
    endless = replace(two_methods(), pool_tokens=np.zeros(0))
    fast, slow = (of_method(endless, method) for method in WORTH)
    tokens = np.random.default_rng(1).uniform(0, 2e4, (20, 2))
    np.testing.assert_allclose(grown(slow, tokens / WORTH["resp-sft"]), grown(fast, tokens))


def test_what_is_no_world_of_methods_is_refused(tmp_path: Path) -> None:
    save_world(two_methods(), tmp_path / "both.toml")
    named = load_world(f"{tmp_path / 'both.toml'}@gkd")
    assert named.sources == of_method(two_methods(), "gkd").sources
    assert methods_of(load_world(tmp_path / "both.toml")) == tuple(WORTH)
    with pytest.raises(UnknownNameError, match=r"method of world 'both' 'gdk'.*gkd"):
        load_world(f"{tmp_path / 'both.toml'}@gdk")
    mixed = replace(two_methods(), sources=("math", "code", "a@gkd", "b@gkd"))
    assert methods_of(mixed) == methods_of(load_world("gateway")) == ()
    written = (
        {"name": "x", "sources": {"math@gkd": 0.5}, "scores": {"math": -0.1}, "tokens": 1e3},
    )
    styled = replace(two_methods(shared=False), dynamics="flow", formats=written)
    with pytest.raises(WorldError, match="has drift or formats"):
        of_method(styled, "gkd")


def logs(folder: Path, world: World, seeds: tuple[int, ...], manifest: Mapping[str, Any]) -> None:
    """Runs of a world of one method, under headers as real runs have them."""
    cells = make_cells(
        world, tasks=["average"], budgets=[40_000], steps=4, allocators=["random"], seeds=seeds
    )
    for cell in cells:
        path = folder / "runs" / cell.file_name
        run_cell(cell, path)

        def real(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
            lines[0]["config"] |= {"world": "hf:nano", "manifest": {**MANIFEST, **manifest}}
            return lines

        rewrite(path, real)


def test_runs_of_several_methods_make_one_world_that_chooses_among_them(tmp_path: Path) -> None:
    truth = replace(
        two_methods(), pool_tokens=np.zeros(0), efficiency_sd=np.zeros(0), items=np.full(2, 4000.0)
    )
    for method in WORTH:
        logs(tmp_path / method, of_method(truth, method), (0, 1, 2), {"method": method})
    runs = fit_table(tmp_path)
    assert runs.sources == truth.sources
    assert "each method has sources of its own: gkd, resp-sft" in runs.notes
    fed = np.array([runs.tokens[:, :2].any(axis=1), runs.tokens[:, 2:].any(axis=1)])
    assert not fed.all(axis=0).any()  # a run has one method
    assert (fed.sum(axis=1) == 3 * 4).all()  # three runs of four steps, the last one the end
    one = fit_table(tmp_path / "gkd")
    assert one.sources == ("math", "code")  # a method alone needs no mention
    np.testing.assert_array_equal(one.tokens, runs.tokens[: len(one.tokens), :2])

    fitted = fit_law(
        runs.tokens,
        runs.profiles,
        sources=runs.sources,
        capabilities=runs.capabilities,
        scores=True,
        groups=runs.groups,
        choice=LawConfig(gain="exponential", curves=2, link="saturating"),
        members=3,
        folds=0,
    ).world
    tokens = np.random.default_rng(2).dirichlet([1, 1], 40) * 4e4
    for method in WORTH:
        made, true = (grown(of_method(world, method), tokens) for world in (fitted, truth))
        assert np.sqrt(((made - true) ** 2).mean()) < 0.03
    slow, fast = of_method(fitted, "resp-sft"), of_method(fitted, "gkd")
    assert grown(fast, tokens).mean() > grown(slow, tokens).mean() + 0.05
    env = DistillEnv(fitted, "average", 40_000, steps=4)
    rows, _ = rollout(env, load_allocator("oracle-static"), 0)
    shares = np.mean([row["allocation"] for row in rows if row["kind"] == "step"], axis=0)
    assert shares[:2].sum() > 0.9  # those of the method that is worth more


def test_methods_of_other_students_or_other_settings_are_not_fitted_together(
    tmp_path: Path,
) -> None:
    world = two_methods()
    gkd, sft = of_method(world, "gkd"), of_method(world, "resp-sft")
    logs(tmp_path / "a", gkd, (0,), {"method": "gkd"})
    logs(tmp_path / "b", sft, (0,), {"method": "resp-sft", "student": "another"})
    with pytest.raises(ConfigError, match=r"student is 's1' in .*, 'another' in "):
        fit_table(tmp_path)
    other = tmp_path / "other"
    logs(other / "a", gkd, (0,), {"method": "gkd"})
    logs(other / "b", sft, (1,), {"method": "gkd", "on_policy": 0.25})  # another world digest
    with pytest.raises(ConfigError, match="world_digest is"):
        fit_table(other)


def test_a_run_that_has_ended_is_fitted_by_its_test_scores(tmp_path: Path) -> None:
    truth = replace(two_methods(), pool_tokens=np.zeros(0), efficiency_sd=np.zeros(0))
    logs(tmp_path / "one", of_method(truth, "gkd"), (0, 1), {"method": "gkd"})
    table = fit_table(tmp_path / "one")
    read = [read_log(path) for path in log_paths(tmp_path / "one")]
    (note,) = table.notes
    assert note == (
        f"{len(table.tokens)} rows of {len(np.unique([r.seed for r in read[0].finals])) * len(read)} runs in "
        f"{len(read)} logs; rows of one run are held out together; where a run has ended its first and last "
        "row are its test scores, and the others are of probes"
    )
    for log in read:
        for final in log.finals:
            own = [
                n
                for n, at in enumerate(table.label)
                if at.startswith(f"{log.path.name} seed {final.seed},")
            ]
            assert len(own) == 1 + len([row for row in log.steps if row.seed == final.seed])
            assert len(set(table.groups[own])) == 1
            assert (table.profiles[own[-1]] == final.final_profile).all()
            start = final.final_profile - final.final_change
            assert table.profiles[own[0]] == pytest.approx(start)
            probes = [row.profile for row in log.steps if row.seed == final.seed][:-1]
            assert (table.profiles[own[1:-1]] == probes).all()
