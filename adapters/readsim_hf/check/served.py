"""Whether a served teacher is the model that lies here: prompt lengths, greedy replies, log-probabilities."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from readsim.errors import ConfigError, ReadsimError
from readsim_hf.components import Components
from readsim_hf.config import PairConfig
from readsim_hf.models.loading import load_model
from readsim_hf.models.teacher_source import TeacherSource
from readsim_hf.models.tokens import vocabulary_size
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.connection import NoReplyError
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
class ServedComparison:
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


def check_limits(parts: Components) -> None:
    """One token of each served teacher, asked as the run will: ConfigError where it does not give as many
    log-probabilities, or none of given texts where those are wanted."""
    soft = parts.teacher.soft
    if soft is None or parts.store is not None:
        return
    grouped = parts.sampled is not None and parts.sampled.scores
    scores = grouped or parts.on_policy > 0 or any(not source.asks for source in parts.datasets)
    servers = {id(t.server): t for t in parts.pair.teacher_sources if t.server is not None}
    for one in servers.values():
        assert one.server is not None
        prompt = as_ids(encode(one.tokenizer, "1"))
        k, vocab = soft.k, parts.teacher.vocab
        try:
            one.server.complete(prompt, Decoding(1, 0.0), 0, k, vocab)
            if scores:
                one.server.score([*prompt, *prompt], len(prompt), k, vocab)
        except NoReplyError as error:
            raise ConfigError(
                f"soft.k = {k}: {error}; vLLM gives as many log-probabilities as --max-logprobs says (20 "
                f"without it): serve the teacher with --max-logprobs {k}, or set soft.k"
            ) from error


def compare_served(
    parts: Components, pair: PairConfig, prompts: Sequence[Prompt]
) -> list[ServedComparison]:
    """Each served teacher beside the model at `teacher_tokenizer`."""
    signal, style = parts.teacher.signal, parts.library.style
    texts = sorted((style.ask(p, signal.form) for p in prompts), key=len)[:PROMPTS]
    served = {
        id(t.server): t for t in parts.pair.teacher_sources if t.server is not None
    }  # one server may teach several capabilities
    return [_compare(parts, t, pair, texts) for t in served.values()]


def _compare(
    parts: Components, teacher: TeacherSource, pair: PairConfig, texts: Sequence[str]
) -> ServedComparison:
    server, tokenizer, soft = teacher.server, teacher.tokenizer, parts.teacher.soft
    assert server is not None
    if not teacher.known:
        unseen = [words.format(model=server.model) for words in (NO_TOKENIZER, NO_WEIGHTS)]
        return ServedComparison(server.model, [], None, 0, None, None, unseen, (0, 0))
    greedy = Decoding(max_new_tokens=NEW, temperature=0.0)
    asked = [encode(tokenizer, text) for text in texts]
    if soft is None:  # as the run asks
        replies = [server.chat([{"role": "user", "content": text}], greedy, 0)[0] for text in texts]
    else:
        vocab = parts.teacher.vocab
        replies = [server.complete(as_ids(ids), greedy, 0, soft.k, vocab)[0] for ids in asked]
    lengths = [(r.prompt_tokens, len(ids)) for r, ids in zip(replies, asked, strict=True)]
    cost = sum(r.prompt_tokens for r in replies), sum(r.generated_tokens for r in replies)
    model, why = _weights(pair)
    if model is None:
        words = [NO_WEIGHTS.format(model=server.model), *why]
        return ServedComparison(server.model, lengths, None, len(texts), None, None, words, cost)
    ends = end_ids(model, tokenizer)
    size = vocabulary_size(model.config)
    decode = decoder(tokenizer, ends)
    here = [decode(ids.tolist()) for ids in generate(model, asked, greedy, ends=ends, vocab=size)]
    there = [r.text if r.ids is None else decode(r.ids.tolist()) for r in replies]
    equal = sum(_folded(a) == _folded(b) for a, b in zip(here, there, strict=True))
    gaps, apart = [0.0], list[float]()
    for ids, reply in zip(asked, replies, strict=True):
        said = bare_ids(tokenizer, _folded(reply.text)) if reply.ids is None else reply.ids
        if not len(said):
            continue
        passage = Passage(ids, as_ids(said), (0, len(said)))
        (scored,) = score(model, [passage], SoftSettings("full"), vocab=size)
        own = scored.logp[np.arange(len(said)), as_ids(said)]
        gaps.append(float((scored.logp.max(axis=1) - own).max()))
        if reply.top is not None:
            found = reply.top.ids == as_ids(said)[:, None]
            rows = found.any(axis=1)
            apart += np.abs(reply.top.logp[found] - own[rows]).tolist()
    mean = None if soft is None else float(np.mean(apart)) if apart else float("inf")
    return ServedComparison(server.model, lengths, equal, len(texts), max(gaps), mean, [], cost)


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
