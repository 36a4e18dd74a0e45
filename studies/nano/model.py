"""The nano pair's shapes: Llama, with tied embeddings."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


def config(tokenizer: PreTrainedTokenizerFast, layers: int, width: int) -> LlamaConfig:
    """Four heads, inner width three times the outer."""
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def fresh_model(shape: LlamaConfig, seed: int) -> LlamaForCausalLM:
    """Matrices are normal with standard deviation 0.02, from a generator of their own."""
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(shape)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.normal_(0.0, 0.02, generator=source)
    return model
