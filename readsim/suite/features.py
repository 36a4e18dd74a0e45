"""Scores by what worlds have: where a rule is good and where it is not, as bsuite shows its tags."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from readsim.arrays import Mask
from readsim.plots.style import FAINT, Box, footnote, looks, panels, short
from readsim.stats import interquartile_mean
from readsim.suite.figure import shown_names
from readsim.suite.scores import REFERENCE, Scores
from readsim.worlds import World

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A feature, and whether a world has it; PLAIN worlds have none.
FEATURES: dict[str, Callable[[World], bool]] = {
    "harm between sources": lambda w: bool((w.harm > 0).any()),
    "order counts": lambda w: not w.order_free,
    "gates": lambda w: bool(w.gates),
    "drift": lambda w: bool(w.drift),
    "forgetting": lambda w: bool(np.isfinite(w.forgetting_tokens).any()),
    "overtraining": lambda w: w.overtrains,
    "answer formats": lambda w: bool(w.formats),
    "rehearsal": lambda w: bool(np.isfinite(w.rehearsal_share).any()),
    "falling learning rate": lambda w: not w.learning_rate.is_constant,
    "finite pools": lambda w: bool(np.isfinite(w.pool_tokens).any()),
    "biased probe": lambda w: bool(w.probe_bias.any() or (w.probe_slope != 1.0).any()),
    "hidden capability": lambda w: bool(w.hidden),
    "sources unlike capabilities": lambda w: w.sources != w.capabilities,
}
PLAIN = "none of these"
ROW = 0.24  # inches
LEGEND = 3  # names a line
LEAST = -2.0  # of the marks that are shown


def features_of(world: World) -> list[str]:
    """The names of `FEATURES` that a world has, or `PLAIN`."""
    return [name for name, has in FEATURES.items() if has(world)] or [PLAIN]


def feature_cases(scores: Scores, worlds: Mapping[str, World]) -> dict[str, Mask]:
    """The scored cases (C,) of worlds with each feature, by feature; those with a case only. `worlds` are
    those of `scores.worlds` by name."""
    own = {name: features_of(worlds[name]) for name in dict.fromkeys(scores.worlds)}
    out = {}
    for feature in (*FEATURES, PLAIN):
        there = np.array([feature in own[name] for name in scores.worlds]) & scores.scored
        if there.any():
            out[feature] = there
    return out


def feature_table(scores: Scores, cases: Mapping[str, Mask]) -> pd.DataFrame:
    """Interquartile means: a row an allocator, a column a feature; missing where a run is."""
    rows = []
    for name, score in zip(scores.allocators, scores.score, strict=True):
        values = {f: score[:, mask] for f, mask in cases.items()}
        means = {f: float(interquartile_mean(v)) for f, v in values.items() if np.isfinite(v).all()}
        rows.append({"allocator": name, **{f: means.get(f, np.nan) for f in cases}})
    return pd.DataFrame(rows)


def draw_features(scores: Scores, table: pd.DataFrame, cases: Mapping[str, Mask]) -> "Figure":
    """A row a feature, a mark an allocator at its interquartile mean over the worlds with the feature.

    `table` is `suite_table`'s, by whose order the allocators with a name are chosen.
    """
    by_name = feature_table(scores, cases).set_index("allocator")
    known = table[table["iqm"].notna()]["allocator"].tolist()
    names = shown_names(known)
    labels = [f"{feature} ({int(mask.sum())})" for feature, mask in cases.items()]
    wide = 0.62 * 7 / 72 * max(map(len, labels))
    lines = -(-len(names) // LEGEND)
    box = Box(2.4, max(1.0, ROW * len(labels)), left=wide, right=0.1, top=0.25, bottom=0.4)
    below = Box(0, 0, left=0, right=0, top=0, bottom=0.2 + 0.17 * lines)
    figure, [axes] = panels(1, box, margins=below)
    look = looks(scores.allocators)
    for name in names:
        colour, _, marker, width = look[name]
        x = by_name.loc[name, list(cases)].to_numpy(dtype=float)
        size = 6.5 if width > 1.5 else 5.0
        y = np.arange(len(x))
        axes.plot(x, y, marker, color=colour, ms=size, mec="white", mew=0.4, label=short(name))
    for level in (0.0, 1.0):
        axes.axvline(level, color=FAINT, lw=0.7, zorder=1)
    values = by_name.loc[names].to_numpy(dtype=float)
    low, high = (float(f(values)) for f in (np.nanmin, np.nanmax))
    own = by_name.loc[[name for name in names if name == REFERENCE]].to_numpy(dtype=float)
    least = min(
        [LEAST, *(np.floor(10.0 * own[np.isfinite(own)]) / 10.0)]
    )  # the reference is never cut
    axes.set_xlim(max(low, least) - 0.1, max(high, 1.0) + 0.1)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel("interquartile mean: 0 uniform, 1 best static")
    axes.set_title("by what the worlds have")
    below_label = (-wide / box.width, -box.bottom / box.height)
    axes.legend(loc="upper left", bbox_to_anchor=below_label, borderaxespad=0, ncols=LEGEND)
    cut = f" Marks below {least:g} are cut." if low < least else ""
    footnote(figure, "Simulated worlds", f"In brackets: cases.{cut}")
    return figure
