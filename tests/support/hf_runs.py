"""Runs in miniature for the tests of the real backend: two capabilities, two decisions."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.hf import char_pair

TOKENS = 60  # a decision


def small(**settings: Any) -> Any:
    """A backend on the tiny pair: two capabilities of three templates, two decisions."""
    from readsim_hf.backend import HFBackend
    from readsim_hf.components import build_components
    from readsim_hf.config import RunConfig, preset_table
    from readsim_hf.prompts.library import Library
    from readsim_hf.prompts.nano.library import nano_library

    base = {
        "budget": 2 * TOKENS,
        "steps": 2,
        "probes": {"probe": 2, "dev": 2, "test": 2, "max_new_tokens": 2},
        "decoding": {"max_new_tokens": 8},
        "training": {"batch": 4, "learning_rate": 0.01},
        "data": {"group": 4, "keep_cut": True},  # random teachers seldom end a reply
    }
    if "soft" in settings:
        settings["soft"] = {"k": 5, **settings["soft"]}
    whole = nano_library()
    some = {name: whole.templates[name][:3] for name in ("general", "math")}
    pair = settings.pop("pair", None) or char_pair()
    config = RunConfig.of(preset_table("nano"), base, settings)
    parts = build_components(config, pair, Library("nano", whole.style, some))
    return HFBackend(parts, config.budget, keep_best=config.keep_best)


def stop_at_second(
    patch: pytest.MonkeyPatch,
    owner: type,
    method: str,
    counts: Callable[..., bool] = lambda *_: True,
) -> list[bool]:
    """The second call of a method whose arguments count is a ctrl-C; which of its calls counted."""
    call: Any = getattr(owner, method)
    counted: list[bool] = []

    def stopped(self: Any, *arguments: Any) -> Any:
        counted.append(counts(*arguments))
        if sum(counted) == 2:
            raise KeyboardInterrupt
        return call(self, *arguments)

    patch.setattr(owner, method, stopped)
    return counted
