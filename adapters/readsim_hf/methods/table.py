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


def _folded(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


_CANONICAL = {
    _folded(each): name for name, method in METHODS.items() for each in (name, *method.names)
}


def method_name(name: str) -> str:
    """The key of METHODS for a name of ours or a paper's, in any case and with any marks between its words.

    Raises UnknownNameError with the nearest name, ConfigError for what is a command of its own.
    """
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
