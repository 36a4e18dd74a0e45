"""What a backend shows of a decision beside its profile, as plain data of a log's rows."""

from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.backend import (
    Backend,
    OffersSamples,
    OffersSourceSignals,
    OffersTrainedShares,
    SourceSignals,
)
from readsim.envs.env import DistillEnv
from readsim.runs.trained_shares import trained_in
from readsim.worlds.utility import utility

Row = dict[str, Any]


def sampled(env: DistillEnv) -> Row:
    """What the backend shows of its last probe, as plain data; nothing where it shows none."""
    found = env.backend.probe_samples() if isinstance(env.backend, OffersSamples) else ()
    return {"samples": [sample._asdict() for sample in found]} if found else {}


def trained_row(backend: Backend, tokens: int) -> Row:
    """What the backend trained of each source, as plain data; nothing where it does not count that.

    Raises RunLogError where it is not one record a source, of `tokens` in all: no log could be read again.
    """
    if not isinstance(backend, OffersTrainedShares):
        return {}
    told = {"trained": [share._asdict() for share in backend.trained_shares()]}
    found = trained_in(told, backend.sources, tokens, "trained_shares()")
    return {"trained": [share._asdict() for share in found or ()]}


def signals_of(env: DistillEnv) -> SourceSignals:
    """Signals of the sources in the interval that just ended; the run is charged with what they took."""
    assert isinstance(env.backend, OffersSourceSignals)
    signals, used = env.backend.source_signals()
    env.charge(used)
    kept = [np.array(values, dtype=np.float64) for values in signals]
    for values in kept:
        values.setflags(write=False)
    return SourceSignals(*kept)


def dev_utility(env: DistillEnv, dev: Array) -> float:
    """The task's utility of a dev profile (V,): of what is visible, with the task's own weights."""
    task, hidden = env.episode.task, env.backend.hidden
    shown = [name not in hidden for name in env.backend.capabilities]
    return float(utility(task.kind, task.weights[shown], dev))
