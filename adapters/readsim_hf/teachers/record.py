"""What the teacher said to one prompt, in tokens of the student's vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

SoftKind = Literal["full", "topk", "sampled"]


class Soft(NamedTuple):
    """The teacher's next-token distributions at L positions.

    full     `logp` (L, V) log-probabilities, `ids` (L, 0)
    topk     `ids` (L, k) and their log-probabilities; the rest of the mass is a tail bucket
    sampled  `ids` (L, n) drawn with replacement from the distribution, `logp` (L, n) its
             log-probabilities of them; each draw weighs 1 / n (unbiased)

    `said` (L,) are the log-probabilities of the text's own tokens, which need not be among the entries: nan
    where the teacher did not say, None where no text is known, in full distributions (which have them), in
    teach stores and in what an older readsim kept.
    """

    kind: SoftKind
    ids: NDArray[np.int32]
    logp: NDArray[np.float32]
    said: NDArray[np.float32] | None = None

    def at(self, places: slice | NDArray[Any]) -> "Soft":
        """The distributions at these of the L positions."""
        said = None if self.said is None else self.said[places]
        return Soft(self.kind, self.ids[places], self.logp[places], said)


@dataclass(frozen=True, eq=False)
class TeacherRecord:
    """One supervised example.

    prompt_ids, completion_ids   what the student reads; the completion ends with the end token
                                 unless it was cut at the length limit
    span                         half-open range that holds the supervised completion tokens
    soft                         the teacher's distributions at the supervised positions, or None
    weight                       of its tokens' losses; a token counts as one whatever it weighs
    positions                    which tokens of the span are supervised, ascending, from its first to its
                                 last; None for all of them
    row                          its row in the data set of its source; -1 where it is of none
    own                          whether the completion is the student's own text
    spans                        of a teacher with other tokens, at each supervised position (L,): the
                                 teacher's log-likelihood of the text of the span that ends there, inf
                                 where it is not known, nan where none ends; None for the same tokens
    group                        its place among the replies to one prompt that are trained on together, from
                                 0, and how many these are
    constants                    numbers (L,) float32 of the supervised tokens by name, see
                                 `objectives.sampling`
    text                         the reply to a `TeacherMessage` that no teacher's tokens are known of, whose
                                 completion is empty; None where the completion says it
    """

    source: str
    prompt_ids: NDArray[np.int32]
    completion_ids: NDArray[np.int32]
    span: tuple[int, int]
    soft: Soft | None
    weight: float = 1.0
    positions: NDArray[np.int32] | None = None
    row: int = -1
    own: bool = False
    spans: NDArray[np.float32] | None = None
    group: tuple[int, int] = (0, 1)
    constants: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    text: str | None = None

    @property
    def supervised(self) -> int:
        """Tokens that count against the budget when this record is trained on."""
        return self.span[1] - self.span[0] if self.positions is None else len(self.positions)

    @property
    def places(self) -> NDArray[np.int32]:
        """Which tokens of the completion are supervised (L,), ascending."""
        return np.arange(*self.span, dtype=np.int32) if self.positions is None else self.positions


def soft_at(soft: Soft, record: TeacherRecord) -> Soft:
    """The rows at the record's supervised positions, of distributions at all of its span."""
    return soft.at(record.places - record.span[0])
