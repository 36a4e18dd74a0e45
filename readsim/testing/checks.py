"""Named properties, run one by one: what each found, and the smallest example where one fails."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from readsim.errors import unknown

_READSIM = Path(__file__).resolve().parents[1]

Status = Literal["passed", "failed", "expected", "skipped"]


class CheckError(AssertionError):
    """One or more properties do not hold; the message has them all."""


class Skip(Exception):
    """Raised by a property that does not apply, with the reason."""


@dataclass(frozen=True)
class CheckOutcome:
    """The result of testing one property. `expected`: it fails, and the caller said that it would.
    `cause`: exception and line of the user's that made it fail, where it was no finding of the property's."""

    name: str
    status: Status
    message: str = ""
    cause: tuple[str, str] | None = None


@dataclass(frozen=True)
class Property:
    """A promise in words, and a test of it; `cases` are what Hypothesis draws it for, `examples` times at
    most."""

    name: str
    promise: str
    test: Callable[..., None]
    cases: SearchStrategy[Any] | None = None
    examples: int | None = None


def run_properties(
    properties: Sequence[Property],
    subject: object,
    *,
    examples: int,
    expected_failures: Mapping[str, str] | None,
    on_fail: Literal["raise"] | None,
) -> list[CheckOutcome]:
    """Test every property on `subject`. The examples are the same in every run.

    Raises CheckError where a property fails that was not expected to (unless `on_fail` is None),
    UnknownNameError for an expected failure that is no property.
    """
    expected = dict(expected_failures or {})
    names = [p.name for p in properties]
    for name in expected:
        if name not in names:
            raise unknown("property", name, names)
    found = [_outcome(p, subject, examples, expected.get(p.name)) for p in properties]
    failed = [o for o in found if o.status == "failed"]
    if failed and on_fail == "raise":
        raise CheckError("\n\n".join(_once(failed)))
    return found


def _once(failed: Sequence[CheckOutcome]) -> list[str]:
    """The messages, one for each cause, with the names of the other properties that it breaks."""
    told: dict[object, list[CheckOutcome]] = {}
    for outcome in failed:
        told.setdefault(outcome.cause or outcome.name, []).append(outcome)
    return [
        first.message + "".join(f"\n  so does: {other.name}" for other in others)
        for first, *others in told.values()
    ]


def _outcome(p: Property, subject: object, examples: int, excuse: str | None) -> CheckOutcome:
    try:
        _test(p, subject, examples, excuse is None)
    except Skip as reason:
        return CheckOutcome(p.name, "skipped", str(reason))
    except Exception as error:  # noqa: BLE001  # whatever it raises is what was found
        if excuse is not None:
            return CheckOutcome(p.name, "expected", excuse)
        cause, lines = _cause(error)
        return CheckOutcome(p.name, "failed", _explain(p, error, lines), cause)
    if excuse is not None:
        return CheckOutcome(p.name, "passed", f"was expected to fail ({excuse}), and did not")
    return CheckOutcome(p.name, "passed")


def _test(p: Property, subject: object, examples: int, shrink: bool) -> None:
    if p.cases is None:
        p.test(subject)
        return

    @settings(
        max_examples=examples if p.examples is None else min(examples, p.examples),
        database=None,
        derandomize=True,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(p.cases)
    def drawn(case: Any) -> None:
        p.test(subject, case)

    drawn()


def _cause(error: BaseException) -> tuple[tuple[str, str] | None, list[str]]:
    """What was raised and the user's line that raised it, if one did; and that line for a message."""
    while isinstance(error, AssertionError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, AssertionError):
        return None, []
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename)]
    if not frames:
        return None, []
    at = f'File "{frames[-1].filename}", line {frames[-1].lineno}'
    return (type(error).__name__, at), [f"{at}: {frames[-1].line}"]


def _is_users(file: str) -> bool:
    path = Path(file)
    return _READSIM not in path.parents and "hypothesis" not in path.parts and path.is_file()


def _explain(p: Property, error: Exception, where: Sequence[str]) -> str:
    notes = [
        note
        for note in getattr(error, "__notes__", [])
        if "falsifying" in note.lower() or "case=" in note
    ]
    said = str(error).strip() or type(error).__name__
    lines = [f"{p.name}: {p.promise}", f"  found: {type(error).__name__}: {said}"]
    lines += [f"  {line}" for line in where]
    lines += [f"  {line}" for note in notes for line in note.strip().splitlines()]
    return "\n".join(lines)
