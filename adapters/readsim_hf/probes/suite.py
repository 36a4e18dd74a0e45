"""Measures a student on a fixed set of benchmarks: profile, item scores, tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from lm_eval.api.task import Task
from lm_eval.evaluator import evaluate
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from readsim.arrays import Array
from readsim.errors import CapabilityMissingError, ConfigError, unknown
from readsim.runs.rows import SampledReply
from readsim_hf.probes.benchmark import Benchmark
from readsim_hf.probes.lm import ProbeLM, as_it_was, quiet
from readsim_hf.probes.own.judge import Grader
from readsim_hf.probes.samples import sample_of, sampled_items
from readsim_hf.probes.splits import Split, Splits

Row = Mapping[str, Any]  # of lm-eval's sample log


@dataclass(frozen=True, eq=False)
class ItemScores:
    """One measurement of one student.

    profile   score of each capability, in the suite's order: (K,) on the test split, elsewhere of
              those that are not hidden (V,)
    scores    for each benchmark the normalised score of each item (n,)
    ids       for each benchmark the ids of the items, in the order of its scores
    tokens    tokens read and generated or scored, for the ledger
    judged    tokens that a judge read and wrote
    samples   what the student said to the first items of each capability, not of the test split
    """

    profile: Array
    scores: Mapping[str, Array]
    ids: Mapping[str, tuple[str, ...]]
    tokens: int
    samples: tuple[SampledReply, ...] = ()
    judged: int = 0

    @property
    def token_usage(self) -> dict[str, int]:
        """Tokens by their kind in the ledger."""
        return {"probe": self.tokens, **({"judge": self.judged} if self.judged else {})}


class ProbeSuite:
    """Benchmarks with their splits, measured in one lm-eval call.

    A capability's score is the plain mean over its benchmark families of the plain mean over their
    benchmarks. `capabilities` fixes the order of the profile; the default is the order in
    which the benchmarks name them. Those in `hidden` are measured on the test split only.
    `batch_size` in sequences; `truncate` cuts prompts that do not fit on the left, which is otherwise
    a ConfigError at the measurement. `samples` items of each capability are kept with their replies.

    Raises ConfigError for a capability without benchmark, a benchmark without items, a name that
    occurs twice.
    """

    def __init__(
        self,
        benchmarks: Sequence[Benchmark],
        splits: Splits,
        capabilities: Sequence[str] | None = None,
        *,
        hidden: Sequence[str] = (),
        batch_size: int = 128,
        truncate: bool = False,
        samples: int = 0,
    ) -> None:
        named = tuple(dict.fromkeys(b.capability for b in benchmarks))
        self.capabilities = named if capabilities is None else tuple(capabilities)
        self.benchmarks = tuple(benchmarks)
        self.hidden = tuple(hidden)
        self.splits = splits
        self._batch_size = batch_size
        self._truncate = truncate
        self._samples = samples
        self._check()
        self._tasks: dict[Split, dict[str, Task]] = {}
        # (K, B) weights of the benchmarks in each capability; which of both show before the end
        self._weights = np.array([self._row(c) for c in self.capabilities])
        self._shown = np.array([c not in self.hidden for c in self.capabilities])
        self._open = [b for b in self.benchmarks if b.capability not in self.hidden]

    def _check(self) -> None:
        names = [b.name for b in self.benchmarks]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"benchmark {name!r} is named twice in the suite")
            if name not in self.splits.benchmarks:
                raise ConfigError(
                    f"benchmark {name!r} has no items (there are items for: "
                    f"{', '.join(self.splits.benchmarks) or 'none'})"
                )
        have = {b.capability for b in self.benchmarks}
        for capability in self.hidden:
            if capability not in self.capabilities:
                raise unknown("hidden capability", capability, self.capabilities)
        for capability in self.capabilities:
            if capability not in have:
                raise ConfigError(
                    f"capability {capability!r} has no benchmark in the suite (measured: "
                    f"{', '.join(sorted(have)) or 'none'})"
                )
        for b in self.benchmarks:
            if b.capability not in self.capabilities:
                raise unknown("capability", b.capability, self.capabilities)

    def probe_items(self) -> Array:
        """Items of the probe behind each visible score (V,): those of one benchmark, else the number whose
        plain mean would have the variance of the mean over benchmarks."""
        sizes = self.splits.sizes("probe")
        # a hidden benchmark may have no items in the probe: it has no weight in what is shown
        each = np.array([1.0 / max(sizes[b.name], 1) for b in self.benchmarks])
        out: Array = 1.0 / (self._weights[self._shown] ** 2 @ each)
        return out

    def _row(self, capability: str) -> list[float]:
        families = [b.family for b in self.benchmarks if b.capability == capability]
        count = len(set(families))
        return [
            1.0 / (count * families.count(b.family)) if b.capability == capability else 0.0
            for b in self.benchmarks
        ]

    @property
    def lowest(self) -> float:
        """The lowest score that a capability can have: below 0 where chance is taken off."""
        scores = self._weights @ np.array([b.scale.lowest for b in self.benchmarks])
        return min(0.0, float(scores.min()))

    @property
    def judges(self) -> list[Grader]:
        """The models that grade replies."""
        return list(dict.fromkeys(b.judge for b in self.benchmarks if b.judge is not None))

    def open_test(self) -> None:
        """Let `measure(..., "test")` work: for the final evaluation only."""
        self.splits.open_test()

    def seal(self) -> None:
        """Shut the test split again, for the next run."""
        self._tasks.pop("test", None)
        self.splits.seal()

    def measure(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        split: Split,
        context: int | None = None,
    ) -> ItemScores:
        """Greedy decoding, no randomness: the same weights give the same numbers exactly.

        The chat template is applied where the tokenizer has one. The model's modes and the
        tokenizer's padding are left as they were. `context`: see `ProbeLM`.

        Raises CapabilityMissingError for the test split before `open_test`, and where a score is not
        a number.
        """
        measured = self.benchmarks if split == "test" else tuple(self._open)
        items = {b.name: self.splits.items(b.name, split) for b in measured}
        judges = self.judges
        before = sum(judge.tokens for judge in judges)
        with quiet(), as_it_was(model, tokenizer):
            if split not in self._tasks:
                self._tasks[split] = {b.name: b.task(items[b.name]) for b in measured}
            lm = ProbeLM(model, tokenizer, self._batch_size, self._truncate, context)
            result = evaluate(
                lm,
                {"tasks": self._tasks[split]},
                bootstrap_iters=0,
                log_samples=True,
                apply_chat_template=bool(getattr(tokenizer, "chat_template", None)),
            )
        for judge in judges:
            judge.say_unread()
        judged = sum(judge.tokens for judge in judges) - before
        rows = {b.name: _rows(b, result["samples"][b.name]) for b in measured}
        scores = {b.name: _scores(b, rows[b.name], len(items[b.name])) for b in measured}
        ids = {name: tuple(item.id for item in own) for name, own in items.items()}
        shown = sampled_items(measured, items, 0 if split == "test" else self._samples)
        samples = tuple(
            sample_of(b, items[b.name][n], rows[b.name][n], scores[b.name][n]) for b, n in shown
        )
        return ItemScores(self.profile_of(scores), scores, ids, lm.tokens, samples, judged)

    def profile_of(self, scores: Mapping[str, Array]) -> Array:
        """Item scores by benchmark -> capability scores (K,), (V,) without those of hidden ones."""
        there = [b.name in scores for b in self.benchmarks]
        means = np.array([scores[b.name].mean() for b in self.benchmarks if b.name in scores])
        weights = self._weights if all(there) else self._weights[self._shown][:, there]
        return np.asarray(weights @ means)

    def paired_change(self, before: ItemScores, after: ItemScores) -> tuple[Array, Array]:
        """Change of the profile (K,) on the test split and its standard error (K,), item by item.

        The error is that of drawing other items of the same benchmarks. Raises ConfigError where the
        two measurements are not of the same items.
        """
        if before.ids != after.ids:
            raise ConfigError("the two measurements are not of the same items: use one split")
        moved = [after.scores[b.name] - before.scores[b.name] for b in self.benchmarks]
        change = self._weights @ np.array([d.mean() for d in moved])
        variance = np.array([d.var(ddof=1) / len(d) for d in moved])
        return change, np.sqrt(self._weights**2 @ variance)


def _rows(benchmark: Benchmark, samples: Sequence[Row]) -> dict[int, Row]:
    """The row of lm-eval's sample log that scores each item, by the item's number."""
    return {int(row["doc_id"]): row for row in samples if benchmark.raw(row) is not None}


def _scores(benchmark: Benchmark, rows: Mapping[int, Row], n: int) -> Array:
    """Normalised scores (n,), in the order of the items."""
    out = np.full(n, np.nan)
    for number, row in rows.items():
        raw = benchmark.raw(row)
        assert raw is not None
        out[number] = benchmark.scale(raw)
    lacking = int((~np.isfinite(out)).sum())
    if lacking:
        raise CapabilityMissingError(
            f"benchmark {benchmark.name!r}: {lacking} of {n} scores are not a number"
        )
    return out
