"""What a teacher did in one run, whichever processes ran it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from readsim_hf.teachers.base import PAID, AnyTeacher, TeacherCounts
from readsim_hf.teachers.judging import Reason, Rejections


class TeacherTally:
    """Counts of a run. A teacher itself counts from when it was made in its own process: nothing of what an
    interrupted process counted, and also what was asked before the run began.

    Requests `in_doubt` are the teacher's own count, since its cache remembers those of earlier processes.
    """

    def __init__(self, teacher: AnyTeacher) -> None:
        self._teacher = teacher
        self._counts, self._rejected = Counter[str](), Counter[tuple[str, str]]()  # to be added

    def _now(self) -> tuple[Counter[str], Counter[tuple[str, str]]]:
        rejected = cast(Mapping[tuple[str, str], int], self._teacher.rejections.counts)
        return Counter(asdict(self._teacher.counts)), Counter(rejected)

    def restart(self) -> None:
        """The run begins now; `PAID` counts go on, since what came before was paid for too."""
        counts, rejected = self._now()
        paid = {name: self._counts[name] for name in PAID}
        self._counts = Counter({k: -n for k, n in counts.items()} | paid)
        self._rejected = Counter({k: -n for k, n in rejected.items()})

    def resume(self, state: Mapping[str, Any]) -> None:
        """The run continues now, after the `state` of an earlier process."""
        self._counts, self._rejected = Counter(state["counts"]), Counter()
        for name, reasons in state["rejected"].items():
            self._rejected.update({(name, reason): n for reason, n in reasons.items()})
        counts, rejected = self._now()
        self._counts.subtract(counts)
        self._rejected.subtract(rejected)

    @property
    def counts(self) -> TeacherCounts:
        """Of the run so far."""
        now, _ = self._now()
        sums = {name: n + self._counts[name] for name, n in now.items()}
        return TeacherCounts(**{**sums, "in_doubt": now["in_doubt"]})

    @property
    def rejections(self) -> Rejections:
        """Of the run so far, without examples."""
        _, sums = self._now()
        sums.update(self._rejected)
        return Rejections(cast(dict[tuple[str, Reason], int], dict(sorted((+sums).items()))))

    def state(self) -> dict[str, Any]:
        """What a later process continues from, as plain data."""
        return {"counts": asdict(self.counts), "rejected": self.rejections.table()}
