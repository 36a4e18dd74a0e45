"""The public runs of RegMix (arXiv 2407.01492, MIT): 512 for fitting, 256 unseen at two sizes."""

from pathlib import Path

from readsim.errors import ConfigError
from readsim.fitting.table import Options, Runs, read_run_table

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "regmix"
SETS = ("train_1m", "test_1m", "test_60m")


def load(folder: Path = FOLDER) -> dict[str, Runs]:
    """The three sets by name. Raises ConfigError that says which file is missing."""
    out = {}
    for name in SETS:
        part, size = name.split("_")
        shares, losses = (folder / f"{part}_{what}_{size}.csv" for what in ("mixture", "pile_loss"))
        for file in (shares, losses):
            if not file.is_file():
                raise ConfigError(f"{file}: not there; it is in sail-sg/regmix on GitHub")
        out[name] = read_run_table(shares, losses, Options(budget=1e9))
    return out
