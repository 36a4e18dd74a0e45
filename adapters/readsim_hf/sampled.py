"""From settings to groups of replies: how many, who grades them, who writes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import nn

from readsim.errors import ConfigError, TrainingError
from readsim.streams import generator
from readsim_hf.config import RunConfig
from readsim_hf.elicitation.base import Elicitation
from readsim_hf.models.pairs import Pair
from readsim_hf.models.quantised import QUANTISED
from readsim_hf.models.tokens import vocabulary_size
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.sampling import Sampling, sampling_of
from readsim_hf.probes.own.judge import Grader
from readsim_hf.prompts.library import Library
from readsim_hf.sampling_config import SamplingConfig
from readsim_hf.source_selection import check_answers
from readsim_hf.sources.opened import Source
from readsim_hf.supervision import samples_of
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.encoding import encode, end_ids
from readsim_hf.teachers.signals import TeacherSignal
from readsim_hf.training.groups import ReplyGroups
from readsim_hf.training.replies import Replies
from readsim_hf.training.rewards import GoldReward, JudgedReward, Reward, check_gold
from readsim_hf.training.served import ServedWriter, StudentServer
from readsim_hf.training.student import Student
from readsim_hf.training.writers import Drawing


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
        check_gold(made)
        check_answers(datasets)
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


def student_server_of(
    config: RunConfig, pair: Pair, signal: TeacherSignal, objective: Objective
) -> StudentServer | None:
    """The server that writes the student's text, None where the student does; it has said something with the
    student's weights, which are in its folder.

    ConfigError where the student writes nothing, cannot be served, or the server does not do its part.
    """
    given = config.student_server
    if not given.address:
        return None
    where = f"student_server.address = {given.address!r}"
    own = isinstance(signal, Elicitation) or config.on_policy > 0
    if config.data.store or not (own or sampling_of(objective) is not None):
        raise ConfigError(
            f"{where}: this run trains on no text of the student's own; leave it out, or use a method such "
            "as gkd, opd, mopd, kdrl"
        )
    if config.student_precision in QUANTISED:
        raise ConfigError(
            f"{where} with pair.student_precision = {config.student_precision!r}: adapters are merged into "
            "the weights that are served, and quantised ones do not take them; use 'bf16'"
        )
    server = StudentServer(given, replace(config.server, api_key_env=""))
    if None not in (server.context, pair.context) and (server.context or 0) < (pair.context or 0):
        raise ConfigError(
            f"{where} reads {server.context} tokens, the student {pair.context}: serve it with "
            f"--max-model-len {pair.context}, or set pair.context = {server.context}"
        )
    ends = end_ids(pair.student, pair.tokenizer)
    writer = ServedWriter(server, lambda: pair.student, lambda: 0, config.training.precision)
    try:
        vocab = vocabulary_size(pair.student.config)
        writer.write([encode(pair.tokenizer, "1+1=")], Drawing(Decoding(4, 0.0), ends, vocab))
    except TrainingError as error:
        raise ConfigError(f"{where}: {error}") from error
    return server
