"""The student as lm-eval's model: reads prompts as training does, counts tokens, ends each reply on its own,
refuses to cut prompts."""

import contextlib
import io
import itertools
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from lm_eval.models.huggingface import HFLM
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteriaList

from readsim.errors import ConfigError
from readsim_hf.models.chat_template import chat_text
from readsim_hf.models.tokens import stated_length
from readsim_hf.objectives.base import Targets
from readsim_hf.prompts.thinking import continuing, opened_by, said_from, whole_reply
from readsim_hf.teachers.decoding import left_padded
from readsim_hf.teachers.encoding import bare_ids, decoder, end_ids, ids_of
from readsim_hf.teachers.inference import batches, evaluating, reads_padding
from readsim_hf.training.batch import Batch
from readsim_hf.training.logits import logits_in_pieces


class Likelihood(float):
    """The log-likelihood of a text, and its tokens."""

    tokens: int

    def __new__(cls, total: float, tokens: int) -> "Likelihood":
        made = super().__new__(cls, total)
        made.tokens = tokens
        return made


class ProbeLM(HFLM):  # type: ignore[misc]  # lm-eval gives no types
    """A model in memory. `tokens`: prompt and generated or scored tokens so far.

    Text becomes ids, and ids text, as in training (`readsim_hf.teachers.encoding`): inside a chat template
    an item is one user message, what describes its benchmark included, so that the same system message
    stands before it as in training; a choice is scored behind the ids of the whole prompt, and behind
    thoughts that the prompt opens. What is scored of a reply stands behind its thoughts: of one whose
    thoughts do not end, nothing.

    A token count belongs to the item: it is the same in every batch. With `truncate` a prompt that
    is too long loses its left end, as lm-eval does; otherwise it is a ConfigError. `context` is the
    longest sequence of a model whose configuration states none.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        batch_size: int,
        truncate: bool = False,
        context: int | None = None,
    ) -> None:
        super().__init__(
            pretrained=model,
            tokenizer=tokenizer,
            batch_size=1 if reads_padding(model) else batch_size,
            max_length=stated_length(model.config) or context,
        )
        self.tokens = 0
        self._truncate = truncate
        self._ends = end_ids(model, tokenizer)
        self._decode = decoder(tokenizer, self._ends)
        self._endings: dict[str, Tensor] = {}
        self._closing: str | None = None  # what ends the thoughts that prompts open

    def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> list[str]:
        for request in requests:
            new = int(request.args[1].get("max_gen_toks", self.max_gen_toks))
            if new >= self.max_length:
                raise ConfigError(
                    f"max_new_tokens: {request.task_name!r} asks for {new} new tokens, but the model "
                    f"can read {self.max_length} in all; set fewer"
                )
        opened = {opened_by(request.args[0]) for request in requests}
        self._closing = opened.pop() if len(opened) == 1 else None
        replies: list[str] = super().generate_until(requests, disable_tqdm=True)
        return replies

    def loglikelihood(
        self, requests: list[Any], disable_tqdm: bool = True
    ) -> list[tuple[float, bool]]:
        answers: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return answers

    @property
    def eot_token_id(self) -> int:
        """The tokenizer's end token, or the first that the generation config names."""
        own = self.tokenizer.eos_token_id
        return int(self._ends[0] if own is None else own)

    @property
    def prefix_token_id(self) -> int:
        """What a text is scored after where nothing else stands before it."""
        start = self.tokenizer.bos_token_id
        return self.eot_token_id if start is None else int(start)

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        return chat_text(self.tokenizer, described(chat_history), reply=add_generation_prompt)

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        if self.tokenizer.chat_template is None:
            pair: tuple[list[int], list[int]] = super()._encode_pair(context, continuation)
            return pair
        close = opened_by(context)
        thoughts = "" if close is None else continuing("", close, keep=False)
        before = ids_of(self.tokenizer, context) + bare_ids(self.tokenizer, thoughts)
        return before, bare_ids(self.tokenizer, continuation)

    def tok_encode(
        self,
        string: str,
        add_special_tokens: bool | None = None,
        left_truncate_len: int | None = None,
        **kwargs: Any,
    ) -> list[int]:
        encode = bare_ids if add_special_tokens is False else ids_of
        ids = encode(self.tokenizer, string)
        return ids[-left_truncate_len:] if left_truncate_len else ids

    def tok_decode(self, tokens: Any, skip_special_tokens: bool = True) -> str:
        ids = [tokens] if isinstance(tokens, int) else [int(i) for i in tokens]
        if skip_special_tokens:
            return self.behind_thoughts(self._decode(ids))
        plain: str = self.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        return plain

    def behind_thoughts(self, reply: str) -> str:
        """What is said in a reply, as text, to the prompts that are asked now."""
        reply = whole_reply(reply, self._closing)
        return reply[said_from(reply) :]

    def tok_batch_encode(
        self, strings: list[str], left_truncate_len: int | None = None, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        ids, mask = left_padded([self.tok_encode(text) for text in strings], self._ends[0])
        if left_truncate_len is not None and ids.shape[1] > left_truncate_len:
            self._too_long(int(mask.sum(dim=1).max()), left_truncate_len)
            ids, mask = ids[:, -left_truncate_len:], mask[:, -left_truncate_len:]
        return ids, mask

    def _loglikelihood_tokens(
        self, requests: list[tuple[Any, list[int], list[int]]], *args: Any, **kwargs: Any
    ) -> list[tuple[float, bool]]:
        lengths = [len(context) + len(scored) for _, context, scored in requests]
        if max(lengths, default=0) > self.max_length + 1:
            self._too_long(max(lengths), self.max_length + 1)
        self.tokens += sum(min(n, self.max_length + 1) for n in lengths)
        # Answers of one token behind the same text are read once.
        texts: dict[tuple[int, ...], list[int]] = {}
        for n, (_, context, scored) in enumerate(requests):
            whole = (context + scored)[-(self.max_length + 1) :]
            texts.setdefault(tuple(whole[:-1]), []).append(n)
        read, found = list(texts), dict[int, tuple[float, bool]]()
        for part in batches([len(text) for text in read], int(self.batch_size)):
            some = {read[at]: texts[read[at]] for at in part}
            answers = [[requests[n][2] for n in those] for those in some.values()]
            each = self._scored(list(some), answers)
            found |= zip(itertools.chain.from_iterable(some.values()), each, strict=True)
        both = ((found[n], len(scored)) for n, (_, _, scored) in enumerate(requests))
        return [(Likelihood(total, tokens), greedy) for (total, greedy), tokens in both]

    def _scored(
        self, texts: Sequence[Sequence[int]], answers: Sequence[Sequence[Sequence[int]]]
    ) -> list[tuple[float, bool]]:
        """Log-likelihood of each answer of each text, and whether its tokens are the likeliest.

        A text holds all of its answers but their last token. Logits exist a few positions at a time.
        """
        ids, mask = left_padded(texts, self._ends[0])
        width, flat = ids.shape[1], [a for some in answers for a in some]
        lengths = [min(len(a), width) for a in flat]
        rows = np.repeat(np.repeat(np.arange(len(texts)), list(map(len, answers))), lengths)
        columns = np.concatenate([np.arange(width - n, width) for n in lengths])
        said = np.concatenate([np.array(a[-n:]) for a, n in zip(flat, lengths, strict=True)])
        batch = Batch(
            ids.to(self.device),
            mask.to(self.device),
            (mask.cumsum(1) - 1).clamp(min=0).to(self.device),
            torch.from_numpy(rows).to(self.device),
            torch.from_numpy(columns).to(self.device),
            Targets(torch.from_numpy(said).to(self.device), None),
        )
        each, likeliest = [], []
        with evaluating(self.model):
            for some, logits in logits_in_pieces(self.model, batch):
                tokens = batch.targets.tokens[some].to(logits.device)
                each.append(logits.log_softmax(-1).gather(-1, tokens[:, None])[:, 0].double().cpu())
                likeliest.append((logits.argmax(-1) == tokens).cpu())
        sums, greedy = (torch.split(torch.cat(p), lengths) for p in (each, likeliest))
        return [(float(s.sum()), bool(g.all())) for s, g in zip(sums, greedy, strict=True)]

    def _model_generate(
        self, context: Tensor, max_length: int, stop: list[str], **kwargs: Any
    ) -> Tensor:
        """Greedy replies (B, prompt + new). A reply that has ended is padded from there on."""
        ends = self._end_tokens()
        rows = _Rows(self, context.shape[1], [text for text in stop if text], ends)
        replies: Tensor = self.model.generate(
            input_ids=context,
            attention_mask=kwargs["attention_mask"],
            max_new_tokens=max_length - context.shape[1],
            do_sample=False,
            stopping_criteria=StoppingCriteriaList([rows]),
            eos_token_id=ends,
            pad_token_id=ends[0],  # dropped with the ends when a reply becomes text
            use_cache=True,
        )
        self.tokens += int(kwargs["attention_mask"].sum()) + int(rows.lengths.sum())
        return replies

    def _end_tokens(self) -> list[int]:
        """The tokenizer's end token and those that the model's own settings name."""
        return list(self._ends)

    def ending(self, stop: str) -> Tensor:
        """(V,) whether a token may be the last of a text that contains `stop`."""
        if stop not in self._endings:
            size = max(len(self.tokenizer), self.model.config.vocab_size)
            last = stop[-1]
            if last.isascii() and last != " ":
                texts = self.tokenizer.batch_decode(
                    [[i] for i in range(len(self.tokenizer))], clean_up_tokenization_spaces=False
                )
                may = [last in text for text in texts]
                may += [False] * (size - len(may))
            else:  # such a character can be spread over tokens, or dropped where it is alone
                may = [True] * size
            self._endings[stop] = torch.tensor(may, device=self.device)
        return self._endings[stop]

    def _too_long(self, length: int, room: int) -> None:
        if not self._truncate:
            raise ConfigError(
                f"a probe prompt has {length} tokens, the model has room for {room} of the "
                f"{self.max_length} it can read; use shorter items, fewer new tokens, or "
                "probes.truncate = true"
            )


def described(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Messages with a benchmark's description, which lm-eval makes the system's, before the first text."""
    if messages[0]["role"] != "system" or len(messages) == 1:
        return messages
    description, first, *others = messages
    return [
        {**first, "content": f"{description['content'].rstrip()}\n\n{first['content']}"},
        *others,
    ]


class _Rows:
    """Stopping criterion: which replies of a batch have ended, and the length of each."""

    def __init__(self, lm: ProbeLM, start: int, stop: list[str], ends: list[int]) -> None:
        self._lm = lm
        self._start = start
        self._stop = stop
        self._ends = torch.tensor(ends, device=lm.device)
        self.lengths = torch.zeros(0)

    def __call__(self, ids: Tensor, scores: Tensor, **_: Any) -> Tensor:
        if ids.shape[1] == self._start + 1:
            self.lengths = torch.zeros(len(ids), dtype=torch.long, device=ids.device)
            self._done = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
        self.lengths += ~self._done
        self._done |= torch.isin(ids[:, -1], self._ends)
        for stop in self._stop:
            near = self._lm.ending(stop)[ids[:, -1]] & ~self._done
            for row in near.nonzero().flatten().tolist():
                text = self._lm.tok_decode(ids[row, self._start :], skip_special_tokens=False)
                self._done[row] = stop in self._lm.behind_thoughts(text)
        return self._done.clone()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bar and no log line below an error from the libraries while this lasts."""
    loggers = [logging.getLogger(name) for name in ("lm_eval", "transformers", "datasets")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def as_it_was(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Iterator[None]:
    """Restores the mode of every module, and the tokenizer's padding."""
    modes = [(module, module.training) for module in model.modules()]
    side, pad = tokenizer.padding_side, tokenizer.pad_token
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
        tokenizer.padding_side, tokenizer.pad_token = side, pad
