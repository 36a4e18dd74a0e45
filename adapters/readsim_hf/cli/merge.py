"""`readsim merge`."""

from pathlib import Path
from typing import Annotated

import typer

from readsim.cli.common import need_target
from readsim.cli.output import Terminal
from readsim.errors import ConfigError
from readsim_hf.cli.options import Text, need_extra


def merge(
    students: Annotated[
        list[str],
        typer.Argument(
            help="These students, which have one architecture, are merged: folders such as "
            "OUT/runs/NAME.student."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The merged model goes into this folder.")],
    weights: Annotated[
        Text,
        typer.Option(
            help="The students have these weights: one number for all, or one each, separated by "
            "commas. Weights that do not sum to 1 are task arithmetic, which needs --base.",
            show_default="equal weights",
        ),
    ] = None,
    base: Annotated[
        Text, typer.Option(help="The students were trained from this model, such as nano/student.")
    ] = None,
) -> None:
    """Merge trained students into one model.

    Weights are averaged, or added to a base model (task arithmetic). `readsim distill --student OUT
    --teacher ...` trains the result further.
    """
    need_extra()
    from readsim_hf.merging import RECORD, merge_folders

    try:
        numbers = [float(part) for part in weights.split(",")] if weights is not None else []
    except ValueError as error:
        raise ConfigError(
            f"--weights {weights!r}: expected numbers separated by commas, such as 0.7,0.3"
        ) from error
    if (out / "config.json").exists():
        raise ConfigError(f"--out {str(out)!r}: a model is there already; name another folder")
    need_target(out / RECORD)
    merge_folders(students, out, numbers, base)
    Terminal().print(f"the merged model is in {out}", highlight=False)
