"""A window's examples with the slopes of a loss of whole replies (`objectives.compared`)."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from readsim.errors import ConfigError
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.compared import ComparesReplies, slopes
from readsim_hf.objectives.sums import terms_in
from readsim_hf.training.batch import Example

LogProbs = Callable[[Sequence[Example]], Sequence[NDArray[np.float32]]]


def reply_groups(examples: Sequence[Example]) -> list[list[Example]]:
    """Examples that are trained on together, in their order."""
    out: list[list[Example]] = []
    for example in examples:
        if not out or example.record.group[0] <= out[-1][-1].record.group[0]:
            out.append([])
        out[-1].append(example)
    return out


def with_slopes(
    objective: Objective, examples: Sequence[Example], log_probs: LogProbs
) -> Sequence[Example]:
    """The examples of a window, each with `value` and `slope`; as they are for other objectives.

    log_probs   of the student at its weights (L_i,)

    The window's loss, a sum over tokens divided by their number, becomes the mean over its groups.
    """
    whole = [part for part in terms_in(objective) if isinstance(part, ComparesReplies)]
    if not whole or not examples:
        return examples
    if len(whole) > 1:
        names = " and ".join(type(part).__name__ for part in whole)
        raise ConfigError(f"{names} are in one objective; accepted: one loss on whole replies")
    groups = reply_groups(examples)
    logp = iter(log_probs(examples))
    scale = sum(e.tokens for e in examples) / len(groups)
    out = []
    for group in groups:
        known = [{k: v[:n] for k, v in r.constants.items()} for r, n in group]
        made = slopes(whole[0], [next(logp) for _ in group], known, scale)
        for (record, tokens), known_, new in zip(group, known, made, strict=True):
            out.append(Example(replace(record, constants={**known_, **new}), tokens))
    return out


def cut_to_fit(lengths: Sequence[int], left: int) -> list[int]:
    """Tokens of each reply of a group where `left` >= 1 count: all of them, or equal parts of each.

    The first reply, which the others are compared with, keeps one at least: what is left of a group never
    prefers what was not preferred.
    """
    total = sum(lengths)
    if total <= left:
        return list(lengths)
    out = [left * n // total for n in lengths]
    for place in sorted(range(len(out)), key=lambda n: (-(left * lengths[n] % total), n)):
        if sum(out) < left:
            out[place] += 1
    if not out[0]:
        longest = max(range(len(out)), key=lambda n: out[n] * total - left * lengths[n])
        out[longest] -= 1
        out[0] = 1
    return out
