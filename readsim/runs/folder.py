"""What a folder of runs holds beside its logs: whose it is, and timings."""

from collections.abc import Sequence
from pathlib import Path

from readsim.errors import ConfigError
from readsim.files.frame import read_frame
from readsim.runs.cell import Cell, world_digest
from readsim.worlds import load_world


def refuse_other_runs(out: Path, cells: Sequence[Cell]) -> None:
    """A folder holds one comparison: logs of cells that are not asked for are not mixed in."""
    wanted = {cell.file_name for cell in cells}
    others = sorted(p.name for p in (out / "runs").glob("*.jsonl") if p.name not in wanted)
    if others:
        raise ConfigError(
            f"--out {str(out)!r} holds {len(others)} run logs of another comparison "
            f"(such as {others[0]}): choose another folder"
        )
    if (out / "world.toml").is_file():
        here, asked = load_world(out / "world.toml"), load_world(cells[0].world)
        if world_digest(here) != world_digest(asked):
            raise ConfigError(
                f"--out {str(out)!r} holds runs in another world ({here.name}, not {asked.name}): "
                "choose another folder"
            )


def write_timings(path: Path, seconds: dict[Cell, float]) -> None:
    """Seconds in the allocator by cell; cells that were finished before keep their line."""
    import pandas as pd

    rows = [
        {
            "allocator": cell.allocator_name,
            "task": cell.task_name,
            "budget": cell.budget,
            "seconds": spent,
            "decisions": cell.steps * len(cell.seeds),
        }
        for cell, spent in seconds.items()
    ]
    table = pd.DataFrame(rows)
    if path.is_file():
        index = ["allocator", "task", "budget"]
        old = read_frame(path, [*index, "seconds"]).set_index(index)["seconds"]
        keys = pd.MultiIndex.from_frame(table[["allocator", "task", "budget"]])
        before = old.reindex(keys).fillna(0.0).to_numpy()
        table["seconds"] = table["seconds"].where(table["seconds"] > 0, before)
    table.to_csv(path, index=False)
