"""What a run did to the capabilities, one pure function per quantity. Changes are in score units.

Two kinds of spillover are kept apart: *harmful* spillover counts drops in the essential set of a task,
*negative* spillover counts drops in everything that is not the target.
"""

import numpy as np

from readsim.arrays import Array, Mask

# E[max(-Z, 0)] of a standard normal Z: what noise alone adds to a mean drop
NOISE_DROP = 1.0 / np.sqrt(2.0 * np.pi)


def target_set(requirement: Array) -> Mask:
    """The target: the capability with the largest requirement, as a mask (V,)."""
    mask = np.zeros(len(requirement), dtype=np.bool_)
    mask[int(np.argmax(requirement))] = True
    return mask


def on_target(change: Array, target: Mask) -> Array:
    """Mean change over the target set: (..., K) -> (...)."""
    out: Array = change[..., target].mean(axis=-1)
    return out


def off_target(change: Array, target: Mask) -> Array:
    """Mean signed change over everything else; 0 where nothing else is."""
    return _mean(change[..., ~target])


def negative_spillover(change: Array, target: Mask) -> Array:
    """Mean drop over everything that is not the target, >= 0.

    The paper's table of negative transfer has a rate, the share of drops, which is another quantity.
    """
    return _mean(np.maximum(-change[..., ~target], 0.0))


def negative_floor(change_sd: Array, target: Mask) -> Array:
    """What `negative_spillover` would show on average if nothing had changed but the measurement."""
    return _mean(NOISE_DROP * change_sd[..., ~target])


def harmful_spillover(change: Array, essential: Array) -> Array:
    """Total drop over the essential set, >= 0."""
    out: Array = np.maximum(-change, 0.0) @ essential
    return out


def significant_drops(change: Array, change_sd: Array, target: Mask, z: float = 1.96) -> Array:
    """Share of non-target capabilities whose measured drop exceeds z standard errors."""
    return _mean((change[..., ~target] < -z * change_sd[..., ~target]).astype(np.float64))


def gap_closed(utility: Array, reference: Array, oracle: Array) -> Array:
    """(U - U_reference) / (U_oracle - U_reference): 0 is the reference, 1 the oracle; NaN without gap."""
    gap = oracle - reference
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(gap) > 1e-12, (utility - reference) / gap, np.nan)


def _mean(values: Array) -> Array:
    if values.shape[-1] == 0:
        return np.zeros(values.shape[:-1])
    out: Array = values.mean(axis=-1)
    return out
