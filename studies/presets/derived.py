"""Variants of `read8-llama`, each with one thing changed."""

import numpy as np

from readsim.arrays import Array
from readsim.worlds import World
from readsim.worlds.links import Saturating
from readsim.worlds.world import OPTIONAL_VECTORS
from studies.presets.cross_effects import to_coefficients
from studies.presets.read8 import RELATED, WEIGHTS, eight_tasks, significant
from studies.presets.reported import LARGE

HIDDEN = "safe_refusal_balance"

# Ours: change of the hidden score by 150M tokens on one source. Knowing more helps to tell safe from
# unsafe requests; training to follow instructions and to act makes a student comply with all.
HIDDEN_EFFECTS = {
    "general": 0.08,
    "steerability": -0.05,
    "reasoning": 0.02,
    "math": -0.02,
    "code": -0.04,
    "tool_use": -0.12,
    "long_context": -0.02,
    "multilingual": 0.05,
}
HIDDEN_BOUNDS = (0.74, 0.50, 0.95)  # start; floor: refusing all or nothing; ceiling

# Ours: the probe suite of each capability reads `slope * p + bias`.
PROBE_SLOPE = {"general": 0.6, "math": 1.6, "code": 0.5, "tool_use": 1.5, "multilingual": 0.7}
PROBE_BIAS = {"general": 0.08, "math": -0.06, "code": 0.20, "long_context": 0.10}

# Ours: distinct tokens of each source, in millions. Prose is plentiful, checked problems are not.
POOL_MILLIONS = {
    "general": 60,
    "steerability": 15,
    "reasoning": 4,
    "math": 6,
    "code": 10,
    "tool_use": 3,
    "long_context": 3,
    "multilingual": 20,
}


def _with_provenance(world: World, **notes: str) -> dict[str, str]:
    return {"base": "read8-llama, see there"} | world.provenance | notes


def hidden_safety(base: World) -> World:
    """A ninth capability that no probe shows."""
    names = base.sources
    start, floor, ceiling = (np.array([v]) for v in HIDDEN_BOUNDS)
    wanted = start + np.array([HIDDEN_EFFECTS[n] for n in names])
    latent = Saturating(start, floor, ceiling).inverse(wanted)[:, None]
    help_, harm = to_coefficients(latent, base.scale_tokens, LARGE)
    shown = dict(zip(RELATED["steerability"], WEIGHTS, strict=True))
    safety: dict[str, object] = {
        "requirement": shown,
        "weights": {HIDDEN: 0.5} | {name: weight / 2 for name, weight in shown.items()},
    }

    def longer(vector: Array, extra: Array) -> Array:
        return np.concatenate([vector, extra])

    return base.replace(
        name="hidden-safety",
        description=(
            "read8-llama and a ninth capability that is trained by side effects only and never "
            "probed: the balance between refusing unsafe and answering safe requests, as in XSTest. "
            "For: what an allocator does to something it cannot see."
        ),
        capabilities=(*names, HIDDEN),
        hidden=(HIDDEN,),
        start=longer(base.start, start),
        floor=longer(base.floor, floor),
        ceiling=longer(base.ceiling, ceiling),
        help=np.hstack([base.help, significant(help_)]),
        harm=np.hstack([base.harm, significant(harm)]),
        **{name: np.zeros(0) for name, _, axis in OPTIONAL_VECTORS if axis == "K"},  # the defaults
        tasks={"safety": safety, **eight_tasks()},
        provenance=_with_provenance(
            base,
            hidden="ours: effects at 150M tokens between -.12 (tool_use) and +.08 (general), start "
            ".74, floor .50 (refusing all or nothing), ceiling .95",
        ),
    )


def capacity_gap(base: World) -> World:
    """Help shrinks with the distance between teacher and student."""
    gap = base.ceiling - base.start
    factor = 1.0 / (1.0 + gap / np.median(gap))
    return base.replace(
        name="capacity-gap",
        description=(
            "read8-llama, but the further the teacher is ahead in a capability the less of each "
            "gain arrives. For: the capacity gap; allocators that follow the largest gap."
        ),
        help=significant(base.help * factor),
        provenance=_with_provenance(
            base,
            capacity_gap="ours: help towards a capability divided by 1 + gap / median gap; end "
            "points are not those reported any more",
        ),
    )


def misaligned_r(base: World) -> World:
    """The identifier read another task's card."""
    names = list(RELATED)
    tasks: dict[str, dict[str, object]] = {}
    for own, other in zip(names, [*names[1:], names[0]], strict=True):
        tasks[own] = {
            "requirement": dict(zip(RELATED[other], WEIGHTS, strict=True)),
            "weights": dict(zip(RELATED[own], WEIGHTS, strict=True)),
        }
    return base.replace(
        name="misaligned-r",
        description=(
            "read8-llama with requirement vectors that belong to the next task in the list. For: "
            "the limitation of a wrong requirement."
        ),
        tasks=tasks,
        provenance=_with_provenance(
            base, requirement="ours: the next task's; weights of the utility are the task's own"
        ),
    )


def biased_probe(base: World) -> World:
    """Probes that mislead about level and about progress."""
    return base.replace(
        name="biased-probe",
        description=(
            "read8-llama with probes that exaggerate progress in math and tool use and play down "
            "code, general and multilingual. For: the limitation of poor probes."
        ),
        probe_slope=np.array([PROBE_SLOPE.get(n, 1.0) for n in base.capabilities]),
        probe_bias=np.array([PROBE_BIAS.get(n, 0.0) for n in base.capabilities]),
        provenance=_with_provenance(base, probe_bias="ours: slopes .5 to 1.6, biases -.06 to .20"),
    )


def cosine(base: World) -> World:
    """Early tokens count, late ones hardly."""
    return base.replace(
        name="cosine",
        description=(
            "read8-llama under a cosine learning rate: a token at the end counts a tenth of one near the "
            "beginning. For: what exploring first costs, which is nothing at a constant rate."
        ),
        schedule={"kind": "cosine", "warmup": 0.03},
        provenance=_with_provenance(
            base, schedule="ours: the usual recipe, 3 % warm-up and a tenth of the peak at the end"
        ),
    )


def finite_pools(base: World) -> World:
    """Sources that run out."""
    return base.replace(
        name="finite-pools",
        description=(
            "read8-llama with 3M to 60M distinct tokens a source: what is trained beyond them repeats, "
            "and a repeat is worth less. For: finite data and repetition caps (the option `epochs`)."
        ),
        pool_tokens=np.array([1e6 * POOL_MILLIONS[n] for n in base.sources]),
        provenance=_with_provenance(
            base,
            pool_tokens="ours: sizes; the worth of repeats is the fit of arXiv 2305.16264 (R* = 15.39), "
            "which is for pre-training",
        ),
    )
