"""A method or a signal with an objective: the supervision of a run."""

from readsim.errors import ConfigError
from readsim_hf.config import RunConfig
from readsim_hf.methods.table import METHODS, method_name
from readsim_hf.objectives.base import Objective
from readsim_hf.objectives.estimators import K1, K2, K3
from readsim_hf.objectives.sums import parts
from readsim_hf.objectives.table import check_compatible, make_objective
from readsim_hf.teachers.scoring import SoftSettings
from readsim_hf.teachers.signals import TeacherSignal, signal_named


def supervision(config: RunConfig) -> tuple[TeacherSignal, Objective, SoftSettings | None]:
    """Signal and objective of a method, or of the two names, and what is kept of distributions.

    Raises ConfigError, saying what would work, for a combination that is not defined.
    """
    signal, objective = _named(config)
    wanted = objective.needs_soft or signal.needs_soft or config.on_policy > 0
    kept = SoftSettings(config.soft.kind, config.soft.k) if wanted else None
    check_compatible(signal.name, objective, kept.kind if kept else None, config.on_policy)
    _check_draws(config, objective)
    return signal, objective, kept


def _check_draws(config: RunConfig, objective: Objective) -> None:
    """ConfigError for an estimate by draws of the student (`estimators`) that are drawn otherwise."""
    for term in parts(objective):
        if isinstance(term, K1 | K2 | K3) and config.decoding.temperature != 1:
            raise ConfigError(
                f"decoding.temperature = {config.decoding.temperature!r}: objective "
                f"{type(term).__name__.lower()!r} takes the student's tokens as draws from the student "
                "itself; use decoding.temperature = 1, or rkl"
            )


def _named(config: RunConfig) -> tuple[TeacherSignal, Objective]:
    signal, objective, settings = config.signal, config.objective, config.objective_settings
    if config.method:
        method = METHODS[method_name(config.method)]
        signal, objective, settings = method.signal, method.objective, dict(method.settings)
    return signal_named(signal), make_objective(objective, **settings)
