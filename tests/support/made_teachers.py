"""Random teachers of a few thousand parameters over a byte-level vocabulary; their records."""

from pathlib import Path
from typing import Any

import numpy as np

from readsim_hf.prompts.library import Style
from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.record import Soft, TeacherRecord

CORPUS = (
    "the answer: 42 is right, Answer: 7\nAnswer:42 think step by step: so far, so good.\n",
    "Répondez: déjà vu, naïve café. 答え: 東京 と 大阪。 🙂🙃 mixed: 🙂x\n",
    "17+25=42 3+4=7 8-5=3 reply with the final answer only. answer:4 answer:42\n",
    "x:42 y:4 z:47 :4 :4\n",
)
END = "<|end|>"
CHAT = (
    "{{ bos_token }}{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] }}"
    "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)


def bytes_tokenizer(*, chat: bool = False, adds_start: bool = False) -> Any:
    """Byte-level BPE of 320 tokens with few merges; pad = end; `adds_start` also adds an end."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    # No split at spaces or marks, so that a token may hold characters on both sides of a mark.
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=[END, "<|start|>", "<|turn|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(CORPUS, trainer)
    if adds_start:
        inner.post_processor = processors.TemplateProcessing(
            single=f"<|start|> $A {END}", special_tokens=[("<|start|>", 1), (END, 0)]
        )
    wrap: Any = PreTrainedTokenizerFast
    tokenizer = wrap(tokenizer_object=inner, bos_token="<|start|>", eos_token=END, pad_token=END)
    tokenizer.chat_template = CHAT if chat else None
    return tokenizer


def random_model(kind: str = "llama", *, ends: int | list[int] = 0, seed: int = 0) -> Any:
    """A random model for those 320 tokens (and 8 that no token has) with a context of 128."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    ids: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": ends, "pad_token_id": 0}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if kind == "gpt2":
            sizes: dict[str, Any] = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 128}
            model: Any = GPT2LMHeadModel(GPT2Config(vocab_size=328, **sizes, **ids))
        else:
            llama = LlamaConfig(
                vocab_size=328,
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=1,
                max_position_embeddings=128,
                **ids,
            )
            model = LlamaForCausalLM(llama)
        # Far from uniform, so that a wrong position or mask changes what is said.
        with torch.no_grad():
            for weight in model.parameters():
                if weight.ndim == 2:
                    weight.mul_(12)
    return model.eval()


def asking(text: str, capability: str = "math") -> Prompt:
    """A prompt with this text."""
    return Prompt(capability, "math/sum", text)


PROMPTS = [asking(text) for text in ("3+5", "17+25", "8-5", "a long one: 1+1+1+1")]


def teacher(path: Path | None, **changes: Any) -> Any:
    """A teacher with a cache there, or without one."""
    from readsim_hf.teachers.cache import SignalCache
    from readsim_hf.teachers.decoding import Decoding
    from readsim_hf.teachers.scoring import SoftSettings
    from readsim_hf.teachers.signals import signal_named
    from readsim_hf.teachers.teacher import Teacher

    given: dict[str, Any] = {
        "temperature": 0.7,
        "max_new_tokens": 8,
        "batch_size": 4,
        "kind": "topk",
        "k": 5,
        "signal": "resp",
        "style": Style("=", "~", "never said"),
        "seed": 0,
        "vocab": 320,
        "format_ok": lambda prompt, answer: True,
        "ends": [0, 141, 142],
        "keep_cut": True,  # a random model seldom ends a reply
    } | changes
    model = random_model(seed=given["seed"])
    model.generation_config.eos_token_id = given["ends"]  # no part of the fingerprint
    return Teacher(
        model,
        bytes_tokenizer(),
        given["style"],
        signal_named(given["signal"]),
        decoding=Decoding(given["max_new_tokens"], given["temperature"], given["batch_size"]),
        format_ok=given["format_ok"],
        keep_cut=given["keep_cut"],
        soft=SoftSettings(given["kind"], given["k"]),
        vocab=given["vocab"],
        cache=None if path is None else SignalCache(path),
    )


def key(n: int) -> bytes:
    """Key number n of a cache."""
    return n.to_bytes(32, "little")


def record(seed: int = 0, kind: str | None = "topk", top: int = 60_000) -> TeacherRecord:
    """A made-up record with ids below `top`."""
    rng = np.random.default_rng(seed)
    prompt, completion = (rng.integers(0, top, n).astype(np.int32) for n in (5, 9))
    soft = None
    if kind is not None:
        shape = (7, 0 if kind == "full" else 4)
        ids = rng.integers(0, top, shape).astype(np.int32)
        logp = -rng.exponential(size=(7, 11 if kind == "full" else 4)).astype(np.float32)
        soft = Soft(kind, ids, logp)  # type: ignore[arg-type]
    return TeacherRecord("", prompt, completion, (2, 9), soft)


def equal(a: TeacherRecord, b: TeacherRecord) -> bool:
    """The same to the last bit, types included; source and token counts aside."""
    arrays: list[tuple[Any, Any]] = [
        (a.prompt_ids, b.prompt_ids),
        (a.completion_ids, b.completion_ids),
    ]
    if a.soft is not None and b.soft is not None:
        arrays += [(a.soft.ids, b.soft.ids), (a.soft.logp, b.soft.logp)]
    kinds = [None if r.soft is None else r.soft.kind for r in (a, b)]
    same = all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in arrays)
    return same and kinds[0] == kinds[1] and a.span == b.span
