"""What `readsim plan` does, without the option parsing."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from readsim.errors import ConfigError
from readsim.runs.forecast import Outlook
from readsim.tree_file import write_atomic
from readsim_hf.costs.devices import DEVICES, MFU, MFU_GENERATION, devices_needed
from readsim_hf.distill import resolve, run_name
from readsim_hf.plan import show
from readsim_hf.plan.against import (
    check_forecast,
    compare_tokens,
    draw_checked,
    finished,
    speeds,
)
from readsim_hf.plan.dry_run import Sketch, sketch
from readsim_hf.plan.estimate import hours_of, memory_of, work_of
from readsim_hf.plan.worlds import forecast_of
from readsim_hf.token_estimate import token_table
from readsim_hf.training.saved import writing

NO_WORLD = (
    "no forecast: no world is known for the pair {title!r}. `readsim fit FOLDER -o mine.toml` fits one to "
    "the run logs of `readsim distill`; then --world mine.toml"
)


def plan(
    file: Path | None,
    options: Mapping[str, Any],
    *,
    world: str | None = None,
    seeds: int = 32,
    world_error: float = 0.0,
    mfu: float | None = None,
    mfu_generation: float | None = None,
    against: Path | None = None,
    out: Path | None = None,
) -> None:
    """`readsim plan`: tables on the terminal; with `out` the same as plan.json there, with `against` also
    the finished run beside it, and a figure of the forecast in `out` or in that run's folder."""
    console = Console()
    config = resolve(file, options)
    made = sketch(config)
    rates = (
        MFU if mfu is None else mfu,
        MFU_GENERATION if mfu_generation is None else mfu_generation,
    )
    for rate, name in zip(rates, ("mfu", "mfu-generation"), strict=True):
        if not 0.0 < rate <= 1.0:
            raise ConfigError(f"--{name} = {rate!r}: above 0, at most 1")
    run = None if against is None else finished(against, config, made.title)
    foretold = forecast_of(made, world, seeds, world_error / 100.0)
    outlook = None if foretold is None else foretold.outlook
    work, memory = work_of(made), memory_of(made)
    _print(console, show.plan_headline(made))
    console.print(token_table(config, made.spent, made.items))
    console.print(show.work_table(work))
    console.print(show.memory_table(memory))
    console.print(show.device_table(work, memory, *rates))
    _print(console, show.device_notes(memory, *rates))
    if run is not None:
        console.print(show.compared_table(compare_tokens(made.spent, run.final["totals"])))
        console.print(show.speed_table(speeds(work, run.seconds)))
    written: list[Path] = []
    if foretold is None or outlook is None:
        _print(console, [NO_WORLD.format(title=made.title)])
    else:
        checked = None
        if run is not None:
            checked = check_forecast(outlook, run, foretold.weights, made.each["test"])
        console.print(show.forecast_table(outlook, checked))
        _print(console, foretold.doubts)
        if checked is not None and against is not None:
            hits, many = int(checked.inside[:-1].sum()), len(checked.inside) - 1
            _print(console, [f"{hits} of {many} measured scores are inside their intervals"])
            stem = folder_for(out or against) / f"forecast-{run_name(config)}"
            with writing(stem):
                written += draw_checked(outlook, checked, stem)
    if out is not None:
        table = document(made, rates, outlook)
        write_atomic(folder_for(out) / "plan.json", json.dumps(table, indent=1).encode())
        written.append(out / "plan.json")
    _print(console, [f"written: {path}" for path in written])


def folder_for(path: Path) -> Path:
    """The folder, made where it is not there. Raises RunLogError if it cannot be."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def _print(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False)


def document(made: Sketch, rates: tuple[float, float], outlook: Outlook | None) -> dict[str, Any]:
    """The plan as plain data: settings, tokens, operations, memory, devices, forecast."""
    work, memory = work_of(made), memory_of(made)
    held = {**asdict(memory), "training": memory.training, "generating": memory.generating}
    return {
        "pair": made.title,
        "config": made.config.table(),
        "teacher": asdict(made.teacher),
        "student": asdict(made.student),
        "tokens": dict(made.spent.kinds),
        "tokens_assumed": made.assumed,
        "work": [asdict(one) for one in work],
        "memory_bytes": {**held, "peak": memory.peak},
        "mfu": {"training": rates[0], "generation": rates[1]},
        "devices": {
            device.name: {
                "gpu_hours": hours_of(work, device, *rates)._asdict(),
                "devices_for_memory": devices_needed(memory.peak, device),
                "source": device.source,
            }
            for device in DEVICES
        },
        "forecast": None if outlook is None else outlook.table(),
    }
