"""The seeded family of worlds does what its docstring states, and its text form reads the same."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readsim.errors import ReadsimError
from readsim.testing.backend_checks import same
from readsim.worlds import World, load_world, random_world, world_from_dict, world_to_dict

ARGUMENTS = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "sources": st.one_of(st.none(), st.integers(1, 9)),
        "capabilities": st.integers(1, 9),
        "coupling": st.sampled_from([0.0, 0.1, 1.0, 5.0]),
        "negative": st.sampled_from([0.0, 0.3, 1.0]),
        "curvature": st.sampled_from([0.1, 1.0, 10.0]),
        "noise": st.sampled_from([0.0, 0.5, 1.0, 4.0, 1e3]),
        "dynamics": st.sampled_from(["separable", "potential", "flow"]),
    }
)


def fields_of(world: World) -> dict[str, Any]:
    return {name: getattr(world, name) for name in world.__dataclass_fields__}


@given(ARGUMENTS)
def test_every_draw_is_a_valid_world(arguments: dict[str, Any]) -> None:
    world = random_world(**arguments)
    s, k = world.shape
    assert k == arguments["capabilities"]
    assert s == (arguments["sources"] or k)
    assert world.dynamics == arguments["dynamics"]
    assert same(fields_of(world), fields_of(random_world(**arguments)))
    items = world.items
    assert (items == 0).all() if arguments["noise"] == 0 else (items >= 1).all()
    own = np.diag(world.help)
    assert (own > 0.0).all()
    assert not np.diag(world.harm).any()
    assert not (world.help * world.harm).any()  # a cross effect helps or harms
    assert (own <= 0.4 * (0.9 - world.start[: len(own)]) + 1e-12).all()
    if arguments["dynamics"] == "separable" or arguments["negative"] == 0:
        assert not world.harm.any()
    if arguments["coupling"] == 0:
        assert np.count_nonzero(world.help) == min(s, k)
    for name in world.task_names:
        assert world.task(name).requirement.sum() == pytest.approx(1.0)
    matrix = world.transfer_matrix(60e6)
    assert (world.start + matrix >= -1e-9).all()
    assert (world.start + matrix <= 0.9 + 1e-9).all()


@settings(max_examples=25)
@given(ARGUMENTS)
def test_the_text_form_is_the_same_world(arguments: dict[str, Any]) -> None:
    text = ",".join(f"{k}={v}" for k, v in arguments.items() if v is not None)
    assert same(fields_of(load_world(f"random:{text}")), fields_of(random_world(**arguments)))


def test_the_bare_name_is_the_default() -> None:
    assert same(fields_of(load_world("random")), fields_of(random_world()))
    assert same(fields_of(load_world("random:")), fields_of(random_world()))


@settings(max_examples=25)
@given(ARGUMENTS)
def test_through_a_table(arguments: dict[str, Any]) -> None:
    world = random_world(**arguments)
    assert same(fields_of(world_from_dict(world_to_dict(world))), fields_of(world))


def test_the_knobs_turn_what_they_say() -> None:
    sizes = []
    for coupling in (0.05, 0.2, 0.8):
        worlds = [random_world(s, coupling=coupling, negative=0.5) for s in range(20)]
        off = ~np.eye(8, dtype=np.bool_)
        cross = np.mean([(w.help + w.harm)[off].mean() for w in worlds])
        sizes.append(cross / np.mean([np.diag(w.help).mean() for w in worlds]))
    assert sizes == pytest.approx([0.05, 0.2, 0.8], rel=0.1)
    harmful = np.mean([(random_world(s, negative=0.25).harm > 0).sum() / 56 for s in range(20)])
    assert harmful == pytest.approx(0.25, abs=0.05)
    gains = [
        1.0 - world.transfer_matrix(30e6)[0, 0] / world.transfer_matrix(60e6)[0, 0]
        for world in (random_world(1, curvature=c, coupling=0.0) for c in (0.1, 1.0, 10.0))
    ]
    # the share of the gain that comes in the second half
    assert gains[0] > 0.4 > gains[1] > 0.2
    assert gains[2] < 0.05
    assert random_world(noise=2.0).items.tolist() == [16.0] * 8


def test_seeds_differ() -> None:
    drawn = {random_world(seed, capabilities=2).help.tobytes() for seed in range(50)}
    assert len(drawn) == 50


BAD = [
    ({"seed": -1}, "seed = -1"),
    ({"sources": 0}, "sources = 0"),
    ({"capabilities": 0}, "= 0: expected a number of at least 1"),
    ({"coupling": -0.1}, "coupling = -0.1"),
    ({"coupling": np.nan}, "coupling = nan"),
    ({"noise": np.inf}, "noise = inf"),
    ({"negative": 1.5}, "negative = 1.5"),
    ({"curvature": 0.0}, "curvature = 0.0"),
    ({"dynamics": "potentail"}, "did you mean 'potential'"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ReadsimError, match=message):
        random_world(**arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("random:sed=1", "unknown field of the random family 'sed'; did you mean 'seed'"),
        ("random:seed=x", "seed = 'x' in 'random:seed=x': expected int"),
        ("random:seed=1.5", "expected int"),
        ("random:seed", "expected int"),
        ("random:coupling=lots", "expected float"),
        ("random:dynamics", "expected dynamics=VALUE"),
        ("random:capabilities=0", "at least 1"),
        ("randon", "did you mean 'random'"),
    ],
)
def test_bad_texts(text: str, message: str) -> None:
    with pytest.raises(ReadsimError, match=message):
        load_world(text)
