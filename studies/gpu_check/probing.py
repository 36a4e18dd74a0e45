"""Probes: what the student is measured with makes logits a few at a time, in the precision of training."""

from typing import Any

import numpy as np
import torch

from readsim_hf.models.char_tokenizer import char_tokenizer
from readsim_hf.models.loading import load_model
from readsim_hf.objectives.table import make_objective
from readsim_hf.probes.lm import ProbeLM
from readsim_hf.training.agreement import agreement
from readsim_hf.training.logits import chunk_positions
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.student import Student
from studies.gpu_check.check import Check
from studies.gpu_check.sizes import model, ragged


def checks(device: torch.device) -> list[Check]:
    """Agreement of a real head beside the same in float64, its peak; log-likelihoods of nano's student."""
    on_gpu = device.type == "cuda"
    one = model(device, 2, 0, torch.float32)
    student = Student(one, Recipe(precision="bf16"), make_objective("fkl"))
    vocabulary = int(one.config.vocab_size)
    records = [e.record for e in ragged(vocabulary, 12, 300 if on_gpu else 40, 8, 0)]
    kinds: set[torch.dtype] = set()
    rows: list[int] = []

    def seen(_: Any, given: Any, out: torch.Tensor) -> None:
        kinds.add(out.dtype)
        rows.append(out.numel() // out.shape[-1])

    whole: Any = one
    hook = whole.get_output_embeddings().register_forward_hook(seen)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    with student.autocast():
        found = agreement(one, records, vocabulary)
    hook.remove()
    exact = agreement(one, records, vocabulary)
    most = chunk_positions(vocabulary, device.type)
    lm = _nano(device)
    asked = [(("", ""), [3, 4, 5 + n], [7, 8 + n]) for n in range(6)]
    here, there = (
        _nano(torch.device("cpu"))._loglikelihood_tokens(asked),
        lm._loglikelihood_tokens(asked),
    )
    off = max(abs(a[0] - b[0]) for a, b in zip(here, there, strict=True))
    return [
        Check("probe: output layer in bfloat16", float(kinds == {torch.bfloat16}), least=1.0),
        Check("probe: positions whose logits exist at a time", float(max(rows)), float(most)),
        Check("probe: KL in bf16 beside fp32", abs(found.kl / exact.kl - 1.0), 0.02),
        Check("probe: log-likelihoods beside the CPU's, nats", float(off), 1e-2),
        Check("probe: positions", float(np.sum([r.supervised for r in records]))),
    ]


def _nano(device: torch.device) -> ProbeLM:
    return ProbeLM(load_model("nano/student", device=str(device)), char_tokenizer(), 4)
