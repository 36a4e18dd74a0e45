"""What a method may stand beside: adapters, packing, processes, other teachers, a store."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from readsim.errors import ConfigError, ReadsimError
from readsim_hf.config import RunConfig
from readsim_hf.distributed_run import check_shared
from readsim_hf.needs import check_needs
from readsim_hf.supervision import check_tokens, supervision, teacher_soft
from readsim_hf.teach import check_teachable
from readsim_hf.teacher_factory import passes_across
from readsim_hf.training.layer_pairs import hidden_term


def refusal(method: str, column: str) -> str:
    """What is said to a method with what a key of BESIDE names; "" where it is taken."""
    look, settings = BESIDE[column]
    pair = {"teacher": "a teacher", "student": "a student"}
    try:
        look(RunConfig.of({"method": method, "pair": pair, **settings}))
    except ReadsimError as error:
        return str(error)
    return ""


def _with_several(config: RunConfig) -> None:
    check_needs(config, ())
    check_tokens(config, same=True, several=True)


def _with_other_tokens(config: RunConfig) -> None:
    check_tokens(config, same=False, several=False)
    signal, objective, kept = supervision(config)
    soft, tokens = teacher_soft(signal, kept), {"same": False, "several": False}
    across = passes_across(objective, soft, config.on_policy, **tokens, local=True)
    if (soft is not None and not across) or hidden_term(objective) is not None:
        raise ConfigError("the teacher's distributions and states need one tokenizer")


def _from_store(config: RunConfig) -> None:
    check_teachable(config, "exact")
    stored = replace(config, data=replace(config.data, store="a store"))
    supervision(stored)
    check_needs(stored, ())
    check_tokens(stored, same=True, several=False)  # with other ones the teacher has to be there


_LORA = {"lora": 8, "lora_dropout": 0.1}
_MORE = {"teacher": "a teacher", "student": "a student", "teachers": {"math": "another"}}
# What a method may stand beside -> who judges that, and with which settings.
BESIDE: Mapping[str, tuple[Callable[[RunConfig], object], Mapping[str, Any]]] = {
    "LoRA with dropout": (supervision, {"training": _LORA}),
    "packing": (supervision, {"training": {"packing": True}}),
    "several processes": (check_shared, {}),
    "a teacher for each capability": (_with_several, {"pair": _MORE}),
    "a teacher with other tokens": (_with_other_tokens, {}),
    "a store of the teacher's replies": (_from_store, {}),
}
