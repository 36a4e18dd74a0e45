"""The adapter's parts on a device beside the same on the CPU: replies, distributions, a run."""

import numpy as np
import torch

from readsim_hf.backend import HFBackend
from readsim_hf.components import build_components
from readsim_hf.config import RunConfig, preset_table
from readsim_hf.models.pairs import Pair, load_pair
from readsim_hf.teachers.decoding import Decoding, generate
from readsim_hf.teachers.scoring import Passage, SoftSettings, score
from studies.gpu_check.check import Check


def replies(device: torch.device) -> list[Check]:
    """Of nano's teacher to the same prompts: alone or in a batch, and as on the CPU; distributions too."""
    there, here = _pair(device).local_teacher(), load_pair("nano").local_teacher()
    draws = np.random.default_rng(0)
    prompts = [draws.integers(3, 90, n).astype(np.int32) for n in (5, 9, 14, 20, 7, 11)]
    decoding = Decoding(max_new_tokens=16, temperature=0.7, batch_size=len(prompts))
    ends, vocab = [1], there.config.vocab_size

    def said(model: object, some: list[np.ndarray]) -> list[list[int]]:
        made = generate(model, some, decoding, ends=ends, vocab=vocab)  # type: ignore[arg-type]
        return [reply.tolist() for reply in made]

    whole = said(there, prompts)
    alone = [said(there, [p])[0] for p in prompts]
    passages = [
        Passage(p, np.array(r, dtype=np.int32), (0, len(r)))
        for p, r in zip(prompts, whole, strict=True)
    ]
    soft = SoftSettings("full")
    both = [score(m, passages, soft, vocab=vocab, batch_size=4) for m in (there, here)]
    off = max(
        float(np.abs(np.exp(a.logp) - np.exp(b.logp)).max()) for a, b in zip(*both, strict=True)
    )
    return [
        Check("replies alone and in a batch, fp32: share equal", _equal(whole, alone), least=1.0),
        Check(
            "replies as on the CPU, fp32: share equal",
            _equal(whole, said(here, prompts)),
            least=0.8,
        ),
        Check("teacher's probabilities beside the CPU's: largest difference", off, 1e-3),
    ]


def _equal(some: list[list[int]], others: list[list[int]]) -> float:
    return float(np.mean([a == b for a, b in zip(some, others, strict=True)]))


def _pair(device: torch.device) -> Pair:
    return load_pair("nano", device=str(device))


def run(device: torch.device, budget: int = 3000) -> list[Check]:
    """A small distillation of nano through the whole backend, in bf16 there and in fp32 on the CPU."""
    there, scores = _losses(device, budget, "bf16")
    here, _ = _losses(torch.device("cpu"), budget, "fp32")
    finite = float(np.isfinite([*there, *scores]).all())
    off = abs(float(np.mean(there) / np.mean(here)) - 1.0)
    return [
        Check("a run of nano in bf16: everything is a number", finite, least=1.0),
        Check("a run of nano in bf16: mean loss beside the CPU's", off, 0.1),
    ]


def _losses(device: torch.device, budget: int, precision: str) -> tuple[list[float], list[float]]:
    """Losses of all steps, and all scores: reset, two intervals with a restore between, the test split."""
    small = {
        "budget": budget,
        "steps": 2,
        "probes": {"probe": 8, "dev": 4, "test": 16},
        "data": {"group": 32},
        "training": {"precision": precision},
    }
    config = RunConfig.of(preset_table("nano"), small)
    backend = HFBackend(build_components(config, _pair(device)), config.budget)
    losses: list[float] = []
    backend.watch = lambda kind, n: losses.append(n["loss"]) if kind == "window" else None
    scores = backend.reset(0).profile.tolist()
    weights = np.full(len(backend.sources), 1 / len(backend.sources))
    for step in range(2):
        scores += backend.run_interval(step, weights, budget // 2).profile.tolist()
        backend.restore(backend.snapshot())
    return losses, scores + backend.final_eval().profile.tolist()
