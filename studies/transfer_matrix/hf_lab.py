"""The study on real models."""

from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import numpy as np

from readsim.arrays import Array
from readsim_hf.backend import HFBackend
from readsim_hf.components import Components, build_components
from readsim_hf.config import resolve_config
from readsim_hf.models.pairs import load_pair
from readsim_hf.probes.splits import Split
from readsim_hf.training.logits import bare
from studies.transfer_matrix.lab import Lab, Reference


def hf_lab(pair: str, cache: Path) -> Lab:
    """A named pair with its preset; all runs share the teacher's replies in `cache`."""
    config = resolve_config(None, {"pair": {"name": pair}, "data": {"cache": str(cache)}})
    return lab_of(build_components(config, load_pair(**asdict(config.pair))))


def lab_of(parts: Components) -> Lab:
    """The same parts for every budget: only the schedule is over the budget."""
    versions = {n: metadata.version(n) for n in ("torch", "transformers", "lm_eval", "numpy")}
    return Lab(
        name=f"hf:{parts.pair.name}",
        digest=parts.identity[:16],
        sources=parts.library.capabilities,
        capabilities=parts.suite.capabilities,
        backend=lambda budget: HFBackend(parts, budget),
        reference=lambda: _reference(parts),
        facts={
            "what": f"pair {parts.pair.name}",
            "identity": parts.identity,
            "versions": versions,
        },
    )


def _reference(parts: Components) -> Reference:
    """Chance is read as 0: answers are generated and compared with the key."""
    suite = parts.suite
    suite.open_test()
    start = parts.measure(parts.fresh_student().model, "test").profile
    teacher = suite.measure(
        bare(parts.pair.local_teacher()), parts.pair.teacher_tokenizer, "test"
    ).profile
    items = {split: _items(parts, split) for split in ("probe", "test")}
    suite.seal()
    return Reference(start, np.zeros_like(start), teacher, items["probe"], items["test"])


def _items(parts: Components, split: Split) -> Array:
    """Items of each capability (K,)."""
    suite = parts.suite
    return np.array(
        [
            sum(
                len(suite.splits.items(b.name, split))
                for b in suite.benchmarks
                if b.capability == capability
            )
            for capability in suite.capabilities
        ],
        dtype=np.float64,
    )
