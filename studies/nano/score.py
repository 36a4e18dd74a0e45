"""Exact match of a nano model on held-out questions."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from readsim.streams import generator
from readsim_hf.prompts.library import Form, Library
from readsim_hf.prompts.prompt import CAPABILITIES, Prompt
from studies.nano.data import FORMS, encode, fresh, gold

LONGEST_REPLY = 72


def questions(library: Library, n: int, seed: int) -> dict[str, tuple[Prompt, ...]]:
    """n held-out prompts of each capability."""
    return {
        name: fresh(library, name, n, generator(seed, "test", i))
        for i, name in enumerate(CAPABILITIES)
    }


@torch.inference_mode()
def forced(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    library: Library,
    prompts: Sequence[Prompt],
    form: Form,
) -> list[bool]:
    """Whether greedy decoding would give the gold reply, from one pass over question and reply."""
    encoded = encode(tokenizer, [gold(library, prompt, form) for prompt in prompts])
    width = max(len(ids) for ids, _ in encoded)
    tokens = torch.full((len(encoded), width), int(tokenizer.pad_token_id))
    targets = torch.full((len(encoded), width), -100)
    for i, (ids, asked) in enumerate(encoded):
        tokens[i, : len(ids)] = torch.tensor(ids)
        targets[i, asked - 1 : len(ids) - 1] = torch.tensor(ids[asked:])
    best = model(input_ids=tokens, use_cache=False).logits.argmax(-1)
    return [bool(right) for right in ((best == targets) | (targets < 0)).all(1)]


@torch.inference_mode()
def replies(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    asked: Sequence[str],
) -> list[str]:
    """Greedy replies, in one left-padded batch."""
    batch = tokenizer(list(asked), return_tensors="pt", padding=True)
    out = cast(Any, model).generate(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        max_new_tokens=LONGEST_REPLY,
        do_sample=False,
    )
    new = out[:, batch["input_ids"].shape[1] :]
    return [str(tokenizer.decode(row, skip_special_tokens=True)) for row in new]


def forced_table(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    library: Library,
    asked: Mapping[str, Sequence[Prompt]],
) -> str:
    """Forced exact match per capability: answer only / rationale and answer."""
    cells = []
    for name, prompts in asked.items():
        right = [forced(model, tokenizer, library, prompts, form) for form in FORMS]
        rates = [sum(each) / len(prompts) for each in right]
        cells.append(f"{name[:5]} " + "/".join(f"{rate:.2f}" for rate in rates))
    return "  ".join(cells)


def scores(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    library: Library,
    asked: Mapping[str, Sequence[Prompt]],
) -> dict[str, dict[Form, float]]:
    """Exact match of the final answer of greedy replies, per capability and form."""
    table: dict[str, dict[Form, float]] = {}
    for name, prompts in asked.items():
        table[name] = {}
        for form in FORMS:
            said = replies(model, tokenizer, [library.style.ask(p, form) for p in prompts])
            final = [library.style.final_answer(text) for text in said]
            right = [text == p.answer for text, p in zip(final, prompts, strict=True)]
            table[name][form] = sum(right) / len(prompts)
    return table
