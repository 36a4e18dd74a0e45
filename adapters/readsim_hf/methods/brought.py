"""What a method brings into the tables of settings: a share of the student's text, a way of sampling."""

from collections.abc import Mapping
from typing import Any

from readsim_hf.config_merge import table_in
from readsim_hf.methods.table import METHODS, method_name


def named_method(table: Mapping[str, Any]) -> str:
    """The key of METHODS for the method that a table names, "" where it names none."""
    name = table.get("method")
    return method_name(name) if isinstance(name, str) and name else ""


def brought_share(table: Mapping[str, Any], own: bool) -> tuple[dict[str, float], bool]:
    """The share of the student's text that the method of `table` brings, and whether the share is a method's.

    One that is named stands until a later table names a method of the student's own text; `own` says whether
    the share so far is not named.
    """
    if "on_policy" in table:
        return {}, False
    if not (name := named_method(table)):
        return {}, own
    share = METHODS[name].on_policy
    return ({"on_policy": share}, True) if share or own else ({}, own)


def with_sampling(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with the settings of [sampling] that the method of `above` brings, for `above` to be laid over.

    Those of the method that `above` replaces, by another one or by a signal and an objective, are left out.
    """
    old = METHODS.get(str(below.get("method", "")))
    new = named_method(above)
    replaced = new or any(above.get(name) for name in ("signal", "objective"))
    if not isinstance(below.get("sampling", {}), Mapping):
        return dict(below)  # refused elsewhere
    kept = dict(table_in(below, "sampling"))
    if old is not None and replaced:
        kept = {key: value for key, value in kept.items() if old.sampling.get(key) != value}
    kept |= METHODS[new].sampling if new else {}
    rest = {key: value for key, value in below.items() if key != "sampling"}
    return {**rest, "sampling": kept} if kept else rest
