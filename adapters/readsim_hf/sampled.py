"""From settings to groups of replies: how many, who grades them, who writes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from readsim.streams import generator
from readsim_hf.config import RunConfig
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.sampling import Sampling, sampling_of
from readsim_hf.probes.own.judge import Grader
from readsim_hf.prompts.library import Library
from readsim_hf.sampling_config import SamplingConfig
from readsim_hf.sources.opened import Source
from readsim_hf.supervision import samples_of
from readsim_hf.training.groups import ReplyGroups
from readsim_hf.training.replies import Replies
from readsim_hf.training.rewards import GoldReward, JudgedReward, Reward, check_gold
from readsim_hf.training.student import Student


@dataclass(frozen=True, eq=False)
class Sampled:
    """What does not change during a run of an objective that trains on groups.

    scores    whether the teacher scores the replies
    graders   the judge, where there is one
    """

    config: SamplingConfig
    sampling: Sampling
    samples: int
    scores: bool
    reward: Reward | None
    graders: tuple[Grader, ...]

    def groups(
        self, replies: Replies, trainer: Callable[[], Student], start: nn.Module
    ) -> ReplyGroups:
        """Groups of one run; `trainer` gives what trains the student, `start` is its starting model."""
        return ReplyGroups(
            replies,
            trainer,
            lambda: trainer().started(start),
            self.sampling,
            self.samples,
            replies.teacher.decoding,
            scores=self.scores,
            reward=self.reward,
        )


def sampled_of(
    config: RunConfig, objective: Objective, library: Library, datasets: Sequence[Source] = ()
) -> Sampled | None:
    """None for an objective that trains on one reply a prompt.

    Raises ConfigError where a gold answer or a judge is needed and there is none.
    """
    sampling = sampling_of(objective)
    if sampling is None:
        return None
    reward: Reward | None = None
    graders: tuple[Grader, ...] = ()
    if sampling.rewarded and config.sampling.reward == "gold":
        made = [t.make(generator(0, "items")) for some in library.templates.values() for t in some]
        check_gold([*made, *(prompt for source in datasets for prompt in source.sample(1))])
        reward = GoldReward(library.style)
    elif sampling.rewarded:
        graders = (Grader(config.probes.judge, config.sampling.rubric),)
        reward = JudgedReward(graders[0])
    return Sampled(
        config.sampling,
        sampling,
        samples_of(config, objective),
        objective.needs_soft,
        reward,
        graders,
    )
