"""Ideas of papers read as allocators: each by hand, where it wins and where it must lose."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readsim.allocators.base import Allocator
from readsim.allocators.heuristics import BranchMerge, ErrorMass, GapProportional, ValidationGuided
from readsim.allocators.registry import load_allocator
from readsim.allocators.static import TaskStatic, Uniform
from readsim.envs.env import DistillEnv
from readsim.errors import ConfigError
from readsim.runs.loop import rollout
from readsim.worlds import load_world
from tests.support.helpers import allocations
from tests.support.made_setups import clean_world, drive, ends, setup

TEACHER = np.array([0.9, 0.6, 0.8])
TASK = (0.5, 0.3, 0.2)
PROFILES = [(0.3, 0.5, 0.8), (0.4, 0.65, 0.8), (0.5, 0.5, 0.75), (0.55, 0.6, 0.75)]


def test_gap_proportional_by_hand() -> None:
    played, _ = drive(GapProportional(smoothing=0.25), setup(TASK, teacher=TEACHER), PROFILES)
    w = [1 / 3, 1 / 3, 1 / 3]
    for step, profile in enumerate(PROFILES[1:], start=1):
        pairs = zip(TASK, profile, TEACHER.tolist(), strict=True)
        gap = [r * max(t - p, 0.0) for r, p, t in pairs]
        w = [0.25 * a + 0.75 * b / sum(gap) for a, b in zip(w, gap, strict=True)]
        assert np.allclose(played[step], w, rtol=1e-12)


def test_a_closed_gap_is_left_alone_and_no_gap_is_uniform() -> None:
    chosen = setup(teacher=TEACHER)
    played, _ = drive(GapProportional(smoothing=0.0), chosen, [(0.3, 0.6, 0.8)] * 3)
    assert np.allclose(played[1:], [1.0, 0.0, 0.0])
    played, _ = drive(GapProportional(), chosen, [(1.0, 1.0, 1.0)] * 4)
    assert np.allclose(played, 1 / 3)


def test_error_mass_by_hand() -> None:
    played, _ = drive(ErrorMass(), setup(TASK), PROFILES)
    for row, profile in zip(played, PROFILES, strict=True):
        mass = [r * (1 - p) for r, p in zip(TASK, profile, strict=True)]
        assert np.allclose(row, [m / sum(mass) for m in mass])
    played, _ = drive(ErrorMass(), setup(TASK), [(1.0, 1.0, 1.0)])
    assert np.allclose(played[0], TASK)
    played, _ = drive(ErrorMass(), setup(scores=False), [(-3.0, -1.0, 0.0)])
    assert np.allclose(played[0], [0.75, 0.25, 0.0])


def test_validation_guided_by_hand() -> None:
    dev = {1: (0.30, 0.5, 0.8), 3: (0.40, 0.5, 0.9), 4: (0.3, 0.4, 0.8), 5: (0.3, 0.5, 0.8)}
    played, _ = drive(ValidationGuided(), setup(TASK), [(0.1, 0.1, 0.1)] * 6, dev=dev)
    assert np.allclose(played[:3], TASK)  # one checkpoint is no gain
    gain = [0.5 * 0.1, 0.0, 0.2 * 0.1]
    followed = [0.5 * r + 0.5 * g / sum(gain) for r, g in zip(TASK, gain, strict=True)]
    assert np.allclose(played[3], followed)
    assert np.allclose(played[4], followed)  # nothing improved: as before
    assert np.allclose(played[5], [0.25, 0.15 + 0.5, 0.1])


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20])
def test_branch_merge_spends_the_prior_in_blocks(steps: int) -> None:
    played, _ = drive(BranchMerge(), setup(TASK, steps=steps), [(0.1, 0.1, 0.1)] * steps)
    total = played / played.sum(axis=1, keepdims=True)
    assert np.allclose(total.mean(axis=0), TASK)
    centre = (total * np.arange(steps)[:, None]).sum(axis=0) / total.sum(axis=0)
    assert (np.diff(centre) >= 0).all()
    if steps == 20:
        assert np.allclose(total[:10], [1, 0, 0])
        assert np.allclose(total[10:16], [0, 1, 0])
        assert np.allclose(total[16:], [0, 0, 1])


def test_branch_merge_is_static_where_order_does_not_matter_and_worse_where_skills_fade() -> None:
    task = {"a": 0.5, "b": 0.3, "c": 0.2}
    fields = {"start": [0.3] * 3, "help": [[0.3, 0, 0], [0, 0.3, 0], [0, 0, 0.3]]}
    free = clean_world(**fields)
    assert ends(free, BranchMerge(), task)[0] == pytest.approx(ends(free, TaskStatic(), task)[0])
    fading = clean_world(**fields, dynamics="flow", forgetting_tokens=[1e7] * 3)
    assert ends(fading, BranchMerge(), task)[0] < ends(fading, TaskStatic(), task)[0] - 0.001


@pytest.mark.parametrize("allocator", [GapProportional(), ErrorMass()])
def test_far_behind_gets_more_for_better_or_worse(allocator: Allocator) -> None:
    best, mean = ends(clean_world(), allocator)
    assert mean.argmax() == 0
    assert best > ends(clean_world(), Uniform())[0]
    lost = clean_world(start=[0.2, 0.5, 0.5], help=[[0, 0, 0], [0, 0.3, 0], [0, 0, 0.3]])
    assert ends(lost, allocator)[0] < ends(lost, Uniform())[0]


def test_following_gains_wins_while_they_last_and_loses_when_they_saturate() -> None:
    learnable = clean_world(start=[0.3] * 3, help=[[0.4, 0, 0], [0, 0.01, 0], [0, 0, 0.01]])
    best, mean = ends(learnable, ValidationGuided())
    assert mean.argmax() == 0
    assert best > ends(learnable, Uniform())[0]
    # a is quick and soon done: half of the tokens go on following what it gained before
    quick = clean_world(
        start=[0.3] * 3,
        ceiling=[0.4, 0.9, 0.9],
        help=[[0.09, 0, 0], [0, 0.5, 0], [0, 0, 0.5]],
        scale_tokens=[3e6, 6e7, 6e7],
    )
    worst, mean = ends(quick, ValidationGuided(follow=1.0), budget=10_000_000)
    assert mean[0] == mean.max()
    assert worst < ends(quick, Uniform(), budget=10_000_000)[0]


NAMES = ["gap-proportional", "error-mass", "validation-guided"]
nats = st.floats(-1e5, 0.0)


@given(
    st.sampled_from([*NAMES, "branch-merge"]),
    st.lists(st.tuples(nats, nats, nats), min_size=2, max_size=6),
    st.tuples(nats, nats, nats),
)
def test_extreme_losses_stay_on_the_simplex(
    name: str, path: list[tuple[float, ...]], teacher: tuple[float, ...]
) -> None:
    chosen = setup(TASK, scores=False, teacher=np.array(teacher))
    dev = dict(enumerate(path))
    played, _ = drive(load_allocator(name), chosen, path, dev=dev)
    assert np.isfinite(played).all()
    assert (played >= 0).all()
    assert (played.sum(axis=1) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_domains_does_not_matter(name: str) -> None:
    order = [2, 0, 1]
    dev = dict(enumerate(PROFILES))
    plain, _ = drive(load_allocator(name), setup(TASK, teacher=TEACHER), PROFILES, dev=dev)
    paths = [tuple(np.array(p)[order]) for p in PROFILES]
    other = setup(tuple(np.array(TASK)[order]), teacher=TEACHER[order])
    moved, _ = drive(load_allocator(name), other, paths, dev=dict(enumerate(paths)))
    assert np.allclose(moved, plain[:, order], rtol=1e-12)


def test_dev_checkpoints_are_what_moves_validation_guided() -> None:
    """Twenty decisions have ten checkpoints; the first only starts the comparison."""
    env = DistillEnv(load_world("random:seed=5,capabilities=4"), steps=20)
    chosen = allocations(rollout([env], ValidationGuided(), [0])[0])
    changed = np.flatnonzero(np.abs(np.diff(chosen, axis=0)).max(axis=1) > 1e-12) + 1
    assert len(changed) > 3
    assert changed.min() == 4
    assert (changed % 2 == 0).all()


@pytest.mark.parametrize(
    ("name", "settings", "fragment"),
    [
        ("gap-proportional", {"smoothing": 1.1}, "smoothing = 1.1"),
        ("validation-guided", {"follow": -0.1}, "follow = -0.1"),
        ("error-mass", {"follow": 0.1}, "follow"),
    ],
)
def test_bad_settings_are_refused(name: str, settings: dict[str, float], fragment: str) -> None:
    with pytest.raises(ConfigError, match=fragment):
        load_allocator(name, settings)
