"""What a store settles for the runs that read it, and what contradicts it."""

from collections.abc import Mapping
from typing import Any

from readsim.errors import ConfigError
from readsim_hf.store.manifest import Manifest
from readsim_hf.teachers.scoring import SoftSettings


def stored_settings(manifest: Manifest, given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run that the store decides, below what the user's own tables say; `given` is the
    user's [pair], which may name another student."""
    facts = manifest.facts
    table: dict[str, Any] = {
        "decoding": dict(facts.decoding),
        "data": {"keep": facts.keep, "keep_cut": facts.keep_cut},
    }
    if facts.soft is not None:
        table["soft"] = {k: v for k, v in facts.soft.items() if v is not None}
    if facts.method or facts.signal:
        by_hand = {"signal": facts.signal, "objective": facts.objective}
        table |= {"method": facts.method, **(by_hand if not facts.method else {})}
    pair, models = dict(facts.prompts), manifest.models
    if given.get("name") is None and given.get("teacher") is None:
        own = given.get("student") is not None
        pair |= {"teacher": models["teacher"]} if own else models["named"]
    table["pair"] = pair
    return table


def check_agrees(manifest: Manifest, table: Mapping[str, Any], supervised: str) -> None:
    """ConfigError, in one line, for a run's settings (`RunConfig.table()`) that contradict the store.

    supervised   name of the run's signal
    """
    facts, where = manifest.facts, str(manifest.folder)
    data, pair = table["data"], table["pair"]
    if table["on_policy"] > 0:
        raise ConfigError(
            f"on_policy = {table['on_policy']!r} with data.store = {where!r}: the student's own text needs a "
            "live teacher; use on_policy = 0, or a teacher instead of data.store"
        )
    if supervised != facts.supervised:
        raise ConfigError(
            f"the signal {supervised!r} of this run is not {facts.supervised!r}, of which data.store = "
            f"{where!r} is made: use a method with that signal, or teach another store"
        )
    wanted = {
        **{f"decoding.{n}": (table["decoding"][n], v) for n, v in facts.decoding.items()},
        "data.keep": (data["keep"], facts.keep),
        "data.keep_cut": (data["keep_cut"], facts.keep_cut),
        **{
            f"pair.{n}": (pair.get(n) or None, facts.prompts.get(n))
            for n in ("system_prompt", "chat_template_kwargs", "date")
        },
    }
    for name, (ours, theirs) in wanted.items():
        if ours != theirs:
            raise ConfigError(
                f"{name} = {ours!r}: data.store = {where!r} was made with {theirs!r}; leave it out, or teach "
                "another store"
            )
    more = {
        "pair.chat_template": pair.get("chat_template"),
        "pair.teachers": pair.get("teachers"),
        "data.templates": data.get("templates"),
        "data.template_files": list(data["template_files"]),
        "data.sources": [source["name"] or source["path"] for source in data["sources"]],
    }
    for name, value in more.items():
        if value:
            raise ConfigError(
                f"{name} = {value!r}: data.store = {where!r} has prompts and replies of its own; leave it "
                "out, or teach another store"
            )


def check_soft(manifest: Manifest, kept: SoftSettings | None) -> None:
    """ConfigError where a run wants distributions that the store does not have."""
    facts = manifest.facts
    if kept is None:
        return
    where = f"data.store = {str(manifest.folder)!r}"
    if facts.soft is None:
        raise ConfigError(
            f"soft.kind = {kept.kind!r}: {where} holds replies without distributions; use resp-sft or "
            "cot-sft, or teach another store"
        )
    kind, k = facts.soft["kind"], facts.soft.get("k")
    if kept.kind != kind:
        raise ConfigError(f"soft.kind = {kept.kind!r}: {where} holds {kind!r} distributions")
    if kind != "full" and kept.k > int(k or 0):
        raise ConfigError(
            f"soft.k = {kept.k!r}: {where} holds {k} entries per token, which is the most"
        )
