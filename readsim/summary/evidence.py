"""How sure differences to the reference are: tests, corrected for their number, and what n seeds can show."""

from collections.abc import Sequence

import numpy as np

from readsim.arrays import Array
from readsim.stats import (
    detectable_difference,
    holm,
    pairing_gain,
    seeds_needed,
    sign_flip_test,
    t_test,
)
from readsim.token_counts import show_tokens

COLUMNS = ("difference_sd", "p_value", "p_holm", "p_sign_flip", "detectable", "pairing")
SURE = 0.05
ROUNDING = 1e-9


def evidence(utility: Array, reference: int | None) -> dict[str, Array]:
    """`COLUMNS`, (B, A) each, from utilities (B, A, R) over R seeds and the place of the reference.

    p_value      paired t test, two-sided; 0 or 1 where no seed differs from another
    p_holm       the same after Holm's correction for all B (A - 1) tests
    p_sign_flip  exact sign-flip test, which assumes no shape: see `readsim.stats.sign_flip_test`
    detectable   the difference that R seeds show with chance .8 at level .05, in the utility's unit
    pairing      share of the variance that pairing by seed removed

    NaN for the reference itself, without one, and for what one seed cannot tell.
    """
    out = {name: np.full(utility.shape[:2], np.nan) for name in COLUMNS}
    seeds = utility.shape[-1]
    if reference is None or seeds < 2:
        return out
    difference = utility - utility[:, [reference]]
    difference[np.abs(difference) < ROUNDING] = 0.0
    for b, a in np.ndindex(*utility.shape[:2]):
        if a != reference:
            d = difference[b, a]
            sd = float(d.std(ddof=1))
            out["difference_sd"][b, a] = sd
            out["p_value"][b, a] = t_test(d)
            out["p_sign_flip"][b, a] = sign_flip_test(d)
            out["detectable"][b, a] = detectable_difference(sd, seeds)
            out["pairing"][b, a] = pairing_gain(utility[b, a], utility[b, reference])
    out["p_holm"] = holm(out["p_value"])
    return out


def advice(
    columns: dict[str, Array], budgets: Sequence[int], seeds: int, unit: str, reference: str
) -> str:
    """One line: what this many seeds can show, and how many would show half of it; empty without tests."""
    varies = columns["difference_sd"] > ROUNDING  # False where missing
    if seeds < 2 or not varies.any():
        return ""
    shown = [
        f"{np.median(columns['detectable'][b][varies[b]]):.2g} {unit} at {show_tokens(budget)}"
        for b, budget in enumerate(budgets)
        if varies[b].any()
    ]
    half = seeds_needed(detectable_difference(1.0, seeds) / 2.0, 1.0)
    text = (
        f"Seeds: {seeds} show a true difference to {reference} of {_listed(shown)} (chance 80 %, level "
        f"5 % without correction, median allocator; column detectable has each); half of it takes {half}."
    )
    gain = float(np.median(columns["pairing"][varies]))
    if gain > 0.1:
        text += f" Pairing by seed removes {100.0 * gain:.0f} % of the variance."
    return text


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
