"""Gold sequences for the nano pair: drawn, encoded, and packed into rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from readsim_hf.prompts.library import Form, Library
from readsim_hf.prompts.prompt import Prompt

WIDTH = 128  # tokens in a row
FORMS: tuple[Form, ...] = ("answer", "rationale")


def held_out(prompt: Prompt) -> bool:
    """Whether training leaves this question out: one in sixteen, by its key."""
    return prompt.key.startswith("0")


def fresh(
    library: Library, capability: str, n: int, rng: np.random.Generator
) -> tuple[Prompt, ...]:
    """n different held-out prompts of a capability."""
    found: dict[str, Prompt] = {}
    while len(found) < n:
        prompt = draw(library, capability, rng)
        if held_out(prompt):
            found[prompt.key] = prompt
    return tuple(found.values())


def draw(library: Library, capability: str, rng: np.random.Generator) -> Prompt:
    """A prompt of a capability, its templates equally likely."""
    templates = library.templates[capability]
    return templates[int(rng.integers(len(templates)))].make(rng)


def gold(library: Library, prompt: Prompt, form: Form) -> tuple[str, str]:
    """The question as asked in this form, and the reply that is right."""
    assert prompt.answer is not None
    asked = library.style.ask(prompt, form)
    if form == "answer":
        return asked, prompt.answer
    return asked, f"{prompt.rationale}{library.style.mark}{prompt.answer}"


@dataclass(frozen=True)
class Mix:
    """What training draws: weight of each capability, and the share of the answer-only form."""

    weights: Mapping[str, float]
    answers: float = 0.6

    def examples(self, library: Library, rng: np.random.Generator) -> Iterator[tuple[str, str]]:
        """Endless questions and replies, none of them held out."""
        names = tuple(self.weights)
        edges = np.cumsum([self.weights[name] for name in names])
        while True:
            capability = names[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]
            prompt = draw(library, capability, rng)
            if not held_out(prompt):
                yield gold(library, prompt, FORMS[int(rng.random() >= self.answers)])


@dataclass(frozen=True)
class Rows:
    """Several examples in each row: (rows, WIDTH) tokens, positions, targets (-100: no loss), and
    (rows, 1, WIDTH, WIDTH) mask, true where a token sees an earlier one of its own example.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    targets: torch.Tensor
    mask: torch.Tensor


def encode(
    tokenizer: PreTrainedTokenizerFast, examples: Sequence[tuple[str, str]]
) -> list[tuple[list[int], int]]:
    """Tokens of question, reply and end, with the length of the question."""
    end = tokenizer.eos_token_id
    asked = tokenizer([question for question, _ in examples])["input_ids"]
    replies = tokenizer([reply for _, reply in examples])["input_ids"]
    return [([*a, *r, end], len(a)) for a, r in zip(asked, replies, strict=True)]


def pack(
    tokenizer: PreTrainedTokenizerFast, examples: Iterator[tuple[str, str]], rows: int
) -> Rows:
    """Fill rows with examples, each into the first row with room, until one fits nowhere."""
    tokens = np.full((rows, WIDTH), tokenizer.pad_token_id, dtype=np.int64)
    positions = np.zeros((rows, WIDTH), dtype=np.int64)
    targets = np.full((rows, WIDTH), -100, dtype=np.int64)
    owner = np.zeros((rows, WIDTH), dtype=np.int64)
    used = np.zeros(rows, dtype=np.int64)
    for count, example in enumerate(examples, start=1):
        ((ids, asked),) = encode(tokenizer, [example])
        room = np.flatnonzero(used + len(ids) <= WIDTH)
        if not len(room):
            break
        row, start = int(room[0]), int(used[room[0]])
        span = slice(start, start + len(ids))
        tokens[row, span] = ids
        positions[row, span] = np.arange(len(ids))
        targets[row, start + asked - 1 : start + len(ids) - 1] = ids[asked:]
        owner[row, span] = count
        used[row] += len(ids)
    same = owner[:, :, None] == owner[:, None, :]
    mask = same & np.tri(WIDTH, dtype=bool)
    return Rows(
        tokens=torch.from_numpy(tokens),
        positions=torch.from_numpy(positions),
        targets=torch.from_numpy(targets),
        mask=torch.from_numpy(mask)[:, None],
    )
