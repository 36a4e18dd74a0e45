"""`nano-measured`: the world fitted to `nano.json`, which is `measured.json` of the study as it was run."""

from pathlib import Path

from readsim.worlds import World
from studies.transfer_matrix.measured import Measured
from studies.transfer_matrix.world import PURPOSE, world_of

NANO = Path(__file__).parent / "nano.json"


def nano_measured() -> World:
    """The shipped preset."""
    return world_of(Measured.load(NANO), "nano-measured", PURPOSE)
