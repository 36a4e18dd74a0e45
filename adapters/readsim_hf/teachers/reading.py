"""A reply in tokens: its text, the tokens that a signal supervises, and the tokens that are trained on."""

from dataclasses import dataclass, replace
from functools import cached_property

from transformers import PreTrainedTokenizerBase

from readsim_hf.prompts.library import Style
from readsim_hf.prompts.thinking import said_from
from readsim_hf.teachers.encoding import closing_mark, decoder
from readsim_hf.teachers.ids import Ids, as_ids
from readsim_hf.teachers.record import TeacherRecord
from readsim_hf.teachers.signals import Decode, TeacherSignal, token_of


@dataclass(frozen=True)
class Reading:
    """How replies in the tokens of `tokenizer`, which end at one of `ends`, are read."""

    tokenizer: PreTrainedTokenizerBase
    ends: tuple[int, ...]
    style: Style
    signal: TeacherSignal

    @cached_property
    def decode(self) -> Decode:
        """Token ids to text, see `decoder`."""
        return decoder(self.tokenizer, self.ends)

    @cached_property
    def closing(self) -> str | None:
        """The mark that ends what each prompt opens, see `closing_mark`."""
        return closing_mark(self.tokenizer)

    @property
    def keeps_thoughts(self) -> bool:
        """Whether thoughts are trained on: where the signal asks for more than the answer."""
        return self.signal.form != "answer"

    def text(self, completion: Ids) -> str:
        """A reply as text, without its end token."""
        return self.decode(as_ids(completion).tolist())

    def span(self, completion: Ids, *, whole: bool = False) -> tuple[int, int]:
        """Which tokens of a reply the signal supervises: no thoughts, where it asks for the answer.

        The mark that closes what the prompt opened belongs to it: the student has to say it too; what never
        closes it is thoughts alone. With `whole`, of a prompt that asks for no form, it is all of them.
        """
        ids = as_ids(completion).tolist()
        if whole:
            return 0, len(ids)
        first, end = self.signal.span(self.style, ids, self.decode)
        if self.keeps_thoughts or self.closing is None:
            return first, end
        at = self.decode(ids).rfind(self.closing)
        return (end if at < 0 else min(first, token_of(ids, at, self.decode))), end

    def trained(self, record: TeacherRecord) -> TeacherRecord:
        """The record without thoughts that are not supervised; what it supervises stays the same."""
        if record.span[0] == 0:
            return record
        text = self.text(record.completion_ids)
        start = said_from(text)
        if self.keeps_thoughts or start == 0:
            return record
        first, end = record.span
        left = min(first, token_of(record.completion_ids.tolist(), start, self.decode))
        ids = record.completion_ids[left:].copy()
        return replace(record, completion_ids=ids, span=(first - left, end - left))

    def ended(self, completion: Ids) -> bool:
        """Whether its end token is there: else it was cut at the length limit."""
        return len(completion) > 0 and int(completion[-1]) in self.ends
