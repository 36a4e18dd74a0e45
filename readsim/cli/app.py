"""The command `readsim`: its parts put together, and what an error gets."""

import sys
import warnings
from functools import cache
from importlib.metadata import entry_points
from typing import Annotated

import typer
from rich.text import Text

from readsim.cli.advise import advise
from readsim.cli.allocators import allocators
from readsim.cli.compare import compare, plot
from readsim.cli.design import design
from readsim.cli.fit import fit, predict
from readsim.cli.help import help_of
from readsim.cli.output import Terminal, check_output, make_output_last, need_current_folder
from readsim.cli.report import report
from readsim.cli.run import run
from readsim.cli.scores import scores
from readsim.cli.theory import theory
from readsim.cli.watch import watch
from readsim.cli.worlds import worlds
from readsim.errors import ReadsimError
from readsim.version import __version__

app = typer.Typer(
    help="Which capability gets the next training tokens? readsim simulates that decision, compares rules "
    "for it, and drives real training with any of them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # boxes cut the names of options and leave descriptions 18 columns
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        Terminal().print(f"readsim {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


for command in (
    compare,
    run,
    advise,
    worlds,
    allocators,
    plot,
    report,
    watch,
    scores,
    theory,
    fit,
    predict,
    design,
):
    app.command(**help_of(command.__name__))(command)


@cache
def extend(to: typer.Typer) -> None:
    """Add the commands of installed packages, once: entry points `readsim.commands`, called with the app."""
    for point in sorted(entry_points(group="readsim.commands"), key=lambda p: p.name):
        point.load()(to)


def _show(error: Exception, text: str) -> None:
    """One message, then whose fault it is where that is noted."""
    console = Terminal(stderr=True)
    console.print(Text.assemble(("error:", "bold red"), f" {text}"))
    for note in getattr(error, "__notes__", []):
        console.print(note, highlight=False)


def _say(message: Warning | str, category: type[Warning], *_: object) -> None:
    """A warning as a line of its own, without the place in the code."""
    plain = category is UserWarning or category.__module__.startswith("readsim")
    kind = "warning" if plain else f"warning ({category.__name__})"
    Terminal(stderr=True).print(f"{kind}: {message}", highlight=False)


def main() -> None:
    """Entry point: errors of ours and of files are one message and exit code 2; ctrl-C is 130."""
    make_output_last()
    with warnings.catch_warnings():  # what was shown how before is as it was afterwards
        warnings.showwarning = _say  # type: ignore[assignment]  # it takes what it needs of the six
        _main()


def _main() -> None:
    try:
        need_current_folder()
        extend(app)
        try:
            app(prog_name="readsim")
        except SystemExit as ended:
            if ended.code:
                raise
        check_output()
        sys.exit(0)
    except ReadsimError as error:
        _show(error, str(error))
        sys.exit(2)
    except OSError as error:  # a file in the way, a folder that cannot be made, a full disk
        _show(error, str(error))
        sys.exit(2)
    except Exception as error:
        if not getattr(error, "__notes__", None):  # a fault of readsim's: with all its frames
            raise
        _show(error, f"{type(error).__name__}: {error}")
        sys.exit(1)
