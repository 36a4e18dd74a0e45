"""All worlds that ship with readsim, built from their sources."""

import re

from readsim.worlds import World
from studies.presets.conflict import conflict
from studies.presets.derived import (
    biased_probe,
    capacity_gap,
    finite_pools,
    hidden_safety,
    misaligned_r,
)
from studies.presets.designed import drift, forgetting, gateway
from studies.presets.read8 import read8_worlds
from studies.presets.tables import artifact_toy, from_scratch, related_web
from studies.transfer_matrix.shipped import nano_measured


def build_presets() -> list[World]:
    """Every preset, in the order of the README."""
    llama, qwen = read8_worlds()
    return [
        llama,
        qwen,
        artifact_toy(),
        related_web(),
        from_scratch(),
        conflict(),
        gateway(),
        drift(),
        forgetting(),
        hidden_safety(llama),
        capacity_gap(llama),
        misaligned_r(llama),
        biased_probe(llama),
        finite_pools(llama),
        nano_measured(),
    ]


def rows_on_one_line(toml: str) -> str:
    """The same TOML with each innermost list of numbers or names on one line."""
    return re.sub(
        r"\[\n([^\[\]{}]*?),?\n\s*\]",
        lambda m: "[" + re.sub(r",\s*\n\s*", ", ", m.group(1).strip()) + "]",
        toml,
    )
