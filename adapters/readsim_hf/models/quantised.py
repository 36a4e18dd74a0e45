"""Weights of 8 or 4 bits, by bitsandbytes: for teachers, and for a student whose LoRA adapters train."""

from importlib.util import find_spec
from typing import Any

import torch
import transformers

from readsim.errors import ConfigError

QUANTISED = ("int8", "nf4")


def quantised_options(precision: str, source: str) -> dict[str, Any]:
    """Options of `from_pretrained` for weights in `int8` (Dettmers et al. 2022, arXiv 2208.07339) or `nf4`
    (with double quantisation; Dettmers et al. 2023, arXiv 2305.14314); products are in bfloat16.

    ConfigError where bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise ConfigError(
            f"precision = {precision!r} of {source!r}: the package bitsandbytes is missing: "
            "pip install bitsandbytes, or use 'bf16'"
        )
    make: Any = transformers.BitsAndBytesConfig
    return {"quantization_config": make(**quantisation_of(precision))}


def quantisation_of(precision: str) -> dict[str, Any]:
    """Arguments of transformers' `BitsAndBytesConfig`."""
    if precision == "int8":
        return {"load_in_8bit": True}
    return {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": torch.bfloat16,
    }
