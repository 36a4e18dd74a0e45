"""Whether a served teacher is the model that lies here: prompt lengths, greedy replies, log-probabilities."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from readsim.errors import ReadsimError
from readsim_hf.components import Components
from readsim_hf.config import PairConfig
from readsim_hf.models.loading import load_model
from readsim_hf.models.teacher_source import TeacherSource
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.decoding import Decoding, generate
from readsim_hf.teachers.encoding import bare_ids, decoder, encode, end_ids
from readsim_hf.teachers.ids import as_ids
from readsim_hf.teachers.scoring import Passage, SoftSettings, score

PROMPTS = 4  # that are compared, the shortest
NEW = 16  # tokens of a reply
# Nats by which a greedy token of the server may be less likely here than the likeliest: rounding of another
# precision swaps tokens that are about as likely as each other; another model, or template, does worse.
GAP = 1.0
# Nats between log-probabilities of a reply's tokens, in the mean.
APART = 0.1
NO_WEIGHTS = (
    "the weights of {model!r} are not here: its accuracy and its replies are checked, but whether it is the "
    "model that its name says, with which chat template and precision, cannot be (teacher_tokenizer = a "
    "folder with weights of the same model would let it be compared)"
)
NO_TOKENIZER = (
    "teacher_tokenizer is None: what the server of {model!r} puts around a prompt cannot be seen, nor "
    "whether its prompts have the right length"
)


@dataclass(frozen=True)
class Compared:
    """One served teacher.

    lengths   (tokens by the server's account, tokens by teacher_tokenizer) of each prompt
    equal     greedy replies that are the same text, of `replies`; None without weights here
    gap       largest nats by which a token of a greedy reply is behind the likeliest here
    apart     mean nats between log-probabilities, where the server gives them
    words     what could not be compared, and why
    cost      prompt and reply tokens that the server counted
    """

    model: str
    lengths: Sequence[tuple[int, int]]
    equal: int | None
    replies: int
    gap: float | None
    apart: float | None
    words: Sequence[str]
    cost: tuple[int, int]

    @property
    def failures(self) -> list[str]:
        """One line for each thing that does not agree."""
        out = []
        wrong = [(a, b) for a, b in self.lengths if a != b]
        if wrong:
            out.append(
                f"{self.model}: the server counts {wrong[0][0]} tokens in a prompt that has {wrong[0][1]} by "
                f"teacher_tokenizer ({len(wrong)} of {len(self.lengths)} prompts): its chat template, "
                "system prompt or start token is another"
            )
        if self.gap is not None and not self.gap <= GAP:
            out.append(
                f"{self.model}: a greedy token of the server is {self.gap:.2f} nats behind the likeliest of "
                f"the model here (bound {GAP:g}): another model, chat template or quantisation"
            )
        if self.apart is not None and not self.apart <= APART:
            out.append(
                f"{self.model}: log-probabilities of server and model here are {self.apart:.3f} nats apart "
                f"in the mean (bound {APART:g})"
            )
        return out

    def table(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "failures": self.failures}


def compare_served(
    parts: Components, pair: PairConfig, prompts: Sequence[Prompt]
) -> list[Compared]:
    """Each served teacher beside the model at `teacher_tokenizer`."""
    signal, style = parts.teacher.signal, parts.library.style
    texts = sorted((style.ask(p, signal.form) for p in prompts), key=len)[:PROMPTS]
    served = {
        id(t.server): t for t in parts.pair.teacher_sources if t.server is not None
    }  # one server may teach several capabilities
    return [_compare(parts, t, pair, texts) for t in served.values()]


def _compare(
    parts: Components, teacher: TeacherSource, pair: PairConfig, texts: Sequence[str]
) -> Compared:
    server, tokenizer = teacher.server, teacher.tokenizer
    assert server is not None
    if not teacher.known:
        said = [NO_TOKENIZER.format(model=server.model), NO_WEIGHTS.format(model=server.model)]
        return Compared(server.model, [], None, 0, None, None, said, (0, 0))
    greedy = Decoding(max_new_tokens=NEW, temperature=0.0)
    replies = [server.chat(text, greedy, 0)[0] for text in texts]
    asked = [encode(tokenizer, text) for text in texts]
    lengths = [(r.prompt_tokens, len(ids)) for r, ids in zip(replies, asked, strict=True)]
    cost = np.array([(r.prompt_tokens, r.generated_tokens) for r in replies]).sum(axis=0)
    model, why = _weights(pair)
    if model is None:
        words = [NO_WEIGHTS.format(model=server.model), *why]
        made = tuple(cost.tolist())
        return Compared(server.model, lengths, None, len(texts), None, None, words, made)
    ends = end_ids(model, tokenizer)
    vocab = model.config.get_text_config().vocab_size
    local = generate(model, asked, greedy, ends=ends, vocab=vocab)
    decode = decoder(tokenizer, ends)
    said_here = [decode(ids.tolist()) for ids in local]
    equal = sum(_folded(a) == _folded(r.text) for a, r in zip(said_here, replies, strict=True))
    heard = [
        Passage(ids, as_ids(said), (0, len(said)))
        for ids, r in zip(asked, replies, strict=True)
        if (said := bare_ids(tokenizer, _folded(r.text)))
    ]
    full = SoftSettings("full")
    gap = 0.0
    for passage, soft in zip(heard, score(model, heard, full, vocab=vocab), strict=True):
        own = soft.logp[np.arange(len(soft.logp)), np.asarray(passage.completion_ids)]
        gap = max(gap, float((soft.logp.max(axis=1) - own).max()))
    apart = None
    if parts.teacher.soft is not None:
        apart, more = _apart(parts, teacher, model, asked, greedy)
        cost = cost + np.array(more)
    made = tuple(cost.tolist())
    return Compared(server.model, lengths, equal, len(texts), gap, apart, [], made)


def _apart(
    parts: Components,
    teacher: TeacherSource,
    model: PreTrainedModel,
    asked: Sequence[list[int]],
    greedy: Decoding,
) -> tuple[float, tuple[int, int]]:
    """Mean nats between log-probabilities of the tokens of greedy replies; tokens that it cost."""
    server, soft = teacher.server, parts.teacher.soft
    assert server is not None
    assert soft is not None
    vocab = parts.teacher.vocab
    said = [server.complete(as_ids(ids), greedy, 0, soft.k, vocab)[0] for ids in asked]
    found = []
    for ids, reply in zip(asked, said, strict=True):
        if reply.ids is None or reply.top is None or not len(reply.ids):
            continue
        passage = Passage(ids, reply.ids, (0, len(reply.ids)))
        (here,) = score(model, [passage], SoftSettings("full"), vocab=vocab)
        for row, token in enumerate(reply.ids.tolist()):
            there = reply.top.logp[row][reply.top.ids[row] == token]
            if len(there):
                found.append(abs(float(there[0]) - float(here.logp[row, token])))
    cost = sum(r.prompt_tokens for r in said), sum(r.generated_tokens for r in said)
    return float(np.mean(found)) if found else float("nan"), cost


def _weights(pair: PairConfig) -> tuple[PreTrainedModel | None, list[str]]:
    """The model at `teacher_tokenizer`, or why there is none."""
    assert pair.teacher_tokenizer is not None
    precision = pair.teacher_precision or "fp32"
    try:
        return load_model(pair.teacher_tokenizer, precision=precision, device=pair.device), []
    except ReadsimError as error:
        return None, [f"{pair.teacher_tokenizer}: {error}"]


def _folded(text: str) -> str:
    """Without halves of a character at the end, where a reply was cut, and spaces around it."""
    return text.rstrip("\ufffd").strip()
