"""How figures look: colours that colour-blind readers can tell apart, small type, few lines."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.textpath import TextPath

from readsim.allocators.registry import Family, base_name, family_of
from readsim.tree_file import write_atomic

# Okabe and Ito (2008); the yellow is for areas only
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, YELLOW = "#0072B2", "#D55E00", "#CC79A7", "#F0E442"
GREY, PALE, FAINT = "#777777", "#D0D0D0", "#555555"
SMALL = 6.0  # points, of the small print

RC: dict[Any, Any] = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 8,
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure everywhere
    "font.size": 8,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "readsim",  # the same names of parts in the same figure
    "text.parse_math": False,  # a name is a name, whatever signs are in it
    "xtick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 7,
    "ytick.major.width": 0.6,
}

FALLBACKS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Hiragino Sans", "Arial Unicode MS"),
    *("Noto Sans Arabic", "Noto Sans Devanagari", "Noto Emoji", "Segoe UI Symbol"),
)


class Look(NamedTuple):
    """How an allocator is drawn in every figure."""

    colour: str
    dash: str
    marker: str
    width: float = 1.2


KNOWN = {
    "read": Look(VERMILION, "-", "o", 2.0),
    "task-static": Look(BLUE, "-", "s"),
    "greedy": Look(GREEN, "-", "^"),
    "grid": Look(PURPLE, "-", "D"),
    "one-hot": Look(ORANGE, "-", "v"),
    "uniform": Look(GREY, "-", "P"),
    "oracle-static": Look(BLACK, "--", "*"),
}
OTHERS = (SKY, GREY, BLACK)
# Of methods that are the user's own: told apart on white and on black, and none like another's above.
OWN = (
    *("#C2255C", "#5F5BD7", "#0B8085", "#7A7A12", "#96592A"),
    *("#A33CB5", "#3D74B8", "#3C8535", "#C4453C", "#706880"),
)
DASHES = ("--", ":", "-.")
MARKERS = ("X", "<", ">", "h", "p", "d", "8")


def looks(allocators: Iterable[str]) -> dict[str, Look]:
    """A look for each allocator: fixed for the paper's, the same colour for variants of these.

    What is not built in is the user's own: ten of these have a colour each, and stand out. Variants
    (`grid-charged` of `grid`, `one-hot, cot-kd` of `one-hot`) and all others take dashes and
    markers by order of name.
    """
    out = {name: KNOWN[name] for name in allocators if name in KNOWN}
    free = own = 0
    for n, name in enumerate(sorted(set(allocators) - set(out))):
        plain = base_name(name)
        if family_of(plain) is Family.OTHER:
            dash = ("-", *DASHES)[own // len(OWN) % (1 + len(DASHES))]
            out[name] = Look(OWN[own % len(OWN)], dash, MARKERS[own % len(MARKERS)], 1.6)
            own += 1
            continue
        family = KNOWN.get(plain) or KNOWN.get(plain.split("-", maxsplit=1)[0])
        colour = family.colour if family else OTHERS[free % len(OTHERS)]
        free += family is None
        out[name] = Look(colour, DASHES[n % len(DASHES)], MARKERS[n % len(MARKERS)])
    return out


@contextmanager
def sober() -> Iterator[None]:
    """The settings above, and matplotlib's defaults instead of the user's, within the block.

    Letters that the font lacks are taken from an installed one of `FALLBACKS`; where none is, a box stands
    for them in the PNG and the PDF, while the SVG holds the text itself.
    """
    installed = {font.name for font in fontManager.ttflist}
    families = [RC["font.family"], *(name for name in FALLBACKS if name in installed)]
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")
        warnings.filterwarnings("ignore", "Matplotlib currently does not support .* natively")
        mpl.rcdefaults()
        mpl.rcParams.update(RC | {"font.family": families})
        yield


class Box(NamedTuple):
    """Size of a panel and of the space around it, in inches."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float

    @property
    def across(self) -> float:
        return self.left + self.width + self.right

    @property
    def down(self) -> float:
        return self.top + self.height + self.bottom


NO_MARGINS = Box(0, 0, 0, 0, 0, 0)


def panels(
    count: int, box: Box, *, columns: int = 2, margins: Box = NO_MARGINS
) -> tuple[Figure, list[Axes]]:
    """`count` panels of exactly this size, row by row, with the space of `margins` around them all.

    What is written next to a panel does not move it. The figure needs no screen, and nothing global
    holds on to it.
    """
    columns = min(count, columns)
    rows = -(-count // columns)
    width, height = margins.across + columns * box.across, margins.down + rows * box.down
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = []
    for n in range(count):
        row, column = divmod(n, columns)
        x = margins.left + column * box.across + box.left
        y = margins.bottom + (rows - 1 - row) * box.down + box.bottom
        axes.append(
            figure.add_axes((x / width, y / height, box.width / width, box.height / height))
        )
    return figure, axes


def footnote(figure: Figure, origin: str, text: str = "") -> None:
    """Small print at the lower left corner, as wide as the figure: where its numbers come from (a simulated
    world, real training, a table), and what else a reader must know.

    Where it does not fit below what is drawn, the figure grows at its bottom: call it after what is placed
    by the panels, and before what is placed in fractions of the figure.
    """
    width, height = figure.get_size_inches()
    lines = fill(f"{origin}. {text}" if text else origin, int(width * 72.0 / (0.55 * SMALL)))
    lowest = figure.get_tightbbox().y0
    note = figure.text(0.06 / width, 0.05 / height, lines, fontsize=SMALL, color=FAINT)
    top = note.get_window_extent().y1 / figure.dpi
    if (more := top + 0.05 - lowest) > 0.0:
        places = [axes.get_position(original=True).bounds for axes in figure.axes]
        taller = height + more
        figure.set_size_inches(width, taller)
        for axes, (x, y, w, h) in zip(figure.axes, places, strict=True):
            axes.set_position((x, (y * height + more) / taller, w, h * height / taller))
        note.set_y(0.05 / taller)


def short(name: str, most: int = 26) -> str:
    """A name of at most `most` letters: its end, which is what tells `module:Class` names apart."""
    return name if len(name) <= most else f"...{name[3 - most :]}"


def room_for(names: Iterable[str], size: float = 7.0) -> float:
    """Inches that the longest of the names takes, with a little to spare; `size` in points."""
    return max(_width(short(name), size) for name in names) / 72.0 + 0.05


def _width(text: str, size: float) -> float:
    """Points; of letters that the font may lack, a guess."""
    if not (text.isascii() and text.isprintable()):
        return len(text) * 0.62 * size
    font = FontProperties(family=RC["font.family"])
    return float(TextPath((0, 0), text, size=size, prop=font).get_extents().x1) if text else 0.0


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write PDF, PNG and SVG, without dates, each whole or not at all."""
    written = []
    for suffix, metadata in (
        (".pdf", {"CreationDate": None}),
        (".png", {}),
        (".svg", {"Date": None}),
    ):
        buffer = BytesIO()
        figure.savefig(buffer, format=suffix[1:], metadata=metadata)
        written.append(stem.with_suffix(suffix))
        write_atomic(written[-1], buffer.getvalue())
    return written


def to_svg(figure: Figure) -> bytes:
    """The figure as an SVG file, without a date."""
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
