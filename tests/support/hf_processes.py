"""What two processes run in test_hf_distributed.py: the same steps as one process, or how far off."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import torch

from readsim.errors import ConfigError, TrainingError
from readsim_hf.models.tiny import tiny_model
from readsim_hf.objectives.table import make_objective
from readsim_hf.training import logits
from readsim_hf.training.batch import Example
from readsim_hf.training.distributed_student import Lead, Member, follow
from readsim_hf.training.process_group import ProcessGroup
from readsim_hf.training.recipe import Recipe
from readsim_hf.training.student import Student
from tests.support.hf import full_soft, record

CASES: dict[str, dict[str, Any]] = {
    "plain": {"micro_batch": 2},
    "pieces": {"chunk": 80, "objective": "fkl"},
    "lora": {"lora": 2, "objective": "0.3*sft(on=teacher) + skew-fkl(on=teacher) + rkl(on=own)"},
    "recomputed": {"gradient_checkpointing": True, "micro_batch": 1},
    "bf16": {"precision": "bf16"},
    "gpt2": {"family": "gpt2"},
    "pairs": {"objective": "plad + 0.1*rkl"},  # two replies are seldom in one process
    "rewards": {"objective": "kdrl(kl=0.3)", "micro_batch": 2},
    "returns": {"objective": "minillm", "lora": 2},
    "teachers": {"objective": "mopd(clip=0.1)"},
    "preference": {"objective": "dpo", "lora": 2},
    "ranks": {"objective": "rrhf", "micro_batch": 1},
    "order": {"objective": "pro"},
    "both": {"objective": "contrast", "micro_batch": 2},
    "sorted": {"objective": "0.5*sft + uld", "lora": 2},
    "shared": {"objective": "shared(beta=.5)", "micro_batch": 1},
    "estimates": {"objective": "k1 + 0.5*k2 + 0.2*k3", "micro_batch": 2},
    "chosen": {"objective": "fkl(tokens=gap, share=.5) + 0.2*rkl(tokens=entropy, share=.4)"},
}
WINDOWS = (5, 1, 4, 0)  # examples of each; one process of two has none of the second


def examples(count: int) -> list[Example]:
    """Examples of different lengths, some of one token, with distributions and what was known of them when
    they were written; the first is cut by the budget."""
    rng, out = np.random.default_rng(count), []
    for n in range(count):
        prompt, reply = int(rng.integers(1, 9)), int(rng.integers(1 + (n == 0), 7))
        ids = rng.integers(2, 40, prompt + reply).tolist()
        made = record(ids[:prompt], ids[prompt:], None, full_soft(reply, 40, n))
        made = replace(made, own=n % 2 == 1, weight=1 + n / 4, group=(n % 2, 2))
        spread = rng.normal(0, 0.3, (4, reply)).astype(np.float32)
        beside = {"old": spread[0] - 3.7, "start": spread[1] - 3.7, "return": spread[2]}
        beside["teacher"] = spread[3] - 3.7
        whole = {"advantage": (-1.0) ** n, "score": -n / 2}
        beside |= {name: np.full(reply, value, np.float32) for name, value in whole.items()}
        made = replace(made, constants=beside)
        out.append(Example(made, made.supervised - (n == 0)))
    return out


def setting(name: str) -> tuple[Any, Recipe, Any]:
    case = dict(CASES[name])
    logits.CHUNK_ENTRIES = case.pop("chunk", 6_000_000)
    text = case.pop("objective", "sft")
    objective = make_objective(text)
    model = tiny_model(case.pop("family", "llama"), 40, 2, 16, 0, context=128, eos_token_id=1)
    return model, Recipe(learning_rate=1e-3, **case), objective


def fresh(processes: ProcessGroup, facts: Mapping[str, Any]) -> Member:
    shard(facts["sharded"])
    return Member(*setting(facts["case"]), processes)


def shard(on: bool) -> None:
    os.environ["ACCELERATE_USE_FSDP"] = str(on).lower()
    os.environ["FSDP_VERSION"] = "2"


def far(some: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    assert some.keys() == other.keys()
    return max(float((t.detach() - other[n].detach()).abs().max()) for n, t in some.items())


def compare(processes: ProcessGroup, name: str, sharded: bool) -> dict[str, float]:
    """The largest differences to one process, by what differs."""
    facts = {"case": name, "sharded": sharded}
    shard(sharded)
    alone, lead = Student(*setting(name)), Lead(*setting(name), processes, facts)
    reads = {"input_ids": torch.arange(2, 12)[None]}
    off = {"loss": 0.0, "gradient": 0.0, "logits": 0.0}
    for n, count in enumerate(WINDOWS):
        one, two = (s.train_window(examples(count), 0.1 * n) for s in (alone, lead))
        assert (one.tokens, one.rate) == (two.tokens, two.rate)
        off["loss"] = max(off["loss"], abs(one.loss - two.loss))
        off["gradient"] = max(
            off["gradient"], abs(one.gradient - two.gradient) / (one.gradient or 1)
        )
        assert lead._copy is None  # the first process keeps its part alone while it trains
        kinds = {p.dtype for n, p in lead.model.named_parameters() if n not in lead.names}
        assert not (sharded and name == "bf16" and torch.float32 in kinds)
        with torch.no_grad():
            both = [s.model(**reads).logits for s in (alone, lead)]
        off["logits"] = max(off["logits"], float((both[0] - both[1]).abs().max()))
    off["weights"] = far(alone.weights(), lead.weights())
    off["moments"] = far(alone.moments(), lead.moments())
    lead.put(alone.weights(), alone.moments())
    off["put"] = max(far(alone.weights(), lead.weights()), far(alone.moments(), lead.moments()))
    one, two = (s.train_window(examples(3), 0.5) for s in (alone, lead))
    off["after"] = abs(one.loss - two.loss)
    lead.put(alone.weights(), {})  # as at the start: no moments
    off["empty"] = float(len(lead.moments()))
    return off


def not_finite(processes: ProcessGroup) -> str:
    """All processes refuse the step, and the run could go on."""
    shard(False)
    lead = Lead(*setting("plain"), processes, {"case": "plain", "sharded": False})
    good = {n: t.clone() for n, t in lead.weights().items()}
    lead.put({n: t * torch.nan for n, t in good.items()}, {})
    said = ""
    try:
        lead.train_window(examples(4), 0.5)
    except TrainingError as error:
        said = str(error)
    lead.put(good, {})
    assert np.isfinite(lead.train_window(examples(4), 0.5).loss)
    return said


def other_student(facts: Mapping[str, Any]) -> Member:
    raise ConfigError("the student is another")


def main() -> None:
    with ProcessGroup("cpu", timedelta(minutes=30)) as processes:
        processes.agree({"training": {"batch": 8}})
        if processes.rank:
            follow(processes, lambda facts: fresh(processes, facts))
        else:
            found = {
                f"{name} {way}": compare(processes, name, way == "fsdp")
                for name in CASES
                for way in ("ddp", "fsdp")
            }
            print(json.dumps({"off": found, "not finite": not_finite(processes)}))
            processes.tell({"do": "stop"})
        try:
            processes.agree({"training": {"batch": 8 + processes.rank}})
        except ConfigError as error:
            if processes.rank == 0:
                print(json.dumps(str(error)))
        if processes.rank:
            follow(processes, other_student)
        try:
            Lead(*setting("plain"), processes, {})
        except TrainingError as error:
            print(json.dumps(str(error)))


if __name__ == "__main__":
    main()
