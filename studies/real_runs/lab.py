"""The real pair with its preset, as the runs use it."""

from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

from readsim_hf.backend import HFBackend
from readsim_hf.components import Components, build_components
from readsim_hf.config import resolve_config
from readsim_hf.models.pairs import load_pair
from readsim_hf.probes.splits import Split
from readsim_hf.probes.suite import ItemScores
from studies.transfer_matrix.hf_lab import lab_of
from studies.transfer_matrix.lab import Lab


def real_lab(pair: str, cache: Path) -> Lab:
    """A named pair on one thread; its runs share the replies in `cache`, and the test of the start."""
    torch.set_num_threads(1)
    config = resolve_config(None, {"pair": {"name": pair}, "data": {"cache": str(cache)}})
    parts = build_components(config, load_pair(**asdict(config.pair)))
    starts: dict[Split, ItemScores] = {}
    return replace(lab_of(parts), backend=lambda budget: _Backend(parts, budget, starts))


class _Backend(HFBackend):
    """Measures the starting student once a split: it is the same for all runs."""

    def __init__(self, parts: Components, budget: int, starts: dict[Split, ItemScores]) -> None:
        super().__init__(parts, budget)
        self.starts = starts

    def measure(self, split: Split, model: nn.Module | None = None) -> ItemScores:
        if model is None:
            return super().measure(split)
        if split not in self.starts:
            self.starts[split] = super().measure(split, model)
        return self.starts[split]
