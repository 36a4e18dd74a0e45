"""What a method needs of teachers and data, as far as the settings and the rows of each source say."""

from collections.abc import Sequence

from readsim.errors import ConfigError
from readsim_hf.config import RunConfig
from readsim_hf.elicitation.base import Elicitation
from readsim_hf.models import catalogue
from readsim_hf.models.pairs import sources
from readsim_hf.objectives.hidden import Hidden
from readsim_hf.objectives.sampling import sampling_of
from readsim_hf.objectives.sums import terms_in
from readsim_hf.source_selection import check_answers, check_asked, is_alone
from readsim_hf.sources.opened import Source
from readsim_hf.supervision import named_supervision
from readsim_hf.teachers.connection import is_server


def check_needs(config: RunConfig, datasets: Sequence[Source]) -> None:
    """ConfigError, with advice, where the method cannot do anything with these teachers and sources: known
    before a model is loaded, so that no run finds it out."""
    signal, objective = named_supervision(config)
    title = f"method {config.method!r}" if config.method else f"signal {signal.name!r}"
    asked = _teachers(config)
    elicits = signal if isinstance(signal, Elicitation) else None
    ours = [name for name in asked if name in _SHIPPED]
    if elicits is not None and elicits.prose and ours:
        raise ConfigError(
            f"{title} needs a teacher that writes prose, and {ours[0]!r} writes sums and words in a notation "
            "of its own; name an instruct model or a server as pair.teacher, or use resp-sft or cot-sft"
        )
    for source in datasets if elicits is not None and elicits.gold else ():
        if source.answers == 0:
            raise ConfigError(
                f"{title} needs gold answers, and data.sources {source.name!r} has none: say "
                "in which column they are (answer), leave the source out, or use cot-sft"
            )
    check_asked(signal, datasets)
    sampling = sampling_of(objective)
    rewarded = sampling is not None and sampling.rewarded
    if rewarded and config.sampling.reward == "judge" and not config.probes.judge.address:
        raise ConfigError(
            f"sampling.reward = 'judge' with {title}: there is no judge; name its server in "
            "probes.judge.address (--judge), or use reward = 'gold'"
        )
    if rewarded and config.sampling.reward == "gold":
        check_answers(datasets)
    if any(isinstance(term, Hidden) for term in terms_in(objective)):
        local = len(set(asked)) == 1 and not is_server(asked[0])
        if config.data.store or not local:
            raise ConfigError(
                f"{title} reads the hidden states of one teacher in this process: use one local pair.teacher "
                "and no data.store, or use logit-kd"
            )


_SHIPPED = {f"{name}/{part}" for name in catalogue.OURS for part in ("teacher", "student")}


def _teachers(config: RunConfig) -> list[str]:
    """Who would be asked: nobody where a store holds the replies, or where there is no teacher."""
    if config.data.store or is_alone(config):
        return []
    pair = config.pair
    _, teacher, _ = sources(pair.name, pair.teacher, pair.student, pair.layers)
    return [teacher, *pair.teachers.values()]
