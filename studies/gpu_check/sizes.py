"""What is worth running: the head and widths of real models on a GPU, toys of the same form on a CPU."""

from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from readsim_hf.models.meta import config_of
from readsim_hf.objectives.sparse import soft_from_logits
from readsim_hf.teachers.inference import without_plans
from readsim_hf.teachers.record import TeacherRecord
from readsim_hf.training.batch import Example

STUDENT = "meta-llama/Llama-3.1-8B-Instruct"  # its configuration comes with readsim
TOY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 640,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}


def model(device: torch.device, layers: int, seed: int, dtype: torch.dtype) -> PreTrainedModel:
    """Random weights of the real student's widths and vocabulary with few layers; on a CPU a toy's."""
    without_plans()
    config: Any = config_of(STUDENT)
    config.num_hidden_layers = layers
    config.rope_parameters = {"rope_type": "default", "rope_theta": 10_000.0}
    for name, value in TOY.items() if device.type == "cpu" else ():
        setattr(config, name, value)
    make: Any = AutoModelForCausalLM.from_config
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(seed)
        made: PreTrainedModel = make(config, dtype=dtype)
    made.generation_config.eos_token_id = None
    made.train(False)
    return made


def ragged(vocabulary: int, count: int, longest: int, k: int, seed: int) -> list[Example]:
    """Examples whose prompts and replies have 1 to `longest` tokens, with top-k distributions."""
    draws = np.random.default_rng(seed)
    logits = torch.Generator().manual_seed(seed)
    out = []
    for _ in range(count):
        prompt, reply = (
            draws.integers(2, vocabulary, int(draws.integers(1, longest + 1))).astype(np.int32)
            for _ in range(2)
        )
        made = 3 * torch.randn((len(reply), min(vocabulary, 4096)), generator=logits)
        soft = soft_from_logits(made, "topk", k)
        record = TeacherRecord("math", prompt, reply, (0, len(reply)), soft)
        out.append(Example(record, record.supervised))
    return out
