"""Real distillation behind readsim's `Backend`: a teacher, a student in training, probes."""

import time
from collections.abc import Callable, Mapping
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from readsim.arrays import Array
from readsim.backend import Final, Measurement, SourceSignals, TokenUsage, added
from readsim.envs.episode import EpisodeConfig
from readsim.envs.offline_pool import Pool
from readsim.errors import CapabilityMissingError, ConfigError, RunLogError
from readsim.runs.profile_scale import ProfileScale
from readsim.runs.rows import SampledReply
from readsim.runs.trained_shares import TrainedShare
from readsim.streams import seed_sequence
from readsim.worlds.terms.learning_rate import LearningRate
from readsim_hf.components import Components
from readsim_hf.interventions import Interventions, intervene, pool_of, pool_shape
from readsim_hf.merging import merged_profiles
from readsim_hf.models.memory import memory_for
from readsim_hf.models.tokens import vocabulary_size
from readsim_hf.probes.splits import Split
from readsim_hf.probes.suite import ItemScores
from readsim_hf.teachers.tally import TeacherTally
from readsim_hf.training.batch import Example
from readsim_hf.training.best import Best
from readsim_hf.training.copies import copies, folder_for
from readsim_hf.training.divergence import Divergence, norm_of
from readsim_hf.training.example_stream import ExampleStream
from readsim_hf.training.saved import load_saved_student, save_student
from readsim_hf.training.share_ledger import ShareLedger, source_signals
from readsim_hf.training.source_losses import by_source
from readsim_hf.training.source_weights import look_due, source_weights, weighed, with_weights
from readsim_hf.training.student import Student

REPLIES = "lower decoding.batch_size, use soft.kind = 'topk', or serve the teacher"
PROBES = "lower probes.batch_size"
WINDOW_NUMBERS = ("loss", "tokens", "gradient", "rate")
Watch = Callable[[str, Mapping[str, float]], None]


def data_seed(seed: int, episode: int) -> int:
    """Of the prompts of a run."""
    child = seed_sequence(seed, "data", episode).generate_state(1, np.uint64)
    return int(child[0]) >> 1


class HFBackend:
    """A backend that distils a student from a teacher, one run at a time.

    parts    pair, prompts, teacher, objective, probes: what does not change during a run
    budget   supervised tokens B that the learning-rate schedule and the curriculum are over
    watch    called with ("window" | "interval" | "pool" | "snapshot" | "restored" | "diverged", numbers)
             during the run
    workbench   a folder where interventions are kept (`intervene`); None keeps none
    keep_best   keep the student that did best on the dev split too; `best` is that one
    identified  the interventions that the task's requirement was identified with: what they took is
                charged to each run

    The student starts each run from the pair's own weights; the seed decides which prompts it sees.
    Errors leave the run where its last snapshot was: nothing is charged for an interval that failed.
    """

    def __init__(
        self,
        parts: Components,
        budget: int,
        watch: Watch | None = None,
        *,
        keep_best: bool = False,
    ) -> None:
        if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
            raise ConfigError(f"budget = {budget!r}: expected a whole number of tokens >= 1")
        self.components, self.budget, self.keep_best = parts, budget, keep_best
        self.watch: Watch = watch or (lambda kind, numbers: None)
        self._seed, self._episode = -1, 0
        self.workbench: Path | None = None
        self.identified: Interventions | None = None
        self.tested: tuple[ItemScores, ItemScores] | None = None  # test scores, before and after
        self.best: Best | None = None
        self.best_tested: ItemScores | None = None  # on the test split, where it is not the last
        self._spent = 0
        self.divergence = Divergence(0.0, 0.0)
        self._student: Student | None = None
        self._measured: ItemScores | None = None
        self._samples: tuple[SampledReply, ...] = ()
        self._shares: tuple[TrainedShare, ...] = ()
        self._seen: dict[str, list[Example]] = {}  # of each source, in its last window
        self._windows = 0  # optimiser steps of the run
        self._weights: dict[str, float] = {}  # of the losses of sources (`sampling.weights`)
        self.asked = TeacherTally(parts.teacher)  # a trial that is undone was asked too
        self.seconds = {"train": 0.0, "teacher": 0.0, "probe": 0.0}

    @property
    def sources(self) -> tuple[str, ...]:
        return self.components.sources

    @property
    def capabilities(self) -> tuple[str, ...]:
        return self.components.suite.capabilities

    @property
    def hidden(self) -> tuple[str, ...]:
        return self.components.suite.hidden

    @property
    def scale(self) -> ProfileScale:
        return ProfileScale(lowest=self.components.suite.lowest)

    @property
    def rate_schedule(self) -> LearningRate:
        """What a token counts for at each point of the budget, as the recipe says."""
        return LearningRate(self.components.recipe.schedule, self.components.recipe.warmup)

    @property
    def prompt_counts(self) -> dict[str, Mapping[str, float]]:
        """What each source's stream counted in this run: drawn, leaked, repeated; of our own prompts
        off_bucket, of a data set too_long, wrong, rows and epochs."""
        return {s: f.counts for s, f in zip(self.sources, self._feed.streams, strict=True)}

    def source_sizes(self) -> Array:
        """Distinct supervised tokens of each source (S,), see `Components.sizes`; infinity for our own
        prompts, of which more can always be made."""
        sizes = self.components.sizes
        return np.array([sizes[s].tokens if s in sizes else np.inf for s in self.sources])

    def probe_items(self) -> Array:
        return self.components.suite.probe_items()

    @property
    def trained(self) -> dict[str, dict[str, Any]]:
        """What the run was trained on so far, by source; see `TrainedSource.table`."""
        return {s: one.table() for s, one in zip(self.sources, self._feed.trained, strict=True)}

    @property
    def trained_rows(self) -> dict[str, list[int]]:
        """Of each data set the numbers of the rows that were trained on, in that order, from 0."""
        own = {source.name for source in self.components.datasets}
        both = zip(self.sources, self._feed.trained, strict=True)
        return {s: one.rows for s, one in both if s in own}

    @property
    def student(self) -> Student:
        """In training. Raises CapabilityMissingError before the first reset."""
        if self._student is None:
            raise CapabilityMissingError("no run was started: call reset(seed) first")
        return self._student

    def reset(self, seed: int | None) -> Measurement:
        if seed is None and self._seed < 0:
            raise ConfigError("reset(None) before any seed: the first run needs one")
        where = (self._seed, self._episode + 1) if seed is None else (int(seed), 0)
        self._seed, self._episode = where
        self.components.suite.seal()
        self._feed = self._new_feed()
        if self._student is None:
            self._student = self._new_student()
        else:
            self._student.put_arrays(self._first, {})
        self._spent, self._windows, self._weights = 0, 0, {}
        self.asked.restart()
        self.divergence = self._new_divergence()
        self.tested = self.best = self.best_tested = None
        before = {} if self.identified is None else self.identified.token_usage
        measured = self.measure("probe")
        self._samples = measured.samples
        return Measurement(measured.profile, added(before, measured.token_usage))

    def _new_student(self) -> Student:
        """Made once: later runs put it back to its first weights, which no process reads again."""
        made, parts = self.components.fresh_student(), self.components
        whole = not parts.recipe.lora
        self._first = made.first_arrays(parts.pair.student) if whole else copies(made.weights())
        return made

    def _new_divergence(self) -> Divergence:
        columns = vocabulary_size(self.components.pair.student.config)
        return Divergence(log(columns), norm_of(self.student.model))

    def _new_feed(self) -> ExampleStream:
        """The examples of (seed, episode), from their first."""
        self.components.open_cache()
        seed = data_seed(self._seed, self._episode)
        return self.components.feed(seed, lambda: self.student.model, lambda: self.student)

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        account, losses, self._seen = ShareLedger(self.sources), 0.0, {}
        before, trained, read = self._feed.tokens, account.tokens, self.student.read_by_teacher
        started, mark, rule = time.perf_counter(), dict(self.seconds), self.components.weighing
        shares = dict(zip(self.sources, weights.tolist(), strict=True))
        while (done := int(trained.sum())) < tokens:
            spent = min((self._spent + done) / self.budget, 1.0)
            clock = time.perf_counter()
            with memory_for("while replies are made", REPLIES):
                examples = self._feed.window(
                    weights, trained, tokens, self.components.recipe.batch, spent, account.prompts
                )
            asked = time.perf_counter()
            if examples:
                look = look_due(rule, self._windows, by_source(examples), self._weights)
                signals = self.student.source_signals(examples) if look else {}
                self._weights = source_weights(rule, examples, signals, self._weights, shares)
                if look:
                    account.look(with_weights(signals, self._weights))
                self._seen |= by_source(examples := weighed(examples, self._weights))
                window = self.student.train_window(examples, spent)
                self._windows += 1
                account.add(window.losses)
                losses += window.loss * window.tokens
                if self.divergence.first is None:
                    self.divergence.first = window.loss
                numbers = {key: getattr(window, key) for key in WINDOW_NUMBERS}
                self.watch("window", {**numbers, "spent": spent})
            self.seconds["teacher"] += asked - clock
            self.seconds["train"] += time.perf_counter() - asked
        self._spent += tokens
        self._shares = account.shares()
        share, norm = min(self._spent / self.budget, 1.0), norm_of(self.student.model)
        if self.divergence.interval(share, losses / tokens, norm):
            self.watch("diverged", self.divergence.found)
        self._measured = self.measure("probe")
        self._samples = self._measured.samples
        usage = {k: n - before[k] for k, n in self._feed.tokens.items()}
        trained_on = {"student": tokens, "teacher_scored": self.student.read_by_teacher - read}
        usage = added(usage, trained_on, self._measured.token_usage)
        seconds = {k: v - mark[k] for k, v in self.seconds.items()}
        seconds["seconds"] = time.perf_counter() - started
        rejected = {n: getattr(self.asked.counts, n) for n in ("rejected", "rejected_wrong")}
        times = {f"weight/{name}": w for name, w in self._weights.items()}
        self.watch("interval", {**seconds, **rejected, **times, "step": step})
        return Measurement(self._measured.profile, usage)

    def measure(self, split: Split, model: nn.Module | None = None) -> ItemScores:
        """Scores of the student, or of its start (`Student.started`), item by item, in the precision of
        training."""
        clock = time.perf_counter()
        reads = self.student.model if model is None else model
        with memory_for("while the student is probed", PROBES), self.student.autocast():
            measured = self.components.measure(reads, split)
        self.seconds["probe"] += time.perf_counter() - clock
        return measured

    def dev_eval(self) -> Measurement:
        measured = self.measure("dev")
        return Measurement(measured.profile, measured.token_usage)

    def consider(self, score: float) -> None:
        """Keep the student as the best if no earlier one had a dev score as high (`keep_best`)."""
        if self.keep_best and (self.best is None or score > self.best.score):
            self.best = Best.of(self.student, score, self._spent)

    def final_eval(self) -> Final:
        """Scores of the student on the test split, which nothing reads before, and of its start; of the
        best one too, where that is another."""
        first, last = self.test_both()
        change, sd = self.components.suite.paired_change(first, last)
        used = [m.token_usage for m in (last, first, *self.test_best())]
        return Final(last.profile, change, sd, added(*used))

    def test_both(self) -> tuple[ItemScores, ItemScores]:
        """Scores on the test split, which may be read from now on, of the start and of the student."""
        self.components.suite.open_test()
        with self.student.started(self.components.pair.student) as start:
            first = self.measure("test", start)
        self.tested = first, self.measure("test")
        return self.tested

    def is_last(self, best: Best) -> bool:
        """Whether it is the student as it is now."""
        return best.spent == self._spent

    def test_best(self) -> tuple[ItemScores, ...]:
        """Scores of the best student on the test split, once they may be read; none without another than
        the last."""
        if self.best is None or self.is_last(self.best):
            return ()
        with self.best.put_in(self.student):
            self.best_tested = self.measure("test")
        return (self.best_tested,)

    def teacher_profile(self) -> Measurement:
        """The teacher's scores on the probe items, charged as probe tokens.

        Raises CapabilityMissingError where teacher and student read text differently, or the teacher
        is a server or several teachers.
        """
        model = self.components.pair.local_teacher()
        if self.components.pair.vocabulary is None:
            raise CapabilityMissingError(
                "the teacher cannot be scored: its tokenizer differs from the student's, which the probes use"
            )
        clock = time.perf_counter()
        with memory_for("while the teacher is probed", PROBES):
            seen = self.components.measure(model, "probe")
        self.seconds["probe"] += time.perf_counter() - clock
        return Measurement(seen.profile, seen.token_usage)

    def transitions(
        self, episode: EpisodeConfig, size: int, seed: int, *, persistent: bool = False
    ) -> tuple[Pool, TokenUsage]:
        """A pool of `pool_shape` trainings, each undone; the identifier's are not repeated."""
        runs, steps = pool_shape(
            episode, size, self.components.pool_runs, self.components.pool_steps, persistent
        )
        done, usage = self.identified, dict[str, int]()
        if done is None or (persistent and (done.steps, done.runs) < (steps, runs)):
            done = intervene(self, episode.schedule[0], runs, seed, steps)
            usage = done.token_usage
        return pool_of(done, self.components.suite, episode, size, seed), usage

    @property
    def last(self) -> ItemScores:
        """The measurement that ended the last interval. Raises CapabilityMissingError before one."""
        if self._measured is None:
            raise CapabilityMissingError("no interval was run yet")
        return self._measured

    def trained_shares(self) -> tuple[TrainedShare, ...]:
        """What the last interval trained of each source; gradients where they were looked at."""
        return self._shares

    def source_signals(self) -> tuple[SourceSignals, TokenUsage]:
        """Of the student now, on each source's last examples in the last interval, which are read once more
        (as dear as a step). nan for a source that was not in it, and where several processes train."""
        examples = [example for own in self._seen.values() for example in own]
        before = self.student.read_by_teacher
        found = self.student.source_signals(examples) if examples else {}
        read = self.student.read_by_teacher - before
        return source_signals(self.sources, found), {"teacher_scored": read} if read else {}

    def merged_profiles(self, mixtures: Array, tokens: int) -> tuple[Array, TokenUsage]:
        """See `readsim_hf.merging`."""
        return merged_profiles(self, mixtures, tokens)

    def probe_samples(self) -> tuple[SampledReply, ...]:
        """What the student said to a few items of each capability when it was last probed."""
        return self._samples

    def _tree(self) -> dict[str, Any]:
        return {
            "seed": self._seed,
            "episode": self._episode,
            "spent": self._spent,
            "windows": self._windows,
            "source_weights": dict(self._weights),
            "feed": self._feed.state(),
            "divergence": self.divergence.state(),
            "best": None if self.best is None else self.best.state(),
        }

    def _put_tree(self, tree: Mapping[str, Any]) -> None:
        self._seed, self._episode = int(tree["seed"]), int(tree["episode"])
        if self._student is None:
            self._student = self._new_student()
        self._feed = self._new_feed()
        self._feed.restore(tree["feed"])
        self._spent, self._windows = int(tree["spent"]), int(tree.get("windows", 0))
        self._weights = {name: float(w) for name, w in tree.get("source_weights", {}).items()}
        self.divergence = Divergence.of_state(tree["divergence"])
        self.best = None if (best := tree.get("best")) is None else Best.of_state(best)
        self.watch("restored", {"spent": self._spent / self.budget})

    def snapshot(self) -> dict[str, Any]:
        """Copies on the host; see `readsim_hf.training.copies` for where, and what is refused."""
        self.watch("snapshot", {})
        weights, moments = copies(self.student.weights()), copies(self.student.moments())
        return {"weights": weights, "moments": moments, **self._tree()}

    def restore(self, saved: dict[str, Any]) -> None:
        self._put_tree(saved)
        self.student.put_arrays(saved["weights"], saved["moments"])

    def put_back(self, saved: dict[str, Any]) -> None:
        """The student of that snapshot; prompts, schedule and all counts go on."""
        self.restore({**saved, **self._tree()})

    def check_copies(self) -> None:
        """TrainingError where there is no room for a copy of the student, which it does not need."""
        if not self.components.recipe.lora:
            folder_for(3 * sum(p.nbytes for p in self.components.pair.student.parameters()))

    def save(self, folder: Path) -> None:
        tree = {**self._tree(), "identity": self.components.identity}
        tree |= {"asked": self.asked.state(), "seconds": dict(self.seconds)}
        save_student(folder, self.student.weights(), self.student.moments(), tree)

    def load(self, folder: Path) -> None:
        weights, moments, tree = load_saved_student(folder)
        if tree["identity"] != self.components.identity:
            raise RunLogError(f"{folder} belongs to a run with another pair, recipe or probes")
        self._put_tree(tree)
        if "asked" in tree:  # earlier versions did not keep it
            self.asked.resume(tree["asked"])
            self.seconds |= tree["seconds"]
        self.student.put(weights, moments)
