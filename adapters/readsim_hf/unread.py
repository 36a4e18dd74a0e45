"""Settings that somebody gave and that the run would not read: refused, with who reads them.

A setting counts as given where it is neither the field's default nor what the preset of the pair says (of
nano, the pair without a name).
"""

from operator import attrgetter

from readsim.errors import ConfigError
from readsim_hf.config import RunConfig, preset_table
from readsim_hf.config_merge import table_in
from readsim_hf.elicitation.base import Elicitation
from readsim_hf.elicitation.catalogue import readers_of
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.sampling import sampling_of
from readsim_hf.teachers.scoring import SoftSettings
from readsim_hf.teachers.signals import TeacherSignal

_DEFAULTS = RunConfig()


def check_read(
    config: RunConfig, signal: TeacherSignal, objective: Objective, kept: SoftSettings | None
) -> None:
    """ConfigError for a setting that has no effect on what `signal` and `objective` train on: one of
    [sampling], [elicitation], [soft] or [decoding], `auxiliary_weight`, `data.keep`, `student_server.every`;
    `kept` is what is kept of distributions."""
    for name, why in _unread(config, signal, objective, kept).items():
        value = _value(config, name)
        if value != _value(_DEFAULTS, name) and value != _preset(config, name):
            raise ConfigError(f"{name} = {value!r}: {why}; leave it out")


def _unread(
    config: RunConfig, signal: TeacherSignal, objective: Objective, kept: SoftSettings | None
) -> dict[str, str]:
    """FIELD or TABLE.FIELD -> in words why it has no effect, and on what it has one."""
    sampling = sampling_of(objective)
    elicits = signal if isinstance(signal, Elicitation) else None
    out = dict[str, str]()
    if sampling is not None and not sampling.rewarded:
        out["sampling.reward"] = "no reply is graded here; it is read by kdrl and grpo"
    if sampling is not None and (not sampling.rewarded or config.sampling.reward != "judge"):
        out["sampling.rubric"] = (
            "no judge grades replies here; it is read by kdrl and grpo with sampling.reward = 'judge'"
        )
    if not config.student_server.address:
        out["student_server.every"] = (
            "no server writes the student's text here; it is read with student_server.address"
        )
    out |= _of_signal(config, signal, elicits)
    if config.data.store:  # what it was made with is compared by whoever opens it
        return out
    if kept is None:
        why = (
            "no distributions are kept here; it is read by objectives that need them, such as those of "
            "logit-kd, resp-kd, gkd and opd"
        )
        out |= {"soft.kind": why, "soft.k": why}
    if sampling is not None:
        taught, writes = sampling.teacher, True
    elif elicits is not None:
        taught, writes = elicits.asks, elicits.tries
    else:
        taught, writes = config.on_policy < 1, config.on_policy > 0
    if not taught:
        ours = (
            "which is drawn at temperature 1"
            if sampling
            else "which decoding.student_temperature is for"
        )
        out["decoding.temperature"] = f"here only the student writes, {ours}"
        if not config.data.sources:  # given replies are judged too
            out["data.keep"] = (
                "here only the student writes, whose replies it does not choose; it is read where a teacher "
                "answers or replies are given"
            )
    if sampling is not None:
        out["decoding.student_temperature"] = (
            "groups of the student's replies are drawn at temperature 1 (those of gkd and opd are not groups)"
        )
    elif not writes:
        out["decoding.student_temperature"] = (
            "the student writes nothing in training here; it is read where on_policy > 0, as in gkd and opd"
        )
    return out


def _of_signal(
    config: RunConfig, signal: TeacherSignal, elicits: Elicitation | None
) -> dict[str, str]:
    """What the signal does not read of [elicitation] and `auxiliary_weight`, as `_unread`."""
    out = dict[str, str]()
    if signal.tasks == 1 or elicits is not None:
        out["auxiliary_weight"] = (
            f"signal {signal.name!r} has no auxiliary task; it is read by step-by-step and plan-then-code"
        )
    teachers = len({config.pair.teacher, *config.pair.teachers.values()})
    reads = () if elicits is None else elicits.reads
    here = () if elicits is None else elicits.reads_of(teachers)
    for name in vars(config.elicitation):
        if name not in reads:
            out[f"elicitation.{name}"] = (
                f"signal {signal.name!r} does not read it; it is read by {', '.join(readers_of(name))}"
            )
        elif name not in here:
            out[f"elicitation.{name}"] = (
                f"signal {signal.name!r} does not read it where several teachers answer; it is read with one"
            )
    return out


def _value(config: RunConfig, name: str) -> object:
    found: object = attrgetter(name)(config)
    return found


def _preset(config: RunConfig, name: str) -> object:
    """What the preset of the pair says; the field's default where it says nothing."""
    table, _, field = name.rpartition(".")
    preset = preset_table(config.pair.name or "nano")
    said = table_in(preset, table) if table else preset
    return said.get(field, _value(_DEFAULTS, name))
