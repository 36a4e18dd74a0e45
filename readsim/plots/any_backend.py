"""matplotlib, loaded whatever MPLBACKEND says: figures here have a canvas of their own and need no backend.

A process that a notebook starts inherits `module://matplotlib_inline.backend_inline`, and matplotlib cannot
be imported where that module is missing. A backend that is there stays the one of `matplotlib.pyplot`.
"""

import os
import sys
from contextlib import suppress


def _load() -> None:
    named = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named:
        with suppress(ValueError):  # not to be had here: one is chosen when a window is asked for
            mpl.rcParams["backend"] = named


if "matplotlib" not in sys.modules:
    _load()
