"""`nano-measured`: the world fitted to `nano.json`, which is `measured.json` of the study as it was run."""

from pathlib import Path

from readsim.worlds import World
from studies.transfer_matrix.measured import Measured
from studies.transfer_matrix.world import PURPOSE, world_of

CAVEAT = (
    "ours: the smallest budget was added after a first look at the mixtures, so they are no clean "
    "test of that choice; run on the revision of 2026-11-23 with data.group = 64 (nano.json has the "
    "identity of the recipe)"
)
NANO = Path(__file__).parent / "nano.json"


def nano_measured() -> World:
    """The shipped preset."""
    world = world_of(Measured.load(NANO), "nano-measured", PURPOSE)
    return world.replace(provenance={**world.provenance, "caveat": CAVEAT})
