"""Rows of several examples, padded and packed, beside each example alone, read without readsim's batches."""

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from readsim_hf.objectives.table import make_objective
from readsim_hf.teachers.inference import computing
from readsim_hf.training.batch import Example, collate
from readsim_hf.training.logits import loss_sum
from readsim_hf.training.source_losses import Listening
from studies.gpu_check.check import Check
from studies.gpu_check.sizes import model, ragged

SPREAD = 3.0  # standard deviation of the logits: a wrong mask or position moves them


def sharp(device: torch.device) -> PreTrainedModel:
    """Random weights that are far from uniform."""
    made = model(device, 2, 0, torch.float32)
    scale = SPREAD / (0.02 * int(made.config.hidden_size) ** 0.5)
    with torch.no_grad():
        for weight in made.parameters():
            if weight.ndim == 2:
                weight.mul_(scale)
    return made


@torch.no_grad()
def alone(one: PreTrainedModel, examples: Sequence[Example], precision: str) -> torch.Tensor:
    """Cross entropy of each token of the replies (N,), a sequence at a time, no mask, no positions given."""
    out = []
    for record, tokens in examples:
        ids = torch.tensor([*record.prompt_ids.tolist(), *record.completion_ids.tolist()])
        begin = len(record.prompt_ids) + record.span[0]
        reads: nn.Module = one
        with computing(precision, one.device.type):
            logits = reads(input_ids=ids[None].to(one.device)).logits[0].float()
        right = ids[begin : begin + tokens].to(one.device)
        said = logits[begin - 1 : begin - 1 + tokens]
        out.append(nn.functional.cross_entropy(said, right, reduction="none"))
    return torch.cat(out)


def checks(device: torch.device) -> list[Check]:
    """In both precisions: how far the losses of the tokens are apart, in standard deviations of theirs."""
    one = sharp(device)
    longest = 200 if device.type == "cuda" else 24
    examples = ragged(int(one.config.vocab_size), 8, longest, 8, 3)
    out = []
    for precision, most in (("fp32", 1e-4), ("bf16", 0.05)):
        expected = alone(one, examples, precision)
        for way, packed in (("padded", False), ("packed", True)):
            with torch.no_grad(), computing(precision, device.type):
                heard = Listening(make_objective("sft"))
                loss_sum(one, collate(examples, device, packed=packed), heard)
            off = (heard.take() - expected).square().mean().sqrt() / expected.std()
            out.append(
                Check(f"rows, {way}, {precision}: losses beside each alone", float(off), most)
            )
    return out
