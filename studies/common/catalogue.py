"""The studies: those of the paper in its order, then the others."""

from collections.abc import Callable
from importlib import import_module

from readsim.errors import unknown
from studies.common.command import command_for
from studies.common.study import Study

ALL = "all"
NAMES = (
    "figure1",
    "figure2",
    "tables",
    "figure3",
    "table2",
    "figure4",
    "proxy",
    "figure5",
    "table7",
    "misalignment",
    "sensitivity",
    "artifact_quirks",
    "sim_to_real",
)
# Name on the command line -> the module whose `main` it runs.
COMMANDS = {
    "features": "studies.features.command",
    "theory": "studies.theory.command",
    "regmix": "studies.regmix.command",
    "admire": "studies.admire.command",
    "aioli": "studies.aioli.command",
    "transfer_matrix": "studies.transfer_matrix.command",
    "real_runs": "studies.real_runs.command",
    "real_runs.held": "studies.real_runs.held",
    "real_read": "studies.real_read.command",
    "proof": "studies.proof.command",
    "proof.drawn": "studies.proof.drawn",
    "sim_to_real.measure": "studies.sim_to_real.measure",
    "sim_to_real.game": "studies.sim_to_real.game",
    "nano": "studies.nano.command",
    "nano.spillover": "studies.nano.spillover",
    "micro": "studies.micro.command",
    "presets": "studies.presets.command",
    "speed": "studies.speed.command",
    "speed_real": "studies.speed_real.command",
    "cost": "studies.cost.command",
    "level": "studies.level.command",
    "methods": "studies.methods.command",
    "level.moments": "studies.level.moments",
    "gpu_check": "studies.gpu_check.command",
}


def load_study(name: str) -> Study:
    """The `STUDY` of `studies.NAME.study`. Raises UnknownNameError."""
    if name not in NAMES:
        raise unknown("study", name, NAMES)
    study: Study = import_module(f"studies.{name}.study").STUDY
    return study


def load_command(name: str) -> Callable[..., None]:
    """The function whose arguments are the options of a name. Raises UnknownNameError."""
    if name in NAMES:
        return command_for(load_study(name))
    if name != ALL and name not in COMMANDS:
        raise unknown("study", name, (ALL, *NAMES, *COMMANDS))
    module = "studies.common.all_studies" if name == ALL else COMMANDS[name]
    command: Callable[..., None] = import_module(module).main
    return command
