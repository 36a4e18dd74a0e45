"""Answer formats: a state of its own that moves fast and shifts several scores together.

    df = (share - f) (1 - exp(-tokens / tokens_f)),   z_j shown = z_j + sum_f f shift_fj

f in [0, 1] is how far the student writes in that format (0 before training), `share` what part of the tokens
trained now is written in it. A benchmark that expects another format falls whatever the student can do, one
that expects this one rises: Qwen2.5-7B on 20K math samples loses 63 points of code and gains 58 of BoolQ.
The format hides or shows what was learnt, and does not undo it: gates see the skill, and f moves back when
the mixture does. Order matters, the last mixture most: only `flow` worlds have it. Limits: shift = 0,
tokens -> infinity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np

from readsim.arrays import Array
from readsim.errors import WorldError, shown, unknown
from readsim.files.names import check_name

FIELDS = ("name", "sources", "scores", "tokens")


@dataclass(frozen=True, eq=False)
class Formats:
    """F formats: `written` (S, F) shares of a source's tokens, `shift` (F, K) score units, `tokens` (F,)."""

    written: Array
    shift: Array
    tokens: Array

    def moved(self, state: Array, tokens: Array) -> Array:
        """The state (..., F) after `tokens` (..., S) at one mixture; exact for any number of them."""
        total = tokens.sum(axis=-1, keepdims=True)
        share = tokens @ self.written / np.where(total > 0.0, total, 1.0)
        out: Array = state - (share - state) * np.expm1(-total / self.tokens)
        return out

    def shifted(self, z: Array, state: Array) -> Array:
        """The latent sum (..., K) that scores show."""
        out: Array = z + state @ self.shift
        return out


def formats_of(
    tables: Sequence[Mapping[str, object]], sources: Sequence[str], capabilities: Sequence[str]
) -> Formats | None:
    """The formats of a world file's `[[formats]]`, None without any. Raises WorldError naming the field."""
    if not tables:
        return None
    written = np.zeros((len(sources), len(tables)))
    shift = np.zeros((len(tables), len(capabilities)))
    tokens = np.zeros(len(tables))
    seen: set[str] = set()
    for n, table in enumerate(tables):
        where = f"formats[{n}]"
        for key in table:
            if key not in FIELDS:
                raise WorldError(f"{where}: {unknown('field', str(key), FIELDS)}")
        name = table.get("name")
        if not isinstance(name, str) or name in seen:
            raise WorldError(f"{where}.name = {name!r}: expected a name that no other format has")
        check_name(name, f"{where}.name", WorldError)
        seen.add(name)
        uses = _numbers(table, "sources", where, "source", sources)
        if uses.min() < 0.0 or uses.max() > 1.0:
            raise WorldError(f"{where}.sources: shares of a source's tokens, from 0 to 1")
        written[:, n] = uses
        shift[n] = _numbers(table, "scores", where, "capability", capabilities)
        speed = table.get("tokens")
        if not _is_number(speed) or not 0.0 < float(str(speed)) < np.inf:
            raise WorldError(f"{where}.tokens = {shown(speed)}: expected a number of tokens > 0")
        tokens[n] = float(str(speed))
    if (written.sum(axis=1) > 1.0 + 1e-9).any():
        worst = int(written.sum(axis=1).argmax())
        raise WorldError(
            f"formats: {sources[worst]} writes {written[worst].sum():g} of its tokens in some format, "
            "and 1 is the most"
        )
    return Formats(written, shift, tokens)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _numbers(
    table: Mapping[str, object], key: str, where: str, kind: str, names: Sequence[str]
) -> Array:
    """A table of name = number as a vector over `names`, 0 where a name is not given."""
    given = table.get(key)
    if not isinstance(given, Mapping):
        raise WorldError(f"{where}.{key} = {shown(given)}: expected a table of {kind} = number")
    out = np.zeros(len(names))
    for name, value in given.items():
        if name not in names:
            raise WorldError(f"{where}.{key}: {unknown(kind, str(name), names)}")
        if not _is_number(value) or not np.isfinite(float(value)):
            raise WorldError(f"{where}.{key}: {name} = {shown(value)}: expected a number")
        out[list(names).index(name)] = float(value)
    return out
