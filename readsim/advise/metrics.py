"""A job's metrics: which number of a row measures which capability, and how many tokens were trained.

One JSON object a line. Nested objects are read as `outer/inner`. Other columns are passed over.

tokens       trained so far: `tokens`, or what trainers call it (`TOKENS`), also behind `train/`
a capability `math`, `math_loss`, `math/acc`, also behind `eval_`, `eval/`, `val-core/`, `scores/`, ...
             (`PREFIXES`); the last part is one of `LOSSES` (smaller is better) or of `SCORES` (a share of 1)
"""

import math
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from readsim.arrays import Array
from readsim.errors import ConfigError, nearest, shown
from readsim.files.growing import GrowingFile
from readsim.files.json_text import parse_json
from readsim.files.names import shown_text
from readsim.runs.profile_scale import LOSSES as LOSS_SCALE
from readsim.runs.profile_scale import SCORES as SCORE_SCALE
from readsim.runs.profile_scale import ProfileScale

TOKENS = ("tokens", "num_tokens", "num_input_tokens_seen", "tokens_seen", "consumed_tokens")
PREFIXES = ("eval", "val", "valid", "validation", "val-core", "test", "metrics", "scores", "losses")
WRAPPER = "data"  # verl's rows are {"step": ..., "data": {...}}
LOSSES = ("loss", "nll")
SCORES = ("acc", "accuracy", "score", "exact_match", "em", "f1", "pass@1", "reward", "win_rate")
MOST = 2**53

_PREFIX = re.compile(rf"(?:{'|'.join(map(re.escape, PREFIXES))})[/_.]")
_VARIANT = re.compile(r"(?:,[\w.-]+|/(?:mean|best|maj)@\d+(?:/mean)?)?")  # lm-eval's, verl's


class Measured(NamedTuple):
    """All capabilities measured: tokens that the job had trained, and the profile (V,), losses negated."""

    tokens: int
    profile: Array


@dataclass(frozen=True)
class Columns:
    """Where a row has what.

    named    the key of a capability, or of `tokens`, where it is not found by its name
    metric   the last part of a measurement's key, where rows have several: `loss`, `acc`, ...
    """

    capabilities: tuple[str, ...]
    named: Mapping[str, str] = field(default_factory=dict)
    metric: str | None = None

    def __post_init__(self) -> None:
        for name in self.named:
            if name not in ("tokens", *self.capabilities):
                known = ("tokens", *self.capabilities)
                raise ConfigError(
                    f"--map {shown(name)}: no capability{nearest(name, known)} (known: {', '.join(known)})"
                )

    def tokens_of(self, row: Mapping[str, Any]) -> str | None:
        """The key that counts tokens in this row, or None."""
        if "tokens" in self.named:
            return self.named["tokens"] if self.named["tokens"] in row else None
        names = (f"{before}{name}" for name in TOKENS for before in ("", "train/"))
        return next((name for name in names if name in row), None)

    def keys_of(self, name: str, row: Mapping[str, Any]) -> dict[str, bool]:
        """The keys that measure a capability in this row, and whether each is a loss."""
        if name in self.named:
            key = self.named[name]
            return {key: is_loss(key)} if key in row else {}
        others = set(self.named.values())
        found = {key: self._measures(name, key) for key in row if key not in others}
        return {key: loss for key, loss in found.items() if loss is not None}

    def _measures(self, name: str, key: str) -> bool | None:
        """Whether a key is a loss of this capability; None where it is none of its measurements."""
        before = _PREFIX.match(key)
        for text in (key, key[before.end() :] if before else ""):
            rest = text[len(name) :]
            if not text.startswith(name):
                continue
            if not rest and self.metric is None:
                return bool(before and before[0].startswith("loss"))
            if rest[:1] not in ("/", "_", "."):
                continue
            metric = rest[1:]
            if self.metric is not None:
                if metric == self.metric:
                    return is_loss(metric)
            elif _is_one_of(LOSSES, metric):
                return True
            elif _is_one_of(SCORES, metric):
                return False
        return None


def _is_one_of(known: tuple[str, ...], metric: str) -> bool:
    return any(metric.startswith(m) and _VARIANT.fullmatch(metric[len(m) :]) for m in known)


def is_loss(key: str) -> bool:
    """Whether what a key measures is better when it is smaller."""
    return re.split(r"[/_.]", key)[-1] in LOSSES or key.startswith("losses/")


class Metrics:
    """The measurements in a growing file of metrics.

    Capabilities may be measured in several rows: a reading is complete when each has a new number, at the
    tokens that were last said. Where tokens go back, the job was started again from a checkpoint, and what
    was measured in part is dropped.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path, self.columns = path, columns
        self.scale: ProfileScale | None = None  # known with the first number
        self._file = GrowingFile(path)
        self._tokens: int | None = None
        self._new: dict[str, float] = {}
        self._since: int | None = None  # the tokens at the first of the new numbers
        self._ever: set[str] = set()
        self._keys: dict[str, None] = {}  # of numbers, in all rows
        self._any = False

    def new_readings(self) -> Iterator[Measured]:
        """Those that the rows complete which were appended since the last call.

        Raises ConfigError naming file, line and column for a number that cannot be one.
        """
        for line, text in self._file.new_lines():
            row = self._row(line, text)
            if row is not None:
                yield from self._take(row, f"{self.path}, line {line}")

    def missing(self) -> tuple[str, ...]:
        """The capabilities that no row has measured so far."""
        return tuple(c for c in self.columns.capabilities if c not in self._ever)

    def _row(self, line: int, text: str) -> dict[str, Any] | None:
        try:
            row = parse_json(text.strip("\r\0\ufeff"), self.path, line)
            if not isinstance(row, dict):
                raise ConfigError(
                    f"{self.path}, line {line}: {text[:40]!r} is not a JSON object: accepted is one JSON "
                    "object a line"
                )
        except ConfigError as error:
            if not self._any:
                raise
            warnings.warn(f"a row is ignored: {error}", stacklevel=2)
            return None
        self._any = True
        return dict(_flat(row))

    def _take(self, row: Mapping[str, Any], where: str) -> Iterator[Measured]:
        numbers = (int, float, str)
        self._keys.update(
            dict.fromkeys(k for k, value in row.items() if isinstance(value, numbers))
        )
        key = self.columns.tokens_of(row)
        if key is not None and row[key] is not None:
            tokens = _count(row[key], f"{where}, column {key!r}")
            if self._tokens is not None and tokens < self._tokens:
                warnings.warn(
                    f"{where}: the job went back from {self._tokens} to {tokens} tokens; decisions that were "
                    "made stand, and the next one waits for tokens beyond them",
                    stacklevel=2,
                )
                self._new.clear()
            self._tokens = tokens
        for name in self.columns.capabilities:
            value = self._value(name, row, where)
            if value is not None:
                self._check_others(name, row, where)
                self._since = self._since if self._new else self._tokens
                self._new[name] = value
                self._ever.add(name)
        if len(self._new) == len(self.columns.capabilities):
            profile = np.array([self._new[name] for name in self.columns.capabilities])
            self._new.clear()
            if self._tokens is None:
                if (row.get("step", row.get("global_step", 0)) or 0) != 0:
                    raise ConfigError(
                        f"{where}: no tokens were counted so far: give `tokens` in each row (or "
                        f"{', '.join(TOKENS[1:])}), or --map tokens=KEY"
                    )
                self._tokens = 0
            yield Measured(self._tokens, profile)

    def _value(self, name: str, row: Mapping[str, Any], where: str) -> float | None:
        """What the row measures of a capability, losses negated; None where it measures nothing."""
        keys = self.columns.keys_of(name, row)
        if len(keys) > 1:
            raise ConfigError(
                f"{where}: {name!r} is measured by {', '.join(map(repr, keys))}: --metric chooses by the "
                f"last part, --map {shown_text(name)}=KEY by the whole key"
            )
        for key, loss in keys.items():
            value, at = row[key], f"{where}, column {key!r}"
            if value is None:
                return None
            value = _number(value, at)
            if not math.isfinite(value):
                warnings.warn(f"{at}: {value} is ignored, as if it were absent", stacklevel=2)
                return None
            scale = LOSS_SCALE if loss else SCORE_SCALE
            if self.scale not in (None, scale):
                raise ConfigError(
                    f"{at}: losses and scores are mixed: choose with --metric or --map"
                )
            self.scale = scale
            number = -float(value) if loss else float(value)
            if scale.beyond(np.array([number])).size:
                raise ConfigError(f"{at}: {value:g}: a score is a share of 1, from 0 to 1")
            return number
        return None

    def _check_others(self, name: str, row: Mapping[str, Any], where: str) -> None:
        """A capability that was measured again while another one never was: its name is wrong."""
        lacking = self.missing()
        again = name in self._new and (self._tokens is None or self._tokens != self._since)
        if not again or not lacking:
            return
        first = next((c for c in lacking if not self.columns.keys_of(c, row)), None)
        if first is not None:
            stems = [
                re.sub(r"[/_.](?:loss|acc|accuracy|score)$", "", _PREFIX.sub("", k))
                for k in self._keys
            ]
            others = [stem for stem in stems if stem not in self.columns.capabilities]
            there = ", ".join(map(shown_text, list(self._keys)[:12]))
            raise ConfigError(
                f"{where}: {first!r} was never measured so far{nearest(first, others)} (there: {there}); "
                f"--map {shown_text(first)}=KEY names its key"
            )


def _flat(row: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict):
            yield from _flat(value, before if key == WRAPPER else f"{before}{key}/")
        else:
            yield f"{before}{key}", value


def _number(value: Any, where: str) -> float:
    """A number, or the text of one, as some loggers write it."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        return float(value)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{where}: {shown(value)} is no number") from error


def _count(value: Any, where: str) -> int:
    number = _number(value, where)
    if not math.isfinite(number) or number != int(number) or not 0 <= number <= MOST:
        raise ConfigError(f"{where}: {shown(value)}: tokens so far are a whole number, 0 or more")
    return int(number)
