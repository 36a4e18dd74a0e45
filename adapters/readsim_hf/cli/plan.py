"""`readsim plan`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from readsim.cli.common import need_target, parse_list
from readsim.cli.output import Terminal
from readsim.errors import ConfigError
from readsim.tree_file import write_atomic
from readsim_hf.cli.options import Chosen, Text, need_extra, with_run_options

if TYPE_CHECKING:
    from readsim_hf.costs.devices import Device
    from readsim_hf.plan.against import Compared, Correction, Finished, Speed
    from readsim_hf.plan.dry_run import DryRun
    from readsim_hf.plan.spending import TokenPrices
    from readsim_hf.plan.worlds import Forecast

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
            help="This world foretells the scores: a preset or a file.",
            show_default="nano-measured for nano",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=10_000, help="The forecast has this many simulated runs.")
    ] = 32,
    world_error: Annotated[
        float | None,
        typer.Option(
            help="The world misses a score by this many points, which widens the interval; 0 leaves it "
            "out.",
            show_default="what a fitted world says of itself",
        ),
    ] = None,
    mfu: Annotated[
        float | None,
        typer.Option(
            help="Training and reading reach this share of a device's peak.", show_default="0.4"
        ),
    ] = None,
    mfu_generation: Annotated[
        float | None,
        typer.Option(
            help="Writing token by token reaches this share of what binds it, mostly the bandwidth.",
            show_default="0.5",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="A finished run is shown beside its plan: this was its --out."),
    ] = None,
    devices: Annotated[
        Text, typer.Option(help="These devices are shown, separated by commas.", show_default="all")
    ] = None,
    device_file: Annotated[
        Path | None,
        typer.Option(
            help="Devices of yours are in this TOML file, tables [[device]] with name, memory_gb, "
            "bf16_tflops, fp32_tflops, bandwidth_gb_s and price_hour."
        ),
    ] = None,
    price_hour: Annotated[
        float | None,
        typer.Option(help="An hour of a device costs this, where the file has no price."),
    ] = None,
    price_prompt: Annotated[
        float | None, typer.Option(help="A million prompt tokens of a served teacher cost this.")
    ] = None,
    price_generated: Annotated[
        float | None, typer.Option(help="A million tokens that it writes cost this.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="plan.json goes into this folder.")] = None,
) -> None:
    """Say what a run would spend and reach, loading no weights.

    `--against` shows a finished run beside its plan.
    """
    need_extra()
    from readsim_hf.config import resolve_config, run_name
    from readsim_hf.costs.devices import MFU, MFU_GENERATION
    from readsim_hf.plan import show
    from readsim_hf.plan.against import compare_tokens, corrections, finished, speeds
    from readsim_hf.plan.dry_run import dry_run
    from readsim_hf.plan.estimate import memory_of, served_bytes, work_of
    from readsim_hf.plan.knobs import memory_advice
    from readsim_hf.plan.worlds import forecast_of
    from readsim_hf.token_estimate import token_table
    from readsim_hf.training.saved import writing

    config = resolve_config(chosen.file, chosen.table, allow_code=chosen.allow_code)
    shown = _devices(parse_list(devices, "devices"), device_file, price_hour)
    prices = _token_prices(price_prompt, price_generated)
    if out is not None:
        need_target(out / "plan.json")
    if (beside := out or against) is not None:
        need_target(beside / f"forecast-{run_name(config)}.svg")
    made = dry_run(config)
    rates = (
        _rate("mfu", MFU if mfu is None else mfu),
        _rate("mfu-generation", MFU_GENERATION if mfu_generation is None else mfu_generation),
    )
    run = None if against is None else finished(against, config, made.title)
    foretold = forecast_of(made, world, seeds, None if world_error is None else world_error / 100.0)
    outlook = None if foretold is None else foretold.outlook
    work, memory = work_of(made), memory_of(made)
    console = Terminal()
    _say(console, show.plan_headline(made))
    console.print(token_table(config, made.spent, made.items))
    console.print(show.work_table(work))
    console.print(show.memory_table(made, memory))
    _say(console, memory_advice(made))
    console.print(show.device_table(work, memory, *rates, shown, served_bytes(made)))
    _say(console, show.device_notes(made, *rates, shown))
    _say(console, show.spending_notes(made, prices))
    if run is not None:
        found = corrections(work, run.seconds, shown, *rates)
        _show_run(
            console, compare_tokens(made.spent, run.final.totals), speeds(work, run.seconds), found
        )
    written: list[Path] = []
    if foretold is None:
        _say(console, [NO_WORLD.format(title=made.title)])
    else:
        stem = None if beside is None else beside / f"forecast-{run_name(config)}"
        written += _show_forecast(console, foretold, made, run, stem)
    if out is not None:
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        plan_data = show.document(made, rates, outlook, shown, prices)
        write_atomic(out / "plan.json", json.dumps(plan_data, indent=1).encode())
        written.append(out / "plan.json")
    _say(console, [f"written: {path}" for path in written])


def _show_run(
    console: Console,
    tokens: "list[Compared]",
    speeds: "list[Speed]",
    found: "list[Correction]",
) -> None:
    """A finished run beside its plan, and what it corrects."""
    from readsim_hf.plan import show

    console.print(show.compared_table(tokens))
    console.print(show.speed_table(speeds))
    _say(console, show.correction_notes(found))


def _show_forecast(
    console: Console,
    foretold: "Forecast",
    made: "DryRun",
    run: "Finished | None",
    stem: Path | None,
) -> list[Path]:
    """The forecast, beside what a run measured where there is one: the figure's files, at `stem`."""
    from readsim_hf.plan import show
    from readsim_hf.plan.against import check_forecast, draw_checked
    from readsim_hf.training.saved import writing

    outlook, checked = foretold.outlook, None
    if run is not None:
        checked = check_forecast(outlook, run, foretold.weights, made.each["test"])
    console.print(show.forecast_table(outlook, checked))
    _say(console, foretold.doubts)
    if checked is None or stem is None:
        return []
    hits, many = int(checked.inside[:-1].sum()), len(checked.inside) - 1
    _say(console, [f"{hits} of {many} measured scores are inside their intervals"])
    with writing(stem):
        stem.parent.mkdir(parents=True, exist_ok=True)
        return draw_checked(outlook, checked, stem)


def _rate(name: str, rate: float) -> float:
    """A share of a device's peak."""
    if not 0.0 < rate <= 1.0:
        raise ConfigError(f"--{name} = {rate!r}: above 0, at most 1")
    return rate


def _devices(
    names: list[str] | None, file: Path | None, hour: float | None
) -> "tuple[Device, ...]":
    """The devices that are shown: all, or those that are named, with their prices."""
    from readsim_hf.costs.devices import DEVICES
    from readsim_hf.plan.device_file import chosen, priced, read_devices

    known = DEVICES if file is None else read_devices(file)
    price = None if hour is None else _price("price-hour", hour)
    return priced(chosen(known, names or ()), price)


def _token_prices(prompt: float | None, generated: float | None) -> "TokenPrices | None":
    """None where neither is given; one that is not costs nothing."""
    from readsim_hf.plan.spending import TokenPrices

    if prompt is None and generated is None:
        return None
    return TokenPrices(
        _price("price-prompt", prompt or 0.0), _price("price-generated", generated or 0.0)
    )


def _price(name: str, price: float) -> float:
    """Money, in whatever unit."""
    if not 0.0 <= price < float("inf"):
        raise ConfigError(f"--{name} = {price!r}: a number of at least 0")
    return price


def _say(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, highlight=False)
