"""Every method by name: what `--method` accepts, what `readsim models methods` lists, what the map shows.

A new method is one row in `taught` or `own_text`, in its family, and nothing else. A new family is a name and
a line in `method`. After either, `readsim models methods --write docs` makes the page and the figure anew.
"""

from collections.abc import Mapping
from types import MappingProxyType

from readsim.errors import ConfigError, unknown
from readsim_hf.methods.method import FAMILIES, Method
from readsim_hf.methods.own_text import OWN_TEXT
from readsim_hf.methods.taught import TAUGHT

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        name: method
        for family in FAMILIES
        for name, method in {**TAUGHT, **OWN_TEXT}.items()
        if method.family == family
    }
)

# Papers whose method is not in the table -> in one sentence what comes nearest.
NEAREST: Mapping[str, str] = MappingProxyType(
    {
        "TinyBERT": "its losses of embeddings and hidden states are the objective "
        "'kd + hidden(kind=mse)' on the signal cot, without its loss of attention maps",
        "MiniLM": "relations between queries, keys and values are not compared; the method cka compares "
        "those between hidden states",
        "TAID": "no target moves from the student to the teacher during training; the method distillm has a "
        "mix of both that stands still",
        "D3-MOPD": "it moves tokens between domains by how far teacher and student are apart, which is the "
        "allocator d3, beside the method mopd",
        "IW-OPD": "the method mopd is its clipped policy gradient, without its weights of positions",
        "SDPO": "nothing that an environment says about a reply is put into the prompt; the method "
        "answer-shown shows the same model the gold answer",
        "RLKD": "there is no reward model of the structure of reasoning; the method kdrl takes rewards from "
        "gold answers or a judge, beside the divergence from the teacher",
    }
)


def _folded(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


_NEAREST = {_folded(name): near for name, near in NEAREST.items()}
_CANONICAL = {
    _folded(each): name for name, method in METHODS.items() for each in (name, *method.names)
}


def method_name(name: str) -> str:
    """The key of METHODS for a name of ours or a paper's, in any case and with any marks between its words.

    Raises UnknownNameError with the nearest name, ConfigError for what is a command of its own and for papers
    of NEAREST.
    """
    if (near := _NEAREST.get(_folded(name))) is not None:
        raise ConfigError(f"method {name!r} is not there as its paper has it: {near}")
    if _folded(name) not in _CANONICAL:
        raise unknown("method", name, METHODS)
    found = _CANONICAL[_folded(name)]
    if METHODS[found].command:
        raise ConfigError(f"method {name!r} is a command of its own: {METHODS[found].command}")
    return found


def check_methods(methods: Mapping[str, Method] = METHODS) -> None:
    """ConfigError for a row whose family there is not, or a name that two rows have."""
    owners: dict[str, str] = {}
    for name, method in methods.items():
        if method.family not in FAMILIES:
            raise unknown(f"family of method {name}", method.family, FAMILIES)
        for each in {_folded(every) for every in (name, *method.names)}:
            if each in owners:
                raise ConfigError(f"methods {owners[each]!r} and {name!r} share the name {each!r}")
            owners[each] = name
