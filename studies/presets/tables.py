"""Worlds that carry a public table as it is: `related-web`, `from-scratch`, `artifact-toy`."""

import numpy as np

from readsim.worlds import World
from readsim.worlds.effects import world_from_effects
from studies.presets.published import (
    AIOLI,
    AIOLI_SLICES,
    AUTOSCALE,
    AUTOSCALE_DOMAINS,
    AUTOSCALE_EFFECTS,
    DEMO_NAMES,
    DEMO_NOISE_SD,
    DEMO_REQUIREMENT,
    DEMO_START,
    DEMO_TRANSFER,
    READ_DEMO,
    aioli_mean,
)

START, CEILING = 0.4, 0.9  # ours: of worlds made of published effects
FOCUS = 0.6  # ours: share of a task's own capability


def average_and_focus(names: tuple[str, ...]) -> dict[str, dict[str, object]]:
    """The task `average`, as in the tables' sources, and one task a capability."""
    rest = (1.0 - FOCUS) / (len(names) - 1)
    tasks: dict[str, dict[str, object]] = {"average": {"requirement": dict.fromkeys(names, 1.0)}}
    for own in names:
        tasks[own] = {"requirement": dict.fromkeys(names, round(rest, 6)) | {own: FOCUS}}
    return tasks


def related_web() -> World:
    """Seven web domains, weakly related."""
    world = world_from_effects(
        np.array(AUTOSCALE_EFFECTS),
        AUTOSCALE_DOMAINS,
        AUTOSCALE_DOMAINS,
        name="related-web",
        tokens=30e6,
        start=START,
        ceiling=CEILING,
        unit="shares",
        provenance={
            "effects": f"code: log-loss drop of the column domain when the row's tokens are tripled, "
            f"{AUTOSCALE}. Read as score units: ours"
        },
    )
    return world.replace(
        description=(
            "Seven web domains with AutoScale's measured effects (pre-training, not distillation). "
            "For: weak, mostly positive, nearly symmetric transfer; where static weights do well."
        ),
        tasks=average_and_focus(world.capabilities),
    )


def from_scratch() -> World:
    """Three slices of SlimPajama that teach each other."""
    world = world_from_effects(
        aioli_mean(),
        AIOLI_SLICES,
        AIOLI_SLICES,
        name="from-scratch",
        tokens=60e6,
        start=START,
        ceiling=CEILING,
        unit="relative",
        provenance={
            "effects": f"code: relative loss drop of the column slice after training on the row "
            f"slice alone, mean of five seeds, {AIOLI}. Read as score units: ours"
        },
    )
    return world.replace(
        description=(
            "Three slices with Aioli's measured effects (pre-training from scratch, not "
            "distillation). For: strong transfer without any harm, where mixing costs little."
        ),
        tasks=average_and_focus(world.capabilities),
    )


def artifact_toy() -> World:
    """The transition of the paper's public demo."""
    transfer = np.array(DEMO_TRANSFER)
    k = len(DEMO_NAMES)
    return World(
        name="artifact-toy",
        description=(
            "The 4 x 4 transition of the paper's public demo; with 40M tokens in 40 steps its 40 "
            "steps exactly, noise aside. For: comparing with the demo, and its limits: no "
            "diminishing returns in tokens, and harm that shrinks as a skill grows."
        ),
        sources=DEMO_NAMES,
        capabilities=DEMO_NAMES,
        dynamics="artifact",
        link="identity",
        start=np.array(DEMO_START),
        floor=np.zeros(k),
        ceiling=np.ones(k),
        gain=("exponential",) * k,
        scale_tokens=np.full(k, 1e6),
        help=np.maximum(transfer, 0.0),
        harm=np.maximum(-transfer, 0.0),
        process_sd=np.full(k, DEMO_NOISE_SD),
        items=np.zeros(k),
        test_items=np.zeros(k),
        tasks={"demo": {"requirement": dict(zip(DEMO_NAMES, DEMO_REQUIREMENT, strict=True))}},
        provenance={
            "transfer": f"code: matrix, start, requirement and noise of the {READ_DEMO}",
            "scale_tokens": "ours: 1M tokens are one step of the demo, whose steps have no size",
            "probe": "code: the demo observes the profile exactly",
            "gain": "not used by this mode",
        },
    )
