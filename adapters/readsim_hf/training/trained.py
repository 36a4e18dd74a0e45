"""What was trained on, so that it can be listed and compared: counts, a hash, and the rows of data sets."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from readsim_hf.teachers.record import TeacherRecord


@dataclass
class TrainedSource:
    """Of one source, in the order of training.

    records, tokens   examples, and their supervised tokens that counted
    chain             SHA-256 over the one before (32 zero bytes at first), the token ids (int32, little
                      endian) of prompt and completion, the places of the supervised tokens that counted
                      (int32, little endian, from the first token of the completion), in turn
    rows              numbers of the rows, one an example; of our own prompts there are none
    """

    records: int = 0
    tokens: int = 0
    chain: bytes = bytes(32)
    rows: list[int] = field(default_factory=list)

    def add(self, record: TeacherRecord, tokens: int) -> None:
        """An example was given to the trainer, of whose supervised tokens so many count."""
        digest = hashlib.sha256(self.chain)
        for ids in (record.prompt_ids, record.completion_ids, record.places[:tokens]):
            digest.update(np.asarray(ids, dtype="<i4").tobytes())
        self.chain = digest.digest()
        self.records, self.tokens = self.records + 1, self.tokens + tokens
        if record.row >= 0:
            self.rows.append(record.row)

    def table(self) -> dict[str, Any]:
        """As plain data: `sha256` of all examples; of a data set the distinct `rows`, and `rows_sha256` of
        their numbers in the order of training, written as text, one a line."""
        told: dict[str, Any] = {
            "examples": self.records,
            "tokens": self.tokens,
            "sha256": self.chain.hex() if self.records else None,
        }
        if self.rows:
            lines = "".join(f"{row}\n" for row in self.rows)
            told["rows"] = len(set(self.rows))
            told["rows_sha256"] = hashlib.sha256(lines.encode()).hexdigest()
        return told

    def state(self) -> dict[str, Any]:
        """Plain data and arrays."""
        return {
            "records": self.records,
            "tokens": self.tokens,
            "chain": self.chain.hex(),
            "rows": np.array(self.rows, dtype=np.int64),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of `state`."""
        rows: Sequence[Any] = np.asarray(state["rows"]).tolist()
        chain = bytes.fromhex(state["chain"])
        return cls(int(state["records"]), int(state["tokens"]), chain, [int(r) for r in rows])
