"""Groups of replies to one prompt: the student's samples, with the teacher's reply where it is compared.

For each token that is trained on a record keeps the constants that the objective asks for (`Sampling`): they
are of the weights at which the reply was written, and survive a stop with the replies that wait.
"""

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from readsim.errors import TrainingError
from readsim_hf.objectives.policy_gradient import group_advantages, later_ratios
from readsim_hf.objectives.sampling import OF_STUDENT, Sampling
from readsim_hf.objectives.sparse import said_log_probs
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.record import TeacherRecord
from readsim_hf.training.batch import Example
from readsim_hf.training.read_log_probs import require_numbers
from readsim_hf.training.replies import Replies
from readsim_hf.training.rewards import Reward
from readsim_hf.training.student import Student

Group = tuple[
    TeacherRecord, ...
]  # the replies to one prompt, in the order in which they are compared
Floats = NDArray[np.float32]
Start = Callable[[], AbstractContextManager[nn.Module]]


class ReplyGroups:
    """Asks the student, and the teacher where it answers too, for the replies to each prompt.

    replies   who writes and who scores
    student   in training; `start` gives the model as it was before its first step
    sampling, samples   which replies, and how many of the student; drawn at temperature 1, so that `old` is
              what they were drawn from
    scores    whether the teacher's distributions are wanted on all of them
    reward    of groups that are rewarded

    A prompt without a usable reply of the student, or of a teacher that is to answer, has no group. Tokens
    are `student_rollout` for what the student writes, and what it or its start reads for `old` and `start`
    (whether a server said `old` or not); `teacher_scored` for what the teacher reads of that,
    `teacher_prompt` and `teacher_generated` where it answers too; `judge`.
    """

    def __init__(
        self,
        replies: Replies,
        student: Callable[[], Student],
        start: Start,
        sampling: Sampling,
        samples: int,
        rollout: Decoding,
        *,
        scores: bool,
        reward: Reward | None = None,
    ) -> None:
        self._replies, self._student, self._start = replies, student, start
        self.sampling, self.samples, self._scores = sampling, samples, scores
        self._rollout, self._reward = replace(rollout, temperature=1.0), reward
        self._read = 0

    @property
    def size(self) -> int:
        """Replies of a whole group."""
        return self.samples + self.sampling.teacher

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens used so far by kind."""
        judge = {} if self._reward is None else {"judge": self._reward.tokens}
        used = {**self._replies.tokens, **judge}
        used["student_rollout"] += self._read
        return used

    def ask(self, prompts: Sequence[Prompt]) -> list[Group | None]:
        """The group of each prompt, in order; None where there is none.

        Raises TrainingError where a log-probability is NaN, or a teacher does not say it.
        """
        own = self.sampling.teacher
        taught = self._replies.ask(prompts) if own else [None] * len(prompts)
        if not self._scores:  # all of a batch have distributions, or none
            taught = [None if r is None else replace(r, soft=None) for r in taught]
        asked = [n for n, r in enumerate(taught) if not own or r is not None]
        if self._scores:
            taught = self._replies.retold(prompts, taught)
        written: list[list[TeacherRecord]] = [[] for _ in prompts]
        for attempt in range(self.samples if asked else 0):
            some = self._replies.written([prompts[n] for n in asked], self._rollout, attempt)
            for n, record in zip(asked, some, strict=True):
                written[n] += [] if record is None else [record]
        rows = [n for n in asked for _ in written[n]]
        flat = [record for n in asked for record in written[n]]
        if self._scores and flat:
            flat = self._replies.scored([prompts[n] for n in rows], flat)
        made: list[list[TeacherRecord]] = [[] for _ in prompts]
        for n, record in zip(rows, flat, strict=True):
            if not made[n] and (first := taught[n]) is not None:
                made[n].append(first)
            made[n].append(record)
        kept = [n for n, group in enumerate(made) if group]
        out: list[Group | None] = [None] * len(prompts)
        finished = self._finished([prompts[n] for n in kept], [made[n] for n in kept])
        for n, group in zip(kept, finished, strict=True):
            out[n] = group
        return out

    def _finished(
        self, prompts: Sequence[Prompt], groups: Sequence[Sequence[TeacherRecord]]
    ) -> list[Group]:
        """The groups with their constants, in the order in which they are trained on."""
        flat = [record for group in groups for record in group]
        constants = self._constants(flat)
        rewards = self._advantages(prompts, groups) if self.sampling.rewarded else None
        out, at = [], 0
        for group in groups:
            members = []
            for record in group:
                known = {name: values[at] for name, values in constants.items()}
                if rewards is not None:
                    known["advantage"] = np.full(record.supervised, rewards[at], np.float32)
                members.append(replace(record, constants=known))
                at += 1
            if self.sampling.ranked:
                members.sort(key=lambda r: -float(r.constants["score"][0]))
            size = len(members)
            out.append(tuple(replace(r, group=(n, size)) for n, r in enumerate(members)))
        return out

    def _constants(self, records: Sequence[TeacherRecord]) -> dict[str, list[Floats]]:
        """Of each record (L_i,), by name."""
        wanted, out = self.sampling.constants, dict[str, list[Floats]]()
        examples = [Example(record, record.supervised) for record in records]
        if not examples:
            return out
        student = self._student()
        each = sum(len(r.prompt_ids) + len(r.completion_ids) for r in records)
        self._read += each * sum(name in OF_STUDENT for name in wanted)
        if "old" in wanted:
            unknown = [e for e in examples if "old" not in e.record.constants]
            read = iter(student.log_probs(student.model, unknown) if unknown else ())
            out["old"] = [
                r.constants["old"] if "old" in r.constants else next(read) for r in records
            ]
        if "start" in wanted:
            with self._start() as model:
                out["start"] = student.log_probs(model, examples, "the student's first")
        if {"teacher", "score", "return"} & set(wanted):
            teacher = [self._of_teacher(record) for record in records]
            require_numbers(teacher, "the teacher's")
            out["teacher"] = teacher
            out["score"] = [np.full(len(one), one.mean(), np.float32) for one in teacher]
            if "return" in wanted:
                out["return"] = list(map(later_ratios, teacher, out["old"]))
        return {name: out[name] for name in wanted}

    def _of_teacher(self, record: TeacherRecord) -> Floats:
        soft = record.soft
        assert soft is not None  # supervision asked for them
        out = said_log_probs(soft, record.completion_ids[record.places])
        untold = np.isnan(out) & ~np.isnan(soft.logp).any(-1)
        if untold.any():
            raise TrainingError(
                f"the teacher does not say the log-probability of {int(untold.sum())} of {len(out)} tokens "
                f"of a reply, which are not among its {soft.ids.shape[1]} likeliest: use a server that names "
                "a text's own tokens in prompt_logprobs (vLLM does), or a teacher in this process"
            )
        return out

    def _advantages(
        self, prompts: Sequence[Prompt], groups: Sequence[Sequence[TeacherRecord]]
    ) -> NDArray[np.float64]:
        """Of each reply of all groups. A warning where all rewards of every group are equal."""
        assert self._reward is not None
        both = [(p, self._replies.text(r)) for p, g in zip(prompts, groups, strict=True) for r in g]
        rewards = self._reward([p for p, _ in both], [text for _, text in both])
        ends = np.cumsum([len(group) for group in groups])[:-1]
        each = [group_advantages(part) for part in np.split(rewards, ends)]
        if groups and not any(part.any() for part in each):
            warnings.warn(
                "the replies to each prompt have equal rewards: their advantages are 0, and what trains is "
                "the divergence from the teacher alone, where there is one",
                stacklevel=2,
            )
        return np.concatenate(each) if each else np.zeros(0)
