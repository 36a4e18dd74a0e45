"""Random models of many architectures, tiny, all reading characters."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CONTEXT = 160
_D: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": CONTEXT,
}  # fmt: skip
_GPT: dict[str, Any] = {"n_positions": CONTEXT, "n_embd": 32, "n_layer": 2, "n_head": 2}
_SLIDING: dict[str, Any] = {**_D, "sliding_window": 16}
_GEMMA: dict[str, Any] = {**_SLIDING, "head_dim": 16, "query_pre_attn_scalar": 16}
_SSM: dict[str, Any] = {
    "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_n_groups": 1, "mamba_d_state": 8,
    "mamba_chunk_size": 16,
}  # fmt: skip
# Attention over all that came before, with positions of every kind.
ATTENDING: dict[str, dict[str, Any]] = {
    "llama": _D,
    "mistral": _SLIDING,
    "qwen2": {**_D, "tie_word_embeddings": True},
    "qwen3": {**_D, "head_dim": 16},
    "gemma2": _GEMMA,  # caps its logits
    "gemma3_text": _GEMMA,
    "phi": {**_D, "num_key_value_heads": 2},
    "gpt2": _GPT,
    "gpt_bigcode": _GPT,
    "opt": {**_D, "ffn_dim": 32, "word_embed_proj_dim": 32},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
    "mpt": {"d_model": 32, "n_heads": 2, "n_layers": 2, "max_seq_len": CONTEXT, "expansion_ratio": 1},
    "gpt_neox": _D,
    "stablelm": _D,
    "falcon": _D,
    "olmo2": _D,
    "smollm3": _D,
    "cohere": {**_D, "logit_scale": 0.25},
    "granite": {**_D, "logits_scaling": 4.0},
    "mixtral": {**_D, "num_local_experts": 4, "num_experts_per_tok": 2},
}  # fmt: skip
# A state that is carried on, in all layers or in some.
RECURRENT: dict[str, dict[str, Any]] = {
    "mamba": {"hidden_size": 32, "state_size": 4, "num_hidden_layers": 2},
    "mamba2": {
        "hidden_size": 32, "state_size": 4, "num_hidden_layers": 2, "num_heads": 4, "head_dim": 16,
        "n_groups": 1, "chunk_size": 16,
    },
    "falcon_mamba": {"hidden_size": 32, "state_size": 4, "num_hidden_layers": 2},
    "rwkv": {
        "hidden_size": 32, "attention_hidden_size": 32, "num_hidden_layers": 2, "context_length": CONTEXT,
    },
    "jamba": {
        **_D, "attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2,
        "expert_layer_offset": 1, "num_experts": 2, "mamba_d_state": 4, "mamba_dt_rank": 4,
        "use_mamba_kernels": False,
    },
    "bamba": {**_D, **_SSM, "attn_layer_indices": [1]},
    "falcon_h1": {**_D, **_SSM, "head_dim": 16, "mamba_d_ssm": 64},
    "zamba2": {
        **_D, "num_key_value_heads": 2, "mamba_d_state": 8, "n_mamba_heads": 4, "mamba_ngroups": 1,
        "chunk_size": 16, "layers_block_type": ["mamba", "hybrid"], "num_mem_blocks": 1,
    },
    "recurrent_gemma": {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 16, "lru_width": 32, "attention_window_size": 16,
        "block_types": ["recurrent", "recurrent", "attention"],
    },
}  # fmt: skip
ALL = {**ATTENDING, **RECURRENT}
STATELESS = ("bloom", "mamba", "mamba2", "falcon_mamba", "recurrent_gemma")  # no context length


def tiny_of(kind: str, vocabulary: int = 99) -> "PreTrainedModel":
    """A random model of that `model_type`."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    ids = {"bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0, "vocab_size": vocabulary}
    config: Any = AutoConfig.for_model(kind, **ids, **ALL[kind])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        make: Any = AutoModelForCausalLM.from_config
        model: PreTrainedModel = make(config, dtype=torch.float32).eval()
    return model


def saved_of(kind: str, folder: Path) -> str:
    """A folder of that model with the character tokenizer."""
    from readsim_hf.models.char_tokenizer import char_tokenizer
    from readsim_hf.models.loading import no_progress_bars

    with no_progress_bars():
        tiny_of(kind).save_pretrained(folder)
    char_tokenizer().save_pretrained(folder)
    return str(folder)
