"""Many worlds side by side against each world's own equations."""

from typing import Any

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.errors import ConfigError
from readsim.worlds import World, load_world
from readsim.worlds.many import ManyWorlds, stack_worlds
from readsim.worlds.prior import draw_world
from readsim.worlds.random import random_world

STEPS = 6


def drawn(count: int) -> list[World]:
    """Worlds of the prior with 5 sources and 4 visible capabilities of 4, and of the random family."""
    prior = [draw_world("broad", n, sources=5, capabilities=4) for n in range(count)]
    family = [
        random_world(n, sources=5, capabilities=4, dynamics=d, schedule=s)
        for n, (d, s) in enumerate(
            [
                ("separable", "constant"),
                ("potential", "linear"),
                ("flow", "wsd"),
                ("flow", "cosine"),
            ]
        )
    ]
    return [world for world in prior if not world.hidden] + family


def schedules(worlds: list[World]) -> tuple[Array, Array]:
    """Budgets (W,), and tokens (T, S, W) of random allocations."""
    rng = np.random.default_rng(0)
    budgets = rng.uniform(1e6, 2e8, len(worlds))
    shares = rng.dirichlet(np.full(len(worlds[0].sources), 0.5), (STEPS, len(worlds)))
    return budgets, np.moveaxis(shares * budgets[:, None] / STEPS, 2, 1).copy()


def play(many: ManyWorlds, budgets: Any, tokens: Any) -> list[Any]:
    state, profiles = many.initial(many.numbers["rate"], budgets), []
    for step in tokens:
        state = many.advance(state, step)
        profiles.append(many.profile(state))
    return profiles


def test_each_world_moves_as_it_does_alone() -> None:
    worlds = drawn(60)
    stack = stack_worlds(worlds)
    assert len(stack.terms) == 13, "the worlds together have every term"
    budgets, tokens = schedules(worlds)
    profiles = play(ManyWorlds(stack), budgets, tokens)
    for n, world in enumerate(worlds):
        state = world.initial(world.rate()[None], budgets[n])
        for step, profile in zip(tokens, profiles, strict=True):
            state = world.model.advance(state, step[:, n][None])
            expected = world.model.profile(state)[0]
            assert np.allclose(profile[:, n], expected, rtol=0, atol=1e-9), world.description


def test_negated_losses_and_runs_that_share_a_world() -> None:
    losses = [load_world("from-scratch"), load_world("from-scratch").replace(substeps=3)]
    budgets, tokens = schedules([losses[n] for n in (0, 1, 0)])
    stack = stack_worlds(losses).take(np.array([0, 1, 0]))
    profiles = play(ManyWorlds(stack), budgets, tokens)
    for n in range(3):
        expected = losses[0].profile_after(list(tokens[:, :, n]), budgets[n])
        assert np.allclose(profiles[-1][:, n], expected, rtol=0, atol=1e-9)


def test_worlds_that_do_not_fit_are_refused() -> None:
    five = random_world(0, capabilities=5)
    cases = [
        (random_world(1, capabilities=4), "has 4 sources, 4 capabilities, 4 of them visible"),
        (load_world("artifact-toy"), "the artifact's dynamics"),
        (random_world(2, capabilities=5).replace(floor=np.full(5, -0.2)), "another scale"),
    ]
    for world, said in cases:
        first = five if world.dynamics != "artifact" else world
        with pytest.raises(ConfigError, match=said):
            stack_worlds([first, world])


@pytest.mark.extra("torch")
def test_torch_has_the_same_numbers_and_finite_slopes() -> None:
    import torch

    worlds = drawn(40)
    stack = stack_worlds(worlds)
    budgets, tokens = schedules(worlds)
    expected = play(ManyWorlds(stack), budgets, tokens)[-1]
    amounts = torch.asarray(tokens).requires_grad_()
    found = play(ManyWorlds(stack, torch, least=1e-9), torch.asarray(budgets), amounts)[-1]
    assert np.allclose(found.detach().numpy(), expected, rtol=0, atol=1e-4)
    found.sum().backward()
    assert amounts.grad is not None
    assert torch.isfinite(amounts.grad).all()
