"""The fitted world, and how far it is from what was measured."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from readsim.arrays import Array
from readsim.token_counts import show_tokens
from readsim.worlds import World
from studies.presets.read8 import significant
from studies.presets.tables import average_and_focus
from studies.transfer_matrix.fit import Fit, bounds_of, fit
from studies.transfer_matrix.measured import Measured

STRETCH = 0.05  # of ln(tokens), for slopes
DIGITS = 4
PURPOSE = "For: allocators on transfer that a real pair shows, at its own budgets."
REACH = 1.5  # the world is said to hold up to this many times the largest budget


def efficiency_sd(measured: Measured, world: World) -> float:
    """sd of ln(efficiency), common to all sources, from the variance of changes over seeds.

    A change varies by sd * dM/dln(tokens), and by a multiple of the items' variance; both shares by
    non-negative least squares over all cells. 0 with one seed.
    """
    if measured.change.shape[2] < 2:
        return 0.0
    one = np.eye(len(measured.sources))

    def profiles(stretch: float) -> Array:
        tokens = np.array(measured.budgets) * np.exp(stretch)
        return np.array([world.static_profile(one, b) for b in tokens])

    slope = (profiles(STRETCH) - profiles(-STRETCH)) / (2.0 * STRETCH)
    items = measured.item_variance
    columns = np.stack([slope**2 / items, np.ones_like(items)], axis=-1).reshape(-1, 2)
    wanted = (measured.change.var(axis=2, ddof=1) / items).ravel()
    shares, _ = nnls(columns, wanted)
    return float(np.sqrt(shares[0]))


def pairing(measured: Measured) -> float:
    """Correlation of two measurements on the same items, see `readsim.worlds.probe`.

    With deviations a, b of the two, the change has variance a^2 + b^2 - 2 pairing a b.
    """
    start = measured.vector("start")
    last = np.clip(start + measured.change, 0.0, 1.0)
    items = np.where(measured.vector("test_items") > 0, measured.vector("test_items"), np.inf)
    a, b = np.sqrt(start * (1 - start) / items), np.sqrt(last * (1 - last) / items)
    both = 2.0 * a * b
    if not both.any():
        return 0.0
    over = float(((a**2 + b**2 - measured.change_sd**2) * both).sum() / (both**2).sum())
    return min(max(over, 0.0), 1.0)


class Errors(NamedTuple):
    """Root mean squares in points, over all capabilities of some runs.

    fitted   of the world's prediction
    linear   of the shares' mean of the measured one-hot rows (nan where there is none)
    change   of the change itself: what predicting no change would leave
    noise    of the measurement's standard error
    """

    fitted: float
    linear: float
    change: float
    noise: float


def world_of(measured: Measured, name: str, purpose: str) -> World:
    """`potential` dynamics with the saturating link; see `fit`. `purpose` ends the description."""
    found, bounds = fit(measured), bounds_of(measured)
    small = 1e-5
    coefficients = (
        np.where(c < small, 0.0, significant(c, DIGITS)) for c in (found.help, found.harm)
    )
    help_, harm = coefficients
    s = len(measured.sources)
    world = World(
        name=name,
        description=f"{measured.info['what']}: one-hot transfer as measured. {purpose}",
        sources=measured.sources,
        capabilities=measured.capabilities,
        dynamics="potential",
        link="saturating",
        start=bounds.start,
        floor=np.minimum(bounds.floor, bounds.start),
        ceiling=np.maximum(bounds.ceiling, bounds.start),
        gain=(found.family,) * s,
        scale_tokens=found.scale,
        help=help_,
        harm=harm,
        horizon=REACH * measured.budgets[-1],
        items=measured.vector("items"),
        test_items=measured.vector("test_items"),
        pairing=round(pairing(measured), 2),
        tasks=average_and_focus(measured.capabilities),
    )
    sd = round(efficiency_sd(measured, world), 2)
    world = world.replace(efficiency_sd=np.full(s, sd))
    return world.replace(provenance=_provenance(measured, world, found))


def matrix_errors(measured: Measured, world: World) -> Errors:
    """On the one-hot rows, which the world was fitted to."""
    predicted = np.array([world.transfer_matrix(b) for b in measured.budgets])
    return Errors(
        _rms(predicted - measured.matrix),
        float("nan"),
        _rms(measured.matrix),
        _rms(measured.error),
    )


def mixture_errors(measured: Measured, world: World) -> Errors:
    """On the mixtures, which the fit did not see: nan where there are none."""
    if not len(measured.mixed):
        return Errors(*[float("nan")] * 4)
    places = [measured.budgets.index(int(b)) for b in measured.spent]
    each = zip(measured.shares, measured.spent, strict=True)
    predicted = np.array([world.static_profile(a, b) for a, b in each]) - world.start
    rows = np.array([a @ measured.matrix[b] for a, b in zip(measured.shares, places, strict=True)])
    spread = measured.seed_variance[places].mean(axis=1)
    return Errors(
        _rms(predicted - measured.mixed),
        _rms(rows - measured.mixed),
        _rms(measured.mixed),
        _rms(np.sqrt(measured.mixed_sd**2 + spread)),
    )


def _rms(values: Array) -> float:
    return float(100.0 * np.sqrt(np.mean(values**2)))


def _largest(measured: Measured, world: World) -> str:
    """Where the world is furthest from the runs."""
    off = np.array([world.transfer_matrix(b) for b in measured.budgets]) - measured.matrix
    b, i, j = (int(n) for n in np.unravel_index(int(np.abs(off).argmax()), off.shape))
    where = (
        f"{measured.sources[i]} on {measured.capabilities[j]} at {show_tokens(measured.budgets[b])}"
    )
    return f"largest {100 * off[b, i, j]:+.1f}, {where}"


def _provenance(measured: Measured, world: World, found: Fit) -> dict[str, str]:
    info = measured.info
    own, mixed = matrix_errors(measured, world), mixture_errors(measured, world)
    seeds = measured.change.shape[2]
    budgets = ", ".join(show_tokens(b) for b in measured.budgets)
    versions = ", ".join(f"{k} {v}" for k, v in info.get("versions", {}).items())
    cells = measured.matrix.size
    return {
        "runs": f"ours: measured {info['date']} on {info['what']} by `{info['command']}`: one-hot "
        f"training on each source, budgets {budgets}, {seeds} seeds, changes paired item by item on "
        f"the test split" + (f"; {versions}" if versions else ""),
        "fit": f"inferred: least squares weighted by standard errors; {found.family} was best of the "
        f"gain families. Root mean square error {own.fitted:.2f} points over {cells} entries, whose "
        f"standard error is {own.noise:.2f} and whose size is {own.change:.2f}; "
        f"{_largest(measured, world)}",
        "check": "inferred: "
        + (
            f"mixtures that the fit did not see are predicted to {mixed.fitted:.2f} points (root "
            f"mean square over {measured.mixed.size} scores) where the measurement's standard error "
            f"is {mixed.noise:.2f} and the changes have {mixed.change:.2f}"
            if len(measured.mixed)
            else "no mixtures were run"
        ),
        "start": "ours: measured, the student's scores on the test split",
        "ceiling": "ours: measured, the teacher's scores on the test split, or "
        "2 points above the best student's mean where that is higher",
        "floor": "ours: chance, 0 where answers are generated and compared with the key",
        "efficiency_sd": "inferred: from the variance of changes between seeds, the same for all "
        "sources",
        "pairing": "inferred: from the standard errors of changes, paired item by item",
        "horizon": f"ours: {REACH:g} times the largest measured budget",
        "tasks": "ours: average, and 0.6 on one capability",
    }
