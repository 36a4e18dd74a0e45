"""Where names are put in figures, and how allocators look."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from readsim.allocators.registry import allocator_names
from readsim.arrays import Array
from readsim.plots.labels import label_points, spread_labels
from readsim.plots.style import Box, looks, panels, short
from tests.plots.test_plots import box_of, texts


@given(
    arrays(np.float64, st.integers(1, 12), elements=st.floats(-10.0, 10.0)), st.floats(0.01, 3.0)
)
def test_spread_keeps_order_and_distance_and_moves_no_more_than_needed(
    wanted: Array, gap: float
) -> None:
    out = spread_labels(wanted, gap)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(out[order]) >= gap - 1e-9).all()
    assert out.sum() == pytest.approx(wanted.sum(), abs=1e-8)
    if (np.diff(wanted[order]) >= gap).all():
        np.testing.assert_allclose(out, wanted, atol=1e-9)
    # nearest in squares: no other admissible placement is closer in the direction of any of these
    for other in (wanted[order][0] + gap * np.arange(len(wanted)), np.sort(out) + 0.1):
        better = np.empty_like(out)
        better[order] = other
        assert ((out - wanted) @ (better - out)) >= -1e-7


def test_names_of_close_points_stay_apart() -> None:
    figure, [axes] = panels(1, Box(3.0, 2.5, 0.5, 0.1, 0.2, 0.4))
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    points = np.array([[0.5 + 0.02 * n, 0.5 + 0.01 * (n % 3)] for n in range(8)])
    names = [f"allocator-{n}" for n in range(8)]
    label_points(axes, points, names, ["black"] * 8, np.zeros((0, 4)))
    boxes = [box_of(t) for t in texts(figure) if t.get_text() in names]
    assert len(boxes) == 8
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1) for box in boxes)


def test_looks_differ_and_do_not_change_with_the_company() -> None:
    names = ["read", "task-static", "greedy", "grid", "one-hot", "uniform", "oracle-static"]
    alone = {name: looks([name])[name] for name in names}
    together = looks([*names, "random", "read-no-adaptation", "grid-charged", "mine", "other"])
    assert alone == {name: together[name] for name in names}
    assert len(set(together.values())) == len(together)
    assert together["grid-charged"].colour == together["grid"].colour


def test_ten_methods_of_ones_own_have_ten_colours_beside_all_others() -> None:
    own = [f"mine:Rule{n}" for n in range(10)]
    look = looks([*allocator_names(), *own])
    colours = {look[name].colour for name in own}
    assert len(colours) == 10
    assert not colours & {look[name].colour for name in allocator_names()}


def test_long_names_keep_their_end() -> None:
    assert short("read") == "read"
    assert short("some.long.package.name:Allocator") == "....package.name:Allocator"
    assert len(short("x" * 100)) == 26
