"""Teach stores in miniature: the tiny pair, two sources of three templates, groups of four prompts."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.support.hf import char_pair

if TYPE_CHECKING:
    from readsim_hf.components import Components
    from readsim_hf.config import RunConfig
    from readsim_hf.store.manifest import Manifest, Precision, StoreFacts
    from readsim_hf.teachers.record import TeacherRecord

SOURCES = ("general", "math")
SHARD = 8  # prompts
PROMPTS = 10
ROUNDING = 1e-5  # of log-probabilities, in batches of another width


def same_record(
    one: "TeacherRecord | None", other: "TeacherRecord | None", atol: float = 0.0
) -> bool:
    """Whether two records train alike; log-probabilities may be `atol` apart, in any order. A store lacks the
    log-probabilities of the reply's own tokens (`Soft.said`): what reads them refuses stores.
    """
    if one is None or other is None:
        return one is other
    ids = all(
        np.array_equal(getattr(one, n), getattr(other, n)) for n in ("prompt_ids", "completion_ids")
    )
    if not ids or (one.source, one.span, one.weight) != (other.source, other.span, other.weight):
        return False
    if one.soft is None or other.soft is None:
        return one.soft is other.soft
    if atol == 0.0:
        both = (
            (getattr(s, name) for name in ("kind", "ids", "logp")) for s in (one.soft, other.soft)
        )
        return all(np.array_equal(a, b) for a, b in zip(*both, strict=True))
    order, order_other = (np.argsort(s.ids, axis=1) for s in (one.soft, other.soft))
    pairs = [
        (np.take_along_axis(a, order, 1), np.take_along_axis(b, order_other, 1))
        for a, b in ((one.soft.ids, other.soft.ids), (one.soft.logp, other.soft.logp))
    ]
    return np.array_equal(*pairs[0]) and bool(np.abs(pairs[1][0] - pairs[1][1]).max() <= atol)


TEXT_ALONE = ("resp-sft", "cot-sft", "step-by-step")  # methods without distributions


def settings_of(**settings: Any) -> "RunConfig":
    """Of a run in miniature; `settings` go over it."""
    from readsim_hf.config import RunConfig, preset_table

    base = {
        "budget": 120,
        "steps": 2,
        "soft": {} if settings.get("method") in TEXT_ALONE else {"kind": "topk", "k": 5},
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

    from readsim.cli.output import Terminal
    from readsim_hf import teach

    config = settings_of(**settings)
    parts = _parts(config, char_pair())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teach, "SHARD", SHARD)
        wanted = teach.Amount(prompts, tokens)
        return teach.teach_parts(config, parts, folder, wanted, precision, Terminal(quiet=True))


def facts(vocabulary: int, k: int, precision: "Precision", **more: Any) -> "StoreFacts":
    """Of a store of replies of logit-kd."""
    from readsim_hf.store.manifest import StoreFacts

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
    return StoreFacts(**{**given, **more})
