"""One prompt, three ways: what the teacher is sent, what the student trains on, what a probe sends."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from lm_eval.evaluator import evaluate
from torch import Tensor
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim_hf.check.gold import GoldExample, sent_by
from readsim_hf.components import Components
from readsim_hf.probes.benchmark import prompt_benchmark
from readsim_hf.probes.items import prompt_item
from readsim_hf.probes.lm import ProbeLM, as_it_was, quiet
from readsim_hf.training import batch as batches

IGNORED = -100  # the label of a position whose next token is not supervised, as elsewhere


class _Noting(ProbeLM):
    """Notes what a probe gives the model, and has it say nothing."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.sent: list[list[int]] = []

    def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> list[str]:
        return [super(_Noting, self).generate_until([request])[0] for request in requests]

    def _model_generate(
        self, context: Tensor, max_length: int, stop: list[str], **kwargs: Any
    ) -> Tensor:
        rows = zip(context, kwargs["attention_mask"].bool(), strict=True)
        self.sent += [row[read].tolist() for row, read in rows]
        return context


@dataclass(frozen=True)
class View:
    """One prompt.

    teacher    ids that the teacher is sent, in its own tokens; its tokenizer's pieces
    student    ids before a reply that the student trains on; the student's pieces
    probe      ids that a probe of the same text sends; none for a row of a data set, which no probe asks
    read, mask, labels   one row of the training batch (T,): what the model reads, the attention mask, and
               the token that each position is trained to predict next, IGNORED for none
    trained    the supervised tokens as text, special ones too, and their pieces
    spanned    the text that the signal supervises
    gold       whether the reply shown is a gold one, or the one that the data has
    """

    capability: str
    template: str
    form: str
    text: str
    teacher: list[int]
    teacher_pieces: list[str]
    student: list[int]
    student_pieces: list[str]
    probe: list[int]
    read: list[int]
    read_pieces: list[str]
    mask: list[int]
    labels: list[int]
    trained_pieces: list[str]
    spanned: str
    gold: bool

    @property
    def trained(self) -> str:
        return "".join(self.trained_pieces)

    @property
    def same_ids(self) -> bool:
        """Whether a probe sends what the student trains on, where there is one."""
        return not self.probe or self.probe == self.student

    @property
    def aligned(self) -> bool:
        """Whether each position is trained to predict what stands next, within the signal's span."""
        known = [(n, t) for n, t in enumerate(self.labels) if t != IGNORED]
        follow = all(self.read[n + 1] == t for n, t in known if n + 1 < len(self.read))
        read = all(self.mask[n] == 1 for n, _ in known)
        last = bool(known) and known[-1][0] == len(self.read) - 1
        return follow and read and last and self.trained == self.spanned

    def table(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **asdict(self),
            "trained": self.trained,
            "same_ids": self.same_ids,
            "aligned": self.aligned,
        }


def views(parts: Components, trained: list[GoldExample]) -> list[View]:
    """Of examples made by `trained_on`, in one batch of the trainer's."""
    own, teacher = parts.pair.tokenizer, parts.teacher
    made = batches.collate([t.example for t in trained])
    assert made.attention_mask is not None  # not packed
    labels = np.full(made.input_ids.shape, IGNORED)
    labels[made.rows.numpy(), made.columns.numpy()] = made.targets.tokens.numpy()
    sent = _probed(parts, trained)
    out = []
    for row, (one, probe) in enumerate(zip(trained, sent, strict=True)):
        record = one.example.record
        given = one.prompt.reply is not None
        asked = (sent_by(teacher, one.prompt) if given else teacher.encode(one.prompt)).tolist()
        read = made.input_ids[row].tolist()
        out.append(
            View(
                one.prompt.capability,
                one.prompt.template,
                one.form,
                one.prompt.text,
                asked,
                pieces(parts.pair.teacher_tokenizer, asked),
                record.prompt_ids.tolist(),
                pieces(own, record.prompt_ids.tolist()),
                probe,
                read,
                pieces(own, read),
                made.attention_mask[row].tolist(),
                labels[row].tolist(),
                pieces(own, [t for t in labels[row].tolist() if t != IGNORED]),
                "".join(pieces(own, record.completion_ids[record.places].tolist())),
                (one.prompt.answer or one.prompt.reply) is not None,
            )
        )
    return out


def pieces(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    """Each token as text, special ones too."""
    return [
        str(tokenizer.decode([i], skip_special_tokens=False, clean_up_tokenization_spaces=False))
        for i in ids
    ]


def _probed(parts: Components, trained: list[GoldExample]) -> list[list[int]]:
    """What probes of the same prompts, each in the form that is trained, give the model."""
    model, own = parts.pair.student, parts.pair.tokenizer
    style, sent = parts.library.style, []
    with quiet(), as_it_was(model, own):
        lm = _Noting(model, own, 1)
        for form in dict.fromkeys(t.form for t in trained if not t.prompt.messages):
            some = [t.prompt for t in trained if t.form == form and not t.prompt.messages]
            probe = prompt_benchmark("check", "check", style, lambda *_: False, 1, form=form)
            task = probe.task([prompt_item("check", prompt) for prompt in some])
            lm.sent = []
            evaluate(
                lm,
                {"tasks": {"check": task}},
                bootstrap_iters=0,
                apply_chat_template=bool(getattr(own, "chat_template", None)),
            )
            sent.append((form, lm.sent))
    by_form = {form: iter(ids) for form, ids in sent}
    return [
        [] if t.prompt.messages else next(by_form[t.form])  # no probe asks rows of data sets
        for t in trained
    ]
