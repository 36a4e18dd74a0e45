"""What a real run spends besides training and the teacher, at the paper's proportions.

A nano run with the allocator `read` on a small budget, T = 20 decisions, through the one loop with run
log and checkpoints. Its wall time less `HFBackend.seconds` of training and teacher is all the rest:
every probe of the preset's size (start, each decision, dev, test), decisions, ledger, log, checkpoints,
and the probes of the offline pool. That rest depends on T, not on the tokens of a decision, so with the
paper's 1M tokens a decision

    overhead = rest / (T * 1,000,000 / r + rest),    r = supervised tokens/s of training in this run

Teacher time makes data, which a cache keeps for all runs; it is reported apart and left out.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from readsim.allocators.registry import load_allocator
from readsim.envs.env import DistillEnv
from readsim.runs.log_file import RunLog
from readsim.runs.loop import rollout
from readsim_hf.backend import HFBackend
from readsim_hf.components import build_components
from readsim_hf.config import RunConfig, preset_table
from readsim_hf.distill import log_config
from readsim_hf.models.pairs import Pair, load_pair
from studies.speed_real.timing import Row

PAPER_TOKENS = 1_000_000  # a decision
PREFACE = "real run, nano"


class Spent(NamedTuple):
    """Seconds of one run and its supervised tokens, those of the offline pool included."""

    train: float
    teacher: float
    probe: float
    other: float
    tokens: int
    steps: int

    @property
    def rate(self) -> float:
        """Tokens a second of training."""
        return self.tokens / self.train

    def overhead(self, tokens: float) -> float:
        """The share of all but training with that many tokens a decision."""
        rest = self.probe + self.other
        return rest / (self.steps * tokens / self.rate + rest)


def run(models: Pair, settings: dict[str, Any]) -> Spent:
    """One run with log and checkpoints in a folder that is thrown away."""
    config = RunConfig.of(preset_table("nano"), {"allocator": "read"}, settings)
    parts = build_components(config, models)
    backend = HFBackend(parts, config.budget)
    trained = 0

    def watch(kind: str, numbers: Any) -> None:
        nonlocal trained
        trained += numbers["tokens"] if kind == "window" else 0

    backend.watch = watch
    env = DistillEnv(backend=backend, task=config.task, steps=config.steps)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        header = log_config(config, env, parts)
        start = perf_counter()
        with RunLog.create(path, config=header, seeds=[config.seed]) as log:
            allocator = load_allocator(config.allocator, dict(config.allocator_settings))
            rollout([env], allocator, [config.seed], log=log, checkpoint=path.with_suffix(".state"))
        whole = perf_counter() - start
    parts_of = backend.seconds
    other = whole - sum(parts_of.values())
    return Spent(**parts_of, other=other, tokens=trained, steps=config.steps)


def interval(models: Pair, tokens: int = 12_000) -> dict[str, float]:
    """Seconds of the nano preset's second interval: uniform shares, an empty cache."""
    config = RunConfig.of(preset_table("nano"))
    backend = HFBackend(build_components(config, models), config.budget)
    backend.reset(0)
    weights = np.full(len(backend.sources), 1.0 / len(backend.sources))
    backend.run_interval(0, weights, tokens)
    before = dict(backend.seconds)
    backend.run_interval(1, weights, tokens)
    return {name: value - before[name] for name, value in backend.seconds.items()}


def rows() -> list[Row]:
    """The share at the paper's proportions, its parts, and where an interval's seconds go."""
    models = load_pair("nano")
    spent = run(models, {"budget": 40_000, "steps": 20, "pool_runs": 4})
    rest = (spent.probe + spent.other) / spent.steps
    one = interval(models)
    return [
        Row(
            f"{PREFACE}, all but training, T = {spent.steps}, 1M tokens a decision (projected)",
            f"{rest:.2f} s for {PAPER_TOKENS / spent.rate:.0f} s a decision",
            f"{100 * spent.overhead(PAPER_TOKENS):.2f} %",
            "<= 5.63 %",
        ),
        Row(
            f"{PREFACE}, a decision's parts",
            f"probes {spent.probe / spent.steps:.2f} s, all else {spent.other / spent.steps:.2f} s",
            f"training at {spent.rate:.0f} tokens/s",
        ),
        Row(
            f"{PREFACE}, teacher, kept in the cache and not counted",
            f"{1e3 * spent.teacher / spent.tokens:.2f} s for 1000 supervised tokens",
            f"{spent.teacher / spent.train:.1f} x the training",
        ),
        Row(
            f"{PREFACE}, the preset's interval of 12k tokens, no cache",
            ", ".join(f"{name} {value:.1f} s" for name, value in one.items()),
            f"teacher {one['teacher'] / one['train']:.1f} x the training",
        ),
    ]
