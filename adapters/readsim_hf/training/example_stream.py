"""From token shares to examples: prompts by source, the teacher's replies, exact token counts."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from readsim.arrays import Array
from readsim.errors import TrainingError
from readsim_hf.generation.next_source import Unit, next_source
from readsim_hf.generation.source import SourceStream
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.codec import record_from_tree, record_to_tree
from readsim_hf.teachers.record import TeacherRecord
from readsim_hf.training.batch import Example
from readsim_hf.training.slopes import cut_to_fit
from readsim_hf.training.trained import TrainedSource

PATIENCE = 8  # requests in a row without one usable reply
FIRST_LENGTH = 16.0  # supervised tokens expected of a reply before any was seen


def fed_evenly(weights: Array) -> Array:
    """Equal shares (S,) of the sources that have one."""
    fed = (np.asarray(weights) > 0).astype(np.float64)
    out: Array = fed / fed.sum()
    return out


def loss_weights(weights: Array) -> Array:
    """n w_i / sum w (S,): what losses weigh where n sources, each with equal tokens, have shares w."""
    w = np.asarray(weights, dtype=np.float64)
    out: Array = w * int((w > 0).sum()) / w.sum()
    return out


# What is trained on of a prompt, together where there are several with places in one group, or the reply that
# `cut` makes it of; None where there is none of use.
Reply = TeacherRecord | tuple[TeacherRecord, ...] | None


class Asks(Protocol):
    """What the feed needs of a teacher."""

    @property
    def tokens(self) -> dict[str, int]: ...

    def ask(self, prompts: Sequence[Prompt]) -> Sequence[Reply]: ...


# The training records of a reply to a prompt.
Cut = Callable[[Prompt, TeacherRecord], Sequence[TeacherRecord]]


class ExampleStream:
    """Examples for a run: deterministic given the streams' seed and the sequence of calls.

    Replies are asked for in groups, at most `group` prompts of a source, and wait in a queue until the
    deficit round robin takes them; what an interval leaves over is used by the next one. With
    `cut`, which makes `tasks` records of a reply, these wait in its place. Records of one group go
    into one optimiser step; these count as examples, and the last one of an interval is cut in equal parts.

    With `begin` the teacher, a server, answers while the student trains: prompts are drawn, and handed to
    `begin`, as soon as a source has less than half of what it is owed; they are asked in that order, a few at
    a time, when the round robin needs them. No order depends on when a reply arrives. At the end of an
    interval, and in a `state`, nothing is under way.

    What an allocation shares out is the `unit`; the budget is supervised tokens in all of them.

    tokens    each source gets its share of the supervised tokens: |w_i T - t_i| <= the longest example
    prompts   each source gets its share of the examples, of which a group is one: |w_i N - n_i| <= 1, the
              last one cut or not
    loss      the n sources with a share get equal tokens, and the losses of source i weigh n w_i, so that
              its share of the summed weight is w_i; a source without a share is not trained on
    """

    def __init__(
        self,
        streams: Sequence[SourceStream],
        teacher: Asks,
        group: int = 64,
        cut: Cut | None = None,
        tasks: int = 1,
        unit: Unit = "tokens",
        begin: Callable[[Sequence[Prompt]], None] | None = None,
    ) -> None:
        self.streams, self.teacher, self.group = tuple(streams), teacher, group
        self.cut, self._tasks, self._unit = cut, tasks, unit
        self._begin = begin
        self._drawn: list[deque[Prompt]] = [deque() for _ in streams]  # not asked yet
        self._queues: list[deque[TeacherRecord]] = [deque() for _ in streams]
        self._lengths = np.full(len(streams), FIRST_LENGTH)  # running mean of a record's tokens
        self._longest = 1  # of all records so far
        self.trained = [TrainedSource() for _ in streams]

    @property
    def tokens(self) -> dict[str, int]:
        """What asking has used so far, by ledger kind."""
        return self.teacher.tokens

    def window(
        self,
        weights: Array,
        trained: Array,
        total: int,
        examples: int,
        spent: float,
        counts: Array | None = None,
    ) -> list[Example]:
        """The next optimiser step's examples, at most `examples` of them.

        weights   shares (S,) of the interval, of what the stream's unit is
        trained   tokens of this interval so far by source (S,); brought up to date in place
        total     tokens of the whole interval; the last example is cut so that it is met exactly
        counts    examples, of which a group is one, of this interval so far by source (S,); brought up to
                  date in place
        spent     share of the run's budget spent, for the curriculum
        """
        out: list[Example] = []
        counts = np.zeros(len(self.streams)) if counts is None else counts
        shares = fed_evenly(weights) if self._unit == "loss" else weights
        scale = loss_weights(weights) if self._unit == "loss" else None
        if self._begin is not None:
            due = self._tokens_due(shares)
            self._draw(due, self._wanted(due, trained, total), spent)
        while len(out) < examples and (left := total - int(trained.sum())) > 0:
            if self._unit == "prompts":
                source = next_source(shares, counts, 1.0)
            else:
                source = next_source(shares, trained, self._longest)
            if not self._queues[source]:
                self._refill(self._tokens_due(shares), trained, total, spent, source, examples)
            queue = self._queues[source]
            size = queue[0].group[1]
            if out and len(out) + size > examples:
                break
            counts[source] += 1
            for record, tokens in _fitting([queue.popleft() for _ in range(size)], left):
                trained[source] += tokens
                self.trained[source].add(record, tokens)
                times = 1.0 if scale is None else float(scale[source])
                own = record if times == 1.0 else replace(record, weight=record.weight * times)
                out.append(Example(own, tokens))
        if int(trained.sum()) >= total:
            self._ask_drawn(range(len(self.streams)))
        return out

    def _tokens_due(self, shares: Array) -> Array:
        """The token shares (S,) that these shares are expected to come to."""
        if self._unit != "prompts":
            return shares
        due = shares * self._lengths
        out: Array = due / due.sum()
        return out

    def _refill(
        self,
        weights: Array,
        trained: Array,
        total: int,
        spent: float,
        source: int,
        few: int,
    ) -> None:
        """Ask for replies until no source has none waiting; a teacher that answers meanwhile is asked until
        `source` has some, at first for a `few`."""
        wanted = np.maximum(self._wanted(weights, trained, total), 1)
        fed, most = np.flatnonzero(weights > 0).tolist(), None
        if self._begin is not None:
            fed, most = [source], few
        for _ in range(PATIENCE):
            if all(self._queues[s] for s in fed):
                return
            self._draw(weights, wanted, spent)
            self._ask_drawn(fed, most)
            most = None
        if empty := [self.streams[s].name for s in fed if not self._queues[s]]:
            raise TrainingError(
                f"no usable reply for {', '.join(empty)} in {PATIENCE} requests, of teacher or student: "
                "look at the replies, raise max_new_tokens (what is cut there is dropped without "
                "data.keep_cut), or use other templates"
            )

    def _wanted(self, weights: Array, trained: Array, total: int) -> Array:
        """Records (S,) that are to wait of each source: what it is owed in this interval, a group at most."""
        owed = np.maximum(weights * total - trained, 0.0)
        wanted: Array = np.clip(np.ceil(owed / self._lengths), 0, self.group)
        return wanted

    def _draw(self, weights: Array, wanted: Array, spent: float) -> None:
        """Draw prompts of the sources with less than half of what is wanted of them, and fill these up: a
        teacher's large batches are faster than its small ones."""
        both = zip(self._queues, self._drawn, strict=True)
        held = np.array([len(queue) + self._tasks * len(drawn) for queue, drawn in both])
        new: list[Prompt] = []
        for s in np.flatnonzero((weights > 0) & (2 * held < wanted)).tolist():
            more = self.streams[s].take(-(-int(wanted[s] - held[s]) // self._tasks), spent)
            self._drawn[s] += more
            new += more
        if new and self._begin is not None:
            self._begin(new)

    def _ask_drawn(self, fed: Sequence[int], most: int | None = None) -> None:
        """Put the replies to what was drawn of these sources, `most` of each, into their queues."""
        prompts: list[Prompt] = []
        sources: list[int] = []
        for s in fed:
            while self._drawn[s] and (most is None or sources.count(s) < most):
                prompts.append(self._drawn[s].popleft())
                sources.append(s)
        replies = self.teacher.ask(prompts) if prompts else []
        for s, prompt, reply in zip(sources, prompts, replies, strict=True):
            records = self.records(prompt, reply)
            whole = sum(r.supervised for r in records if r.group[1] > 1)
            self._longest = max(self._longest, whole)
            for record in records:
                self._queues[s].append(record)
                self._longest = max(self._longest, record.supervised)
                self._lengths[s] += 0.05 * (record.supervised - self._lengths[s])

    def records(self, prompt: Prompt, reply: Reply) -> Sequence[TeacherRecord]:
        """What is trained on of a reply; none where there is no usable one."""
        if reply is None or isinstance(reply, tuple):
            return reply or ()
        return (reply,) if self.cut is None else self.cut(prompt, reply)

    def state(self) -> dict[str, Any]:
        """Positions of the streams and the waiting replies, as plain data."""
        self._ask_drawn(range(len(self.streams)))
        return {
            "streams": [stream.state() for stream in self.streams],
            "queues": [[record_to_tree(r) for r in queue] for queue in self._queues],
            "lengths": self._lengths.copy(),
            "longest": self._longest,
            "trained": [one.state() for one in self.trained],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a `state()`."""
        for stream, saved in zip(self.streams, state["streams"], strict=True):
            stream.restore(saved)
        self._queues = [deque(map(record_from_tree, queue)) for queue in state["queues"]]
        self._drawn = [deque() for _ in self.streams]
        self._lengths = np.array(state["lengths"])
        self._longest = int(state["longest"])
        self.trained = [TrainedSource.of_state(one) for one in state.get("trained", ())]
        self.trained = self.trained or [
            TrainedSource() for _ in self.streams
        ]  # of an older readsim


def _fitting(group: Sequence[TeacherRecord], left: int) -> Sequence[Example]:
    """What counts of a group where `left` tokens do: replies without any are out of it."""
    lengths = cut_to_fit([record.supervised for record in group], left)
    kept = [Example(r, n) for r, n in zip(group, lengths, strict=True) if n]
    if len(kept) == len(group):
        return kept
    return [Example(replace(r, group=(place, len(kept))), n) for place, (r, n) in enumerate(kept)]
