"""Teach stores in miniature: the tiny pair, two sources of three templates, groups of four prompts."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.hf import char_pair

if TYPE_CHECKING:
    from readsim_hf.components import Components
    from readsim_hf.config import RunConfig
    from readsim_hf.store.manifest import Facts, Manifest, Precision

SOURCES = ("general", "math")
SHARD = 8  # prompts


def settings_of(**settings: Any) -> "RunConfig":
    """Of a run in miniature; `settings` go over it."""
    from readsim_hf.config import RunConfig, preset_table

    base = {
        "budget": 120,
        "steps": 2,
        "soft": {"kind": "topk", "k": 5},
        "probes": {"probe": 2, "dev": 2, "test": 2, "max_new_tokens": 2},
        "decoding": {"max_new_tokens": 8},
        "training": {"batch": 4, "learning_rate": 0.01},
        "data": {"group": 4, "keep_cut": True},  # random teachers seldom end a reply
    }
    return RunConfig.of(preset_table("nano"), base, settings)


def _parts(config: "RunConfig", pair: Any) -> "Components":
    from readsim_hf.components import build_components
    from readsim_hf.prompts.library import Library
    from readsim_hf.prompts.nano.library import nano_library

    whole = nano_library()
    some = {name: whole.templates[name][:3] for name in SOURCES}
    return build_components(config, pair, Library("nano", whole.style, some))


def live(**settings: Any) -> "Components":
    """A run whose teacher answers."""
    return _parts(settings_of(**settings), char_pair())


def stored(folder: Path, **settings: Any) -> "Components":
    """A run from the store in that folder; its pair has no teacher."""
    data = {**settings.pop("data", {}), "store": str(folder)}
    pair = replace(char_pair(), teacher=None)
    return _parts(settings_of(**settings, data=data), pair)


def taught(
    folder: Path,
    prompts: int | None,
    precision: "Precision" = "exact",
    tokens: int | None = None,
    **settings: Any,
) -> "Manifest":
    """The store of that folder, made or continued, in shards of SHARD prompts."""
    import pytest
    from rich.console import Console

    from readsim_hf import teach

    config = settings_of(**settings)
    parts = _parts(config, char_pair())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teach, "SHARD", SHARD)
        wanted = teach.Wanted(prompts, tokens)
        return teach.teach_parts(config, parts, folder, wanted, precision, Console(quiet=True))


def facts(vocabulary: int, k: int, precision: "Precision", **more: Any) -> "Facts":
    """Of a store of replies of logit-kd."""
    from readsim_hf.store.manifest import Facts

    given = {
        "teacher": "t",
        "prompts": {"date": "2026-01-01"},
        "method": "logit-kd",
        "signal": "",
        "objective": "",
        "supervised": "logit",
        "form": "answer",
        "suffix": "",
        "tasks": 1,
        "decoding": {},
        "soft": {"kind": "topk", "k": k},
        "precision": precision,
        "vocabulary": vocabulary,
        "ends": (1,),
        "keep": "all",
        "keep_cut": False,
        "library": "text",
        "tokenizer": {},
        "sampled": {},
    }
    return Facts(**{**given, **more})
