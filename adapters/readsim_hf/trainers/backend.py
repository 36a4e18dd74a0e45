"""Any transformers `Trainer`, TRL's too, behind readsim's `Backend`."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from transformers import PrinterCallback, ProgressCallback, Trainer, set_seed

from readsim.arrays import Array
from readsim.backend import Final, Measurement, TokenUsage, added, undone
from readsim.envs.episode import EpisodeConfig
from readsim.envs.offline_pool import Pool, random_allocations
from readsim.errors import ConfigError, TrainingError
from readsim.runs.profile_scale import ProfileScale
from readsim.runs.trained_shares import TrainedShare
from readsim.streams import generator, seed_sequence
from readsim_hf.interventions import Intervention, Interventions, pool_of, pool_shape
from readsim_hf.probes.lm import quiet
from readsim_hf.trainers.rows import Row, RowFeed, checked_rows, pad_rows, quotas
from readsim_hf.trainers.state import from_tree, to_tree

Splits = Mapping[str, Sequence[Row]]
SPLITS = ("probe", "dev", "test")


class TrainerBackend:
    """A backend around a trainer of transformers or TRL: one student, interval by interval.

    trainer       makes the trainer: called with `model`, `train_dataset` and `data_collator`, which it
                  hands on. Its own settings are yours; a `lr_scheduler_type` other than constant is
                  refused, because the trainer starts its schedule anew at each interval
    student       the model that every run starts from; it is copied
    sources       rows to train on, by source
    capabilities  rows to measure on, by capability: `{"probe": rows, "dev": rows, "test": rows}`
    teacher       a teacher or reference model, whose losses allocators such as `doremi` compare with
    pool_runs     short training runs for an allocator with an offline pool, such as `read`
    pool_steps    intervals of each of them, with a measurement after each

    An interval is one `train()` over rows with exactly its tokens, of each source its share of them (the last
    row is cut). A profile is the negated mean loss a supervised token. Weights, optimiser and the place in
    the data are the snapshot; the trainer's own randomness (dropout, sampled replies) is seeded for each
    interval.

    Override `item_scores` and `scale` to measure something else. Raises ConfigError.
    """

    hidden: tuple[str, ...] = ()

    def __init__(
        self,
        trainer: Callable[..., Trainer],
        student: nn.Module,
        sources: Splits,
        capabilities: Mapping[str, Splits],
        teacher: nn.Module | None = None,
        probe_batch: int = 16,
        pool_runs: int = 8,
        pool_steps: int = 1,
    ) -> None:
        self._make, self._start, self._teacher = trainer, student, teacher
        self._rows = checked_rows(sources, "source")
        lacking = [(c, s) for c, rows in capabilities.items() for s in SPLITS if s not in rows]
        if lacking:
            raise ConfigError(f"capability {lacking[0][0]!r} has no {lacking[0][1]!r} rows")
        self._items = {
            s: checked_rows({c: r[s] for c, r in capabilities.items()}, s) for s in SPLITS
        }
        self.sources, self.capabilities = tuple(sources), tuple(capabilities)
        self._probe_batch, self._pool_runs = probe_batch, pool_runs
        self._pool_steps = pool_steps
        self._scores: list[Array] = []
        self._seed, self._episode, self._intervals = -1, 0, 0
        self._trainer: Trainer | None = None
        self._before: list[Array] | None = None
        self._counts = [(0, 0)] * len(self.sources)

    @property
    def scale(self) -> ProfileScale:
        """What the numbers of `item_scores` are."""
        return ProfileScale("loss")

    @property
    def trainer(self) -> Trainer:
        """The trainer of the present run. Raises ConfigError before the first reset."""
        if self._trainer is None:
            raise ConfigError("no run was started: call reset(seed) first")
        return self._trainer

    @property
    def student(self) -> nn.Module:
        """The student in training."""
        model = self.trainer.model
        assert isinstance(model, nn.Module)
        return model

    def reset(self, seed: int | None) -> Measurement:
        if seed is None and self._seed < 0:
            raise ConfigError("reset(None) before any seed: the first run needs one")
        self._episode = self._episode + 1 if seed is None else 0
        self._seed = self._seed if seed is None else int(seed)
        self._intervals = 0
        self._feed = RowFeed(self._rows, self._seed, self._episode)
        first = next(iter(self._rows.values()))[:1]
        with self._luck(), quiet():
            made = self._make(
                model=deepcopy(self._start), train_dataset=_dataset(first), data_collator=pad_rows
            )
        for callback in (PrinterCallback, ProgressCallback):
            made.remove_callback(callback)
        schedule = str(getattr(made.args.lr_scheduler_type, "value", made.args.lr_scheduler_type))
        if schedule != "constant":
            raise ConfigError(
                f"lr_scheduler_type = {schedule!r}: the trainer starts it anew at each interval; give "
                "'constant'"
            )
        self._trainer = made
        return self._measure("probe")

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        trainer, before = self.trainer, list(self._feed.drawn)
        rows = self._feed.window(weights, tokens)
        drawn = [now - was for now, was in zip(self._feed.drawn, before, strict=True)]
        self._counts = list(zip(drawn, quotas(weights, tokens), strict=True))
        trainer.train_dataset = _dataset(rows)
        with self._luck():
            trainer.train()
        self._intervals += 1
        if not all(bool(torch.isfinite(p).all()) for p in self.student.parameters()):
            raise TrainingError(
                f"a weight is not finite after interval {step}: lower learning_rate"
            )
        measured = self._measure("probe")
        return Measurement(measured.profile, {"student": tokens, **measured.token_usage})

    def trained_shares(self) -> tuple[TrainedShare, ...]:
        """Rows and supervised tokens of each source in the last interval; losses are the trainer's own."""
        counts = zip(self.sources, self._counts, strict=True)
        return tuple(TrainedShare(name, rows, tokens) for name, (rows, tokens) in counts)

    def dev_eval(self) -> Measurement:
        return self._measure("dev")

    def final_eval(self) -> Final:
        """Of the student and, once for all runs, of its start: paired by item."""
        last, usage = self.item_scores(self.student, "test"), self._usage("test")
        if self._before is None:
            self._before = self.item_scores(self._start, "test")
        usage = added(usage, self._usage("test"))
        moved = [b - a for a, b in zip(self._before, last, strict=True)]
        sizes = [max(len(d), 1) for d in moved]
        sd = [
            d.std(ddof=1) / np.sqrt(n) if n > 1 else 0.0 for d, n in zip(moved, sizes, strict=True)
        ]
        means = [np.array([d.mean() for d in found]) for found in (last, moved)]
        return Final(means[0], means[1], np.array(sd), usage)

    def teacher_profile(self) -> Measurement:
        """The teacher's on the probes. Raises ConfigError where none was given."""
        if self._teacher is None:
            raise ConfigError("reference losses need a `teacher`: give TrainerBackend one")
        scores = self.item_scores(self._teacher, "probe")
        return Measurement(np.array([s.mean() for s in scores]), self._usage("probe"))

    def alignment(self) -> tuple[Array, TokenUsage]:
        """(S, V) by a training of one batch on each source, measured on the dev rows and undone."""
        rows = [row.tokens for found in self._rows.values() for row in found]
        tokens = max(1, round(self.trainer.args.train_batch_size * float(np.mean(rows))))
        before, usage = self.dev_eval(), dict[str, int]()
        effects = []
        for n in range(len(self.sources)):
            with undone(self):
                used = dict(self.run_interval(0, np.eye(len(self.sources))[n], tokens).token_usage)
                after = self.dev_eval()
            effects.append((after.profile - before.profile) / tokens)
            used["search"] = used.pop("student")
            usage = added(usage, used, after.token_usage)
        return np.array(effects), added(usage, before.token_usage)

    def transitions(
        self, episode: EpisodeConfig, size: int, seed: int, *, persistent: bool = False
    ) -> tuple[Pool, TokenUsage]:
        """A pool of `pool_shape` trainings with random allocations, each undone.

        Each is measured again with its items resampled until there are `size` rows (`pool_of`).
        """
        tokens = episode.schedule[0]
        runs, steps = pool_shape(episode, size, self._pool_runs, self._pool_steps, persistent)
        allocations = random_allocations(generator(seed, "bootstrap", 0), runs, len(self.sources))
        first = self._measure("probe")
        rows = [Intervention(np.zeros(len(self.sources)), first.token_usage, self._by_name(), {})]
        for weights in allocations:
            with undone(self):
                used, scores = dict[str, int](), []
                for step in range(steps):
                    used = added(used, self.run_interval(step, weights, tokens).token_usage)
                    scores.append(self._by_name())
            used["offline"] = used.pop("student")
            rows.append(Intervention(weights, used, scores[-1], {}, tuple(scores[:-1])))
        done = Interventions(tokens, tuple(rows))
        return pool_of(done, self, episode, size, seed), done.token_usage

    def profile_of(self, scores: Mapping[str, Array]) -> Array:
        """(V,) the mean over the items of each capability."""
        return np.array([scores[name].mean() for name in self.capabilities])

    def _by_name(self) -> dict[str, Array]:
        """The last scores, by capability."""
        return dict(zip(self.capabilities, self._scores, strict=True))

    def snapshot(self) -> dict[str, Any]:
        optimizer = self.trainer.optimizer
        return {
            "weights": to_tree(self.student.state_dict()),
            "optimizer": None if optimizer is None else to_tree(optimizer.state_dict()),
            "drawn": list(self._feed.drawn),
            "place": [self._seed, self._episode, self._intervals],
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self._seed, self._episode, self._intervals = (int(n) for n in saved["place"])
        if self._trainer is None:
            self.reset(self._seed)
            self._seed, self._episode, self._intervals = (int(n) for n in saved["place"])
        self._feed = RowFeed(self._rows, self._seed, self._episode)
        self._feed.drawn = [int(n) for n in saved["drawn"]]
        self.student.load_state_dict(from_tree(saved["weights"]))
        self.trainer.optimizer = None
        if saved["optimizer"] is not None:
            self.trainer.create_optimizer()
            optimizer = self.trainer.optimizer
            assert isinstance(optimizer, torch.optim.Optimizer)
            optimizer.load_state_dict(from_tree(saved["optimizer"]))

    def item_scores(self, model: nn.Module, split: str) -> list[Array]:
        """For each capability the score of each item of a split: the negated mean loss of its tokens."""
        size = self._probe_batch
        return [
            np.concatenate([_scores(model, rows[n : n + size]) for n in range(0, len(rows), size)])
            for rows in self._items[split].values()
        ]

    def _measure(self, split: str) -> Measurement:
        self._scores = self.item_scores(self.student, split)
        return Measurement(self.profile_of(self._by_name()), self._usage(split))

    def _usage(self, split: str) -> dict[str, int]:
        rows = self._items[split].values()
        return {"probe": sum(len(row.input_ids) for found in rows for row in found)}

    @contextmanager
    def _luck(self) -> Iterator[None]:
        """The global generators, which trainers use, seeded for this interval and put back afterwards."""
        child = seed_sequence(self._seed, "process", self._episode, self._intervals)
        own = random.getstate()
        with torch.random.fork_rng():
            set_seed(int(child.generate_state(1)[0]))
            try:
                yield
            finally:
                random.setstate(own)


def _dataset(rows: Sequence[Row]) -> Dataset:
    return Dataset.from_dict(
        {"input_ids": [row.input_ids for row in rows], "labels": [row.labels for row in rows]}
    )


@torch.no_grad()
def _scores(model: nn.Module, rows: Sequence[Row]) -> Array:
    """(rows,) the mean log-probability of each row's supervised tokens."""
    was, device = model.training, next(model.parameters()).device
    model.eval()
    batch = {key: value.to(device) for key, value in pad_rows([r._asdict() for r in rows]).items()}
    labels = batch.pop("labels")[:, 1:]
    logits = model(**batch).logits[:, :-1].float()
    model.train(was)
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none")
    out: Array = -(losses.sum(1) / (labels != -100).sum(1)).double().cpu().numpy()
    return out
