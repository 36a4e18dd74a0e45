"""`readsim plan`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from readsim.errors import ConfigError
from readsim.tree_file import write_atomic
from readsim_hf.cli.options import Chosen, Text, need_extra, with_run_options

NO_WORLD = (
    "no forecast: no world is known for the pair {title!r}. `readsim fit FOLDER -o mine.toml` fits one to "
    "the run logs of `readsim distill`; then --world mine.toml"
)


@with_run_options
def plan(
    chosen: Chosen,
    world: Annotated[
        Text,
        typer.Option(
            help="World that foretells the scores: a preset's name or a file; nano has one."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Simulated runs of the forecast.")] = 32,
    world_error: Annotated[
        float,
        typer.Option(help="Points by which the world misses a score; 0: not in the interval."),
    ] = 0.0,
    mfu: Annotated[
        float | None, typer.Option(help="Share of a device's peak in training and reading; 0.4.")
    ] = None,
    mfu_generation: Annotated[
        float | None, typer.Option(help="The same while writing token by token; 0.2.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="The --out of the finished run, to hold beside the plan.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for plan.json.")] = None,
) -> None:
    """Say what a run would spend and reach, loading no weights; afterwards, what it did."""
    need_extra()
    from readsim_hf.config import resolve_config, run_name
    from readsim_hf.costs.devices import MFU, MFU_GENERATION
    from readsim_hf.plan import show
    from readsim_hf.plan.against import (
        check_forecast,
        compare_tokens,
        draw_checked,
        finished,
        speeds,
    )
    from readsim_hf.plan.dry_run import dry_run
    from readsim_hf.plan.estimate import memory_of, work_of
    from readsim_hf.plan.worlds import forecast_of
    from readsim_hf.token_estimate import token_table
    from readsim_hf.training.saved import writing

    config = resolve_config(chosen.file, chosen.table, allow_code=chosen.allow_code)
    made = dry_run(config)
    rates = (
        _rate("mfu", MFU if mfu is None else mfu),
        _rate("mfu-generation", MFU_GENERATION if mfu_generation is None else mfu_generation),
    )
    run = None if against is None else finished(against, config, made.title)
    foretold = forecast_of(made, world, seeds, world_error / 100.0)
    outlook = None if foretold is None else foretold.outlook
    work, memory = work_of(made), memory_of(made)
    console = Console()
    _say(console, show.plan_headline(made))
    console.print(token_table(config, made.spent, made.items))
    console.print(show.work_table(work))
    console.print(show.memory_table(memory))
    console.print(show.device_table(work, memory, *rates))
    _say(console, show.device_notes(memory, *rates))
    if run is not None:
        console.print(show.compared_table(compare_tokens(made.spent, run.final.totals)))
        console.print(show.speed_table(speeds(work, run.seconds)))
    written: list[Path] = []
    if foretold is None or outlook is None:
        _say(console, [NO_WORLD.format(title=made.title)])
    else:
        checked = None
        if run is not None:
            checked = check_forecast(outlook, run, foretold.weights, made.each["test"])
        console.print(show.forecast_table(outlook, checked))
        _say(console, foretold.doubts)
        if checked is not None and against is not None:
            hits, many = int(checked.inside[:-1].sum()), len(checked.inside) - 1
            _say(console, [f"{hits} of {many} measured scores are inside their intervals"])
            stem = (out or against) / f"forecast-{run_name(config)}"
            with writing(stem):
                stem.parent.mkdir(parents=True, exist_ok=True)
                written += draw_checked(outlook, checked, stem)
    if out is not None:
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        write_atomic(
            out / "plan.json", json.dumps(show.document(made, rates, outlook), indent=1).encode()
        )
        written.append(out / "plan.json")
    _say(console, [f"written: {path}" for path in written])


def _rate(name: str, rate: float) -> float:
    """A share of a device's peak."""
    if not 0.0 < rate <= 1.0:
        raise ConfigError(f"--{name} = {rate!r}: above 0, at most 1")
    return rate


def _say(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False)
