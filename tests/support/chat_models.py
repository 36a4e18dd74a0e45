"""Instruct models and the base models that they were made of, tiny, in the chat formats of public models."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.made_teachers import CORPUS

_TURNS = "{% for m in messages %}"
_END = "{% endfor %}{% if add_generation_prompt %}"
CHATML = (
    _TURNS + "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}" + _END
) + "{{ '<|im_start|>assistant\n' }}"


@dataclass(frozen=True)
class Chat:
    """One family.

    template    of the instruct model; the base model has none
    start       the start token, None for none; `adds` whether its tokenizer puts it first
    ends        end token of the base tokenizer, of the instruct tokenizer, and those that the instruct
                model's generation config names
    special     the other special tokens
    """

    template: str
    start: str | None
    adds: bool
    ends: tuple[str, str, tuple[str, ...]]
    special: tuple[str, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)


FAMILIES = {
    "llama-3": Chat(
        "{{ bos_token }}{% if not date_string is defined %}"
        '{% set date_string = strftime_now("%d %b %Y") %}{% endif %}'
        "{{ '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' + date_string + '<|eot_id|>' }}"
        + _TURNS
        + "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}"
        + _END
        + "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
        "<|begin_of_text|>",
        True,
        ("<|end_of_text|>", "<|eot_id|>", ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")),
        ("<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>"),
    ),
    "gemma-3": Chat(
        "{{ bos_token }}" + _TURNS + "{{ '<start_of_turn>' + m.role + '\n' + m.content | trim + "
        "'<end_of_turn>\n' }}" + _END + "{{ '<start_of_turn>model\n' }}{% endif %}",
        "<bos>",
        True,
        ("<eos>", "<eos>", ("<eos>", "<end_of_turn>")),
        ("<start_of_turn>", "<end_of_turn>"),
    ),
    "qwen-3": Chat(
        CHATML + "{% if enable_thinking is defined and enable_thinking is false %}"
        "{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}",
        None,
        False,
        ("<|endoftext|>", "<|im_end|>", ("<|im_end|>", "<|endoftext|>")),
        ("<|im_start|>", "<|im_end|>"),
        {"enable_thinking": False},
    ),
    "phi-4": Chat(
        _TURNS
        + "{{ '<|im_start|>' + m.role + '<|im_sep|>' + m.content + '<|im_end|>' }}"
        + _END
        + "{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}",
        "<|endoftext|>",
        False,
        ("<|endoftext|>", "<|im_end|>", ("<|endoftext|>", "<|im_end|>")),
        ("<|im_start|>", "<|im_sep|>", "<|im_end|>"),
    ),
    "smollm-3": Chat(
        "{{ '<|im_start|>system\nToday Date: ' + strftime_now('%d %B %Y') + '<|im_end|>\n' }}"
        + CHATML
        + "{% endif %}",
        "<|begin_of_text|>",
        False,
        ("<|end_of_text|>", "<|im_end|>", ("<|im_end|>",)),
        ("<|im_start|>", "<|im_end|>"),
    ),
    "mistral": Chat(
        "{{ bos_token }}" + _TURNS + "{{ '[INST] ' + m.content + ' [/INST]' }}{% endfor %}",
        "<s>",
        True,
        ("</s>", "</s>", ("</s>",)),
        ("[INST]", "[/INST]"),
    ),
}


def chat_tokenizer(chat: Chat, *, instruct: bool) -> Any:
    """A byte-level tokenizer; base and instruct have the same ids."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    base_end, end, _ = chat.ends
    special = list(dict.fromkeys((chat.start, base_end, end, *chat.special)))
    named = [token for token in special if token is not None]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=named, initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(CORPUS, trainer)
    if chat.adds and chat.start is not None:
        inner.post_processor = processors.TemplateProcessing(
            single=f"{chat.start} $A", special_tokens=[(chat.start, named.index(chat.start))]
        )
    make: Any = PreTrainedTokenizerFast
    tokenizer = make(
        tokenizer_object=inner,
        bos_token=chat.start,
        eos_token=end if instruct else base_end,
        clean_up_tokenization_spaces=True,
    )
    tokenizer.chat_template = chat.template if instruct else None
    return tokenizer


def chat_folder(folder: Path, chat: Chat, *, instruct: bool, seed: int = 0) -> str:
    """A tiny model of the family on disk."""
    from readsim_hf.models.loading import no_progress_bars
    from readsim_hf.models.tiny import tiny_model

    tokenizer = chat_tokenizer(chat, instruct=instruct)
    model = tiny_model("llama", 336, 1, 16, seed, context=1024)
    ends = chat.ends[2] if instruct else chat.ends[:1]
    model.generation_config.eos_token_id = tokenizer.convert_tokens_to_ids(list(ends))
    model.generation_config.pad_token_id = None
    with no_progress_bars():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
