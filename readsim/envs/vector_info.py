"""Infos of many runs, in Gymnasium's form: an array a key, and `_key` for the runs that have it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.arrays import Mask

Info = dict[str, Any]


def with_masks(info: Info, mask: Mask) -> Info:
    """The same entries, each with `mask`."""
    return info | {f"_{key}": mask for key in info}


def spread_info(info: Info, runs: NDArray[np.int64], total: int) -> Info:
    """Rows of the named runs into arrays of all `total` runs, zeros elsewhere, with masks."""
    mask = np.zeros(total, dtype=np.bool_)
    mask[runs] = True
    out = {}
    for key, value in info.items():
        fill = None if value.dtype == object else 0
        out[key] = np.full((total, *value.shape[1:]), fill, dtype=value.dtype)
        out[key][runs] = value
    return with_masks(out, mask)


def split_ended(info: Info, ended: Mask, last: Info) -> Info:
    """SAME_STEP: what belongs to the ended runs moves to `final_obs` and `final_info`.

    `last` is the batched observation before the reset.
    """
    final_obs = np.full(len(ended), None, dtype=object)
    for n in np.flatnonzero(ended):
        final_obs[n] = {key: value[n] for key, value in last.items()}
    out: Info = {"final_obs": final_obs, "_final_obs": ended.copy()}
    final_info: Info = {}
    for key in [k for k in info if not k.startswith("_")]:
        mask, value = info[f"_{key}"], info[key]
        for target, chosen in ((final_info, mask & ended), (out, mask & ~ended)):
            if chosen.any():
                kept = value.copy()
                kept[~chosen] = 0
                target[key], target[f"_{key}"] = kept, chosen
    return out | {"final_info": final_info, "_final_info": ended.copy()}
