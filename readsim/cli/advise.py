"""`readsim advise`."""

from pathlib import Path
from typing import Annotated

import typer

from readsim.cli.common import (
    From,
    KeepState,
    Steps,
    need_target,
    parse_list,
)
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.errors import ConfigError
from readsim.runs.cell import file_name, log_place
from readsim.token_counts import parse_tokens, show_tokens
from readsim.worlds.task import task_name


def advise(
    log: Annotated[
        Path,
        typer.Option(help="The job appends its metrics to this file, one JSON object per line."),
    ],
    shares: Annotated[
        Path,
        typer.Option(
            help="The job reads its mixture from this file, which is replaced at each decision."
        ),
    ],
    budget: Annotated[
        str, typer.Option(help="The job trains on this many tokens in all, such as 20M.")
    ],
    allocator: Annotated[
        str,
        typer.Option(
            help="This allocator decides: a name or module:Class; aioli+floor=0.05 sets one of its settings."
        ),
    ],
    sources: Annotated[
        str | None,
        typer.Option(
            help="The job trains on these sources, separated by commas.",
            show_default="its capabilities",
        ),
    ] = None,
    capabilities: Annotated[
        str | None,
        typer.Option(
            help="The job measures these capabilities, separated by commas.",
            show_default="those of --task, or --sources",
        ),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            help="The job is scored on this task: a capability, weights (math=0.7,code=0.3), or average."
        ),
    ] = "average",
    steps: Steps = 20,
    every: Annotated[
        str | None,
        typer.Option(
            help="A decision is made each time this many tokens are trained; this replaces --steps."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="The allocator's random choices are drawn from this seed.")
    ] = 0,
    metric: Annotated[
        str | None,
        typer.Option(
            help="If several metrics of a capability are logged, the one whose key ends in this "
            "word is read: loss, acc."
        ),
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="NAME=KEY",
            help="The capability NAME, or `tokens`, is logged under the key KEY; the option may be repeated.",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="The teacher itself reaches these metrics, which allocators with reference "
            "losses need: math=0.9,code=0.8."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run log is written to this .jsonl file, or into this folder.",
            show_default="the folder `advice` beside --shares",
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="The decision that is due is made from what is measured so far, and the command ends.",
        ),
    ] = False,
    end: Annotated[
        bool,
        typer.Option(
            "--end",
            help="The job has ended: decisions are made up to its end, and the log is closed.",
        ),
    ] = False,
    began: From = None,
    keep_state: KeepState = None,
) -> None:
    """Read a training job's metrics and write its next mixture.

    The same command, run again, continues where it stopped.
    """
    from readsim.advise.advice import Advice
    from readsim.advise.advice import advise as follow
    from readsim.advise.shares import Advised
    from readsim.runs.moved_state import read_state

    weights = _numbers(task, "task") if "=" in task else None
    measured = parse_list(capabilities, "capabilities") or list(weights or ())
    trained = parse_list(sources, "sources") or measured
    if not trained:
        raise ConfigError(
            "--sources is needed: what the job trains on, such as --sources math,code"
        )
    tokens = parse_tokens(budget)
    if every is not None:
        steps = -(-tokens // parse_tokens(every, "every"))
    goal = task if weights is None else weights
    name = file_name(allocator, task_name(goal), tokens, f"seed{seed}")
    path = log_place(shares.parent / "advice" if out is None else out, name)
    advice = Advice(
        log=log,
        shares=shares,
        sources=tuple(trained),
        capabilities=tuple(measured or trained),
        allocator=allocator,
        budget=tokens,
        out=path,
        steps=steps,
        task=goal,
        seed=seed,
        named=dict(_pair(text, "map") for text in map_ or ()),
        metric=metric,
        teacher=None if teacher is None else _numbers(teacher, "teacher"),
        began=None if began is None else read_state(began),
        keep=keep_state,
    )
    for target in (shares, path, *([keep_state] if keep_state is not None else [])):
        need_target(target)
    console = Terminal()

    def say(made: Advised) -> None:
        mixture = ", ".join(f"{name} {share:.3g}" for name, share in made.shares.items())
        at = f"decision {made.step} at {show_tokens(made.tokens)} tokens"
        console.print(f"{at}: {mixture}", highlight=False)

    with interruptible(f"{shares} and {path} are whole; the same command continues"):
        found = follow(advice, once=once, end=end, say=say)
    left = "the run is over" if found.over else f"{shares} has the present mixture"
    if not shares.exists():
        left = f"nothing is advised before {log} has the first measurement"
    said = f"{found.done} of at most {found.steps} intervals are measured; {left}"
    console.print(said, highlight=False)
    if path.exists():
        console.print(f"log: {path}", highlight=False)


def _pair(text: str, option: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name.strip() and sign and value.strip()):
        raise ConfigError(f"--{option} {text!r}: expected NAME=VALUE")
    return name.strip(), value.strip()


def _numbers(text: str, option: str) -> dict[str, float]:
    """`"math=0.9,code=0.8"` as a table. Raises ConfigError for what is none."""
    out: dict[str, float] = {}
    for part in text.split(","):
        name, value = _pair(part, option)
        if name in out:
            raise ConfigError(f"--{option} {text!r}: {name!r} is named twice")
        try:
            out[name] = float(value)
        except ValueError as error:
            raise ConfigError(f"--{option} {text!r}: {value!r} is no number") from error
    return out
