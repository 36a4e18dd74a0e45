"""Probe items to draw, a tokenizer of characters, a small random model, and a slow reference."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from readsim_hf.probes.splits import Sizes, Splits, draw_items
from readsim_hf.prompts.prompt import Prompt

CHARACTERS = [chr(code) for code in range(32, 127)] + ["\n"]


class Sums:
    """Sums of two numbers below `most`."""

    capability = "math"

    def __init__(self, most: int = 1000, name: str = "math/sum") -> None:
        self.id = name
        self._most = most

    def make(self, rng: np.random.Generator) -> Prompt:
        a, b = (int(n) for n in rng.integers(0, self._most, 2))
        return Prompt("math", self.id, f"{a}+{b}", answer=str(a + b))


def drawn(names: Sequence[str], *sizes: int) -> Splits:
    """Splits of as many benchmarks of sums."""
    some = Sizes(*sizes) if sizes else Sizes(8, 4, 6)
    return Splits({n: draw_items(n, [Sums()], 0, k, sizes=some) for k, n in enumerate(names)})


def characters(template: str | None = None) -> Any:
    """A tokenizer with one token a character, `<pad>` and `<eos>`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate(["<pad>", "<eos>", "<unk>", *CHARACTERS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    inner.decoder = decoders.Fuse()
    make: Any = PreTrainedTokenizerFast
    tokenizer = make(
        tokenizer_object=inner, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    tokenizer.chat_template = template
    return tokenizer


def tiny_model(kind: str = "llama", positions: int = 128, seed: int = 0) -> Any:
    """A random model over the characters; the global generator of torch is left as it was."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    common: dict[str, Any] = {
        "vocab_size": len(CHARACTERS) + 3,
        "pad_token_id": 0,
        "eos_token_id": 1,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "gpt2":
            return GPT2LMHeadModel(
                GPT2Config(
                    n_embd=16, n_layer=2, n_head=2, n_positions=positions, bos_token_id=1, **common
                )
            )
        return LlamaForCausalLM(
            LlamaConfig(
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=positions,
                bos_token_id=None,
                **common,
            )
        )


def by_hand(
    model: Any, tokenizer: Any, text: str, most: int, stop: Sequence[str]
) -> tuple[str, int]:
    """Greedy reply and the tokens read and written, one token at a time, no cache, no batch."""
    import torch

    prompt = tokenizer(text).input_ids
    new: list[int] = []
    model.eval()
    while len(new) < most:
        with torch.no_grad():
            new.append(int(model(torch.tensor([prompt + new])).logits[0, -1].argmax()))
        reply = tokenizer.decode(new, skip_special_tokens=True)
        ends = [reply.index(s) for s in stop if s in reply]
        if new[-1] == tokenizer.eos_token_id or ends:
            return reply[: min(ends)] if ends else reply, len(prompt) + len(new)
    return reply, len(prompt) + len(new)
