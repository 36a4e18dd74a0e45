"""Tiny models on disk for the tests of real runs: folders and GGUF files, made when a test runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORDS = ("<pad>", "<eos>", "<unk>", "a", "b", "c", "d", "e")

WIDTH, LAYERS, HEADS, KV_HEADS, CONTEXT = 32, 4, 2, 1, 64  # of the GGUF file's model
SPECIAL = ["<unk>", "<start>", "<end>"]


def word_tokenizer(words: Sequence[str] = WORDS, eos: str = "<eos>", split: bool = True) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace() if split else None
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=inner, eos_token=eos, unk_token="<unk>")


def saved(folder: Path, family: str = "llama", words: Sequence[str] = WORDS, **kw: Any) -> str:
    """A folder with a tiny model and a tokenizer."""
    from readsim_hf.models.loading import no_progress_bars
    from readsim_hf.models.tiny import tiny_model

    settings: dict[str, Any] = {"vocab_size": len(words), "layers": 2, "width": 32, "seed": 0} | kw
    with no_progress_bars():
        tiny_model(family, **settings).save_pretrained(folder)
    word_tokenizer(words).save_pretrained(folder)
    return str(folder)


def logits(model: Any, ids: Sequence[int] = (3, 4, 5, 6, 7, 3)) -> Any:
    import torch

    with torch.no_grad():
        return model(torch.tensor([list(ids)], device=model.device)).logits


def equal_weights(a: Any, b: Any) -> bool:
    import torch

    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def gguf_model() -> Any:
    """The model of `write_gguf`."""
    from readsim_hf.models.tiny import tiny_model

    vocabulary = len(SPECIAL) + 257
    return tiny_model("llama", vocabulary, LAYERS, WIDTH, 3, context=CONTEXT, eos_token_id=2)


def rotary_order(weight: Any, heads: int) -> Any:
    """llama.cpp keeps the two halves of each head's rows interleaved."""
    rows, columns = weight.shape
    return (
        weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
    )


def write_gguf(path: Path) -> Path:
    """The tiny model, exact (F32), with a byte-level tokenizer of 256 bytes and one merge."""
    import gguf
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(2 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    letters: Any = bytes_to_unicode
    tokens = [*SPECIAL, *letters().values(), "he"]
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(SPECIAL) + [1] * 257)
    writer.add_token_merges(["h e"])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    names = {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    weights = {name: value.numpy() for name, value in gguf_model().state_dict().items()}
    writer.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    writer.add_tensor("output_norm.weight", weights["model.norm.weight"])
    for i in range(LAYERS):
        for ours, theirs in names.items():
            value = weights[f"model.layers.{i}.{ours}.weight"]
            heads = {"attn_q": HEADS, "attn_k": KV_HEADS}.get(theirs)
            value = value if heads is None else rotary_order(value, heads)
            writer.add_tensor(f"blk.{i}.{theirs}.weight", value.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
