"""Named properties, run one by one: what each found, and the smallest example where one fails."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from readsim.errors import unknown

Status = Literal["passed", "failed", "expected", "skipped"]


class CheckError(AssertionError):
    """One or more properties do not hold; the message has them all."""


class Skip(Exception):
    """Raised by a property that does not apply, with the reason."""


@dataclass(frozen=True)
class CheckOutcome:
    """What one property found. `expected`: it fails, and the caller said that it would."""

    name: str
    status: Status
    message: str = ""


@dataclass(frozen=True)
class Property:
    """A promise in words, and a test of it; `cases` are what Hypothesis draws it for."""

    name: str
    promise: str
    test: Callable[..., None]
    cases: SearchStrategy[Any] | None = None


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
        raise CheckError("\n\n".join(o.message for o in failed))
    return found


def _outcome(p: Property, subject: object, examples: int, excuse: str | None) -> CheckOutcome:
    try:
        _test(p, subject, examples, excuse is None)
    except Skip as reason:
        return CheckOutcome(p.name, "skipped", str(reason))
    except Exception as error:  # noqa: BLE001  # whatever it raises is what was found
        if excuse is not None:
            return CheckOutcome(p.name, "expected", excuse)
        return CheckOutcome(p.name, "failed", _explain(p, error))
    if excuse is not None:
        return CheckOutcome(p.name, "passed", f"was expected to fail ({excuse}), and did not")
    return CheckOutcome(p.name, "passed")


def _test(p: Property, subject: object, examples: int, shrink: bool) -> None:
    if p.cases is None:
        p.test(subject)
        return

    @settings(
        max_examples=examples,
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


def _explain(p: Property, error: Exception) -> str:
    notes = [
        note
        for note in getattr(error, "__notes__", [])
        if "falsifying" in note.lower() or "case=" in note
    ]
    said = str(error).strip() or type(error).__name__
    lines = [f"{p.name}: {p.promise}", f"  found: {type(error).__name__}: {said}"]
    lines += [f"  {line}" for note in notes for line in note.strip().splitlines()]
    return "\n".join(lines)
