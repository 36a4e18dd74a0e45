"""Names beside what they name, none on top of another."""

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from readsim.arrays import Array
from readsim.plots.style import short

SIZE = 7.0  # of the type, in points
LINE = {"arrowstyle": "-", "lw": 0.5, "shrinkA": 0, "shrinkB": 0}

# Where a name may stand around its point: distances in points, directions, nearest first.
DISTANCES = (6.0, 12.0, 20.0, 30.0, 44.0, 60.0, 80.0)
FAR = 1.0  # what a point of distance costs, in covered square points
DIRECTIONS = ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (0, -1))


def spread(wanted: Array, gap: float) -> Array:
    """Positions at least `gap` apart, in the order of `wanted`, nearest to it in squares: (n,) -> (n,).

    With y_i = z_i - i gap for sorted z, the nearest non-decreasing y is an isotonic regression.
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    out = np.empty(len(wanted))
    out[order] = isotonic_regression(wanted[order] - steps).x + steps
    return out


def label_right(
    axes: Axes, heights: Array, names: Sequence[str], colours: Sequence[str], inches: float
) -> None:
    """A column of names right of the axes, `inches` high, each joined to its height in data units.

    Changes no limits, and needs them to be final.
    """
    low, high = axes.get_ylim()
    level = (heights - low) / (high - low)
    places = spread(level, 1.3 * SIZE / 72.0 / inches)
    for name, colour, start, end in zip(names, colours, level, places, strict=True):
        axes.annotate(
            short(name),
            xy=(1.0, start),
            xytext=(1.07, end),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=SIZE,
            color=colour,
            annotation_clip=False,
            arrowprops={**LINE, "color": colour, "relpos": (0.0, 0.5), "shrinkA": 1},
        )


def label_points(
    axes: Axes, points: Array, names: Sequence[str], colours: Sequence[str], lines: Sequence[Bbox]
) -> None:
    """A name beside each point (n, 2), clear of other names and points and, less strictly, of `lines`.

    Points, and lines as boxes without width or height, are in data units. Names are placed one
    after the other, each where it costs least by what it covers and how far it is; one that stands
    far off gets a line to its point. Limits must be final.
    """
    assert isinstance(axes.figure, Figure)  # and not a part of one
    pixel = axes.figure.dpi / 72.0
    at = axes.transData.transform(points)
    thin = [_thick(line.transformed(axes.transData), pixel) for line in lines]
    dots = [_thick(Bbox([point, point]), 4.0 * pixel) for point in at]
    placed: list[Bbox] = []
    inside = axes.get_window_extent()
    for (px, py), point, name, colour in zip(at, points, names, colours, strict=True):
        text = axes.annotate(
            short(name), xy=point, xytext=(0, 0), textcoords="offset points", color=colour
        )
        text.set_fontsize(SIZE)
        size = text.get_window_extent()
        least, shift, line = np.inf, (0.0, 0.0), False
        for distance, (dx, dy) in product(DISTANCES, DIRECTIONS):
            step = distance * pixel / np.hypot(dx, dy)
            # the side of the box that faces the point is `step` from it
            x = dx * step + (dx - 1) / 2 * size.width
            y = dy * step + (dy - 1) / 2 * size.height
            box = Bbox.from_bounds(px + x, py + y, size.width, size.height)
            hidden = overlap(box, placed) + outside(box, inside)
            covered = 10.0 * hidden + overlap(box, dots) + 0.1 * overlap(box, thin)
            cost = covered / pixel**2 + FAR * distance
            if cost < least:
                least, shift, line, chosen = cost, (x, y), distance > DISTANCES[1], box
        placed.append(chosen)
        text.set_position((shift[0] / pixel, shift[1] / pixel))
        if line:
            near = np.clip((px, py), chosen.min, chosen.max)
            axes.annotate(
                "",
                xy=point,
                xytext=((near[0] - px) / pixel, (near[1] - py) / pixel),
                textcoords="offset points",
                arrowprops={**LINE, "color": colour, "shrinkB": 3},
            )


def _thick(box: Bbox, by: float) -> Bbox:
    return Bbox([[box.xmin - by, box.ymin - by], [box.xmax + by, box.ymax + by]])


def overlap(box: Bbox, others: Iterable[Bbox]) -> float:
    """Area that `box` shares with the others."""
    shared = (Bbox.intersection(box, other) for other in others)
    return sum((both.width * both.height for both in shared if both is not None), 0.0)


def outside(box: Bbox, frame: Bbox) -> float:
    """Area of `box` beyond `frame`."""
    return box.width * box.height - overlap(box, [frame])
