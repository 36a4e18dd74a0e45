"""Two files of the same runs: the column that names them, and their rows in one order."""

from readsim.errors import ConfigError
from readsim.files import Sheet


def common_key(first: Sheet, second: Sheet, given: str | None) -> str:
    """The column that names the runs in both files.

    Without `given`: the first column name that both have and whose cells are the same, each once, in
    another order or not; else the first column of both, if it has one name.
    """
    if given is not None:
        first.cells(given), second.cells(given)
        return given
    shared = [c for c in first.header if c in second.header]
    for column in shared:
        a, b = sorted(first.cells(column)), sorted(second.cells(column))
        if a == b and len(set(a)) == len(a):
            return column
    if first.header[0] == second.header[0]:
        return first.header[0]
    raise ConfigError(
        f"{first.path} and {second.path} have no common column that names the runs (common: "
        f"{', '.join(shared) or 'none'}): give it with --key"
    )


def join_cells(first: Sheet, second: Sheet, key: str) -> Sheet:
    """`second` with its rows in the order of `first`. Raises ConfigError for a key without a partner."""
    places = []
    for one, other in ((first, second), (second, first)):
        names = one.cells(key)
        seen: dict[str, int] = {}
        for i, name in enumerate(names):
            if name in seen:
                raise one.fail(i, key, f"{name!r} appears in line {one.lines[seen[name]]} already")
            seen[name] = i
        places.append(seen)
        lacking = [i for i, name in enumerate(names) if name not in set(other.cells(key))]
        if lacking:
            more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
            raise one.fail(lacking[0], key, f"{names[lacking[0]]!r} is not in {other.path}{more}")
    return second.take(places[1][name] for name in first.cells(key))
