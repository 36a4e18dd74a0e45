"""A table that readsim wrote (results, timings) as a data frame, where somebody may have saved it again."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from readsim.errors import ConfigError
from readsim.files.cells import unshield
from readsim.files.text import AnyPath

if TYPE_CHECKING:
    import pandas as pd


def read_frame(path: AnyPath, columns: Sequence[str] = ()) -> "pd.DataFrame":
    """The table, with numbers where a column holds nothing else; a name such as "NA" stays a name, and
    the apostrophe that `write_frame` puts before what looks like a formula is taken away.

    Raises ConfigError where it cannot be read or lacks one of `columns`.
    """
    import pandas as pd

    path = Path(path)
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as a table ({error})") from error
    table = unshield(table)
    if missing := [name for name in columns if name not in table.columns]:
        raise ConfigError(
            f"{path}: no column {', '.join(missing)} (there: {', '.join(map(str, table.columns))}); readsim "
            "wrote it with commas between the cells"
        )
    return table
