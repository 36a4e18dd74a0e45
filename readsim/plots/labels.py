"""Names next to what they name, none on top of another."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from readsim.arrays import Array
from readsim.plots.style import short

SIZE = 7.0  # of the type, in points
LINE = {"arrowstyle": "-", "lw": 0.5, "shrinkA": 0, "shrinkB": 0}

# Where a name may stand around its point, nearest first: its distance in points, the way (x, y) that
# it lies in, and where the nearest point of the name is then.
DISTANCES = (6.0, 12.0, 20.0, 30.0, 44.0, 60.0, 80.0)
DIRECTIONS = ((1, 0), (1, 1), (1, -1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (0, -1))
FROM = np.repeat(DISTANCES, len(DIRECTIONS))
WAYS = np.tile(DIRECTIONS, (len(DISTANCES), 1))
PLACES = WAYS * (FROM / np.hypot(*WAYS.T))[:, None]
NEAR = 12.0  # up to here a name needs no line to its point
FAR = 1.0  # what a point of distance costs, in covered square points


def spread_labels(wanted: Array, gap: float) -> Array:
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
    ends = np.column_stack([np.full(len(heights), axes.get_xlim()[0]), heights])
    level = axes.transAxes.inverted().transform(axes.transData.transform(ends))[:, 1]
    places = spread_labels(level, 1.3 * SIZE / 72.0 / inches)
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
    axes: Axes, points: Array, names: Sequence[str], colours: Sequence[str], lines: Array
) -> None:
    """A name next to each point (n, 2), clear of other names and points and, less strictly, of `lines`.

    Lines (m, 4) are boxes [x0, y0, x1, y1] without width or height, in data units as the points
    are. Names are placed one after the other, each where it costs least by what it covers and how
    far it is; one that stands far off gets a line to its point. Limits must be final.
    """
    assert isinstance(axes.figure, Figure)  # and not a part of one
    pixel = axes.figure.dpi / 72.0
    at = axes.transData.transform(points)
    ends = axes.transData.transform(lines.reshape(-1, 2)).reshape(-1, 4)
    thin, dots = _thick(ends, pixel), _thick(np.tile(at, 2), 4.0 * pixel)
    frame = np.array(axes.get_window_extent().extents)
    placed = np.zeros((0, 4))
    for here, point, name, colour in zip(at, points, names, colours, strict=True):
        text = axes.annotate(
            short(name), xy=point, xytext=(0, 0), textcoords="offset points", color=colour
        )
        text.set_fontsize(SIZE)
        size = np.array(text.get_window_extent().size)
        shifts = PLACES * pixel + (WAYS - 1) / 2 * size
        boxes = np.hstack([here + shifts, here + shifts + size])
        hidden = overlap(boxes, placed) + size.prod() - overlap(boxes, frame[None])
        covered = 10.0 * hidden + overlap(boxes, dots) + 0.1 * overlap(boxes, thin)
        best = int(np.argmin(covered / pixel**2 + FAR * FROM))
        text.set_position(shifts[best] / pixel)
        box = boxes[best]
        placed = np.vstack([placed, _thick(box[None], 1.5 * pixel)])
        if FROM[best] > NEAR:
            axes.annotate(
                "",
                xy=point,
                xytext=(np.clip(here, box[:2], box[2:]) - here) / pixel,
                textcoords="offset points",
                arrowprops={**LINE, "color": colour, "shrinkB": 3},
            )


def _thick(boxes: Array, by: float) -> Array:
    """Boxes (n, 4) with their corners in order and moved outwards."""
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    return np.hstack([low - by, high + by])


def overlap(boxes: Array, others: Array) -> Array:
    """Area that each of `boxes` (n, 4) shares with `others` (m, 4), counted for each of them: (n,)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    area: Array = np.maximum(high - low, 0.0).prod(axis=-1).sum(axis=-1)
    return area
