"""What a run will spend, said before it starts."""

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from transformers import PreTrainedModel

from readsim.allocators.base import Allocator
from readsim.amounts import show_tokens
from readsim.rollout import DEV_CHECKPOINTS
from readsim.streams import generator
from readsim_hf.config import RunConfig
from readsim_hf.models.pairs import Pair
from readsim_hf.parts import Parts
from readsim_hf.teachers.encoding import encode

SAMPLE = 4  # prompts of each capability that lengths are estimated from


def lengths(parts: Parts) -> tuple[float, float]:
    """Mean tokens of a prompt and, where a gold reply is known, of a reply with its end token."""
    tokenizer, form = parts.pair.teacher_tokenizer, parts.teacher.signal.form
    prompts, replies = [], []
    for place, capability in enumerate(parts.library.capabilities):
        for index, template in enumerate(parts.library.templates[capability][:SAMPLE]):
            prompt = template.make(generator(0, "data", place, index))
            prompts.append(len(encode(tokenizer, parts.library.style.ask(prompt, form))))
            if prompt.answer is not None:
                steps = prompt.rationale if form != "answer" else None
                text = (
                    f"{steps}{parts.library.style.mark}{prompt.answer}" if steps else prompt.answer
                )
                ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
                replies.append(len(ids) + 1)
    mean = float(np.mean(replies)) if replies else 0.5 * parts.teacher.decoding.max_new_tokens
    return float(np.mean(prompts)), mean


def show_outlay(console: Console, config: RunConfig, parts: Parts, allocator: Allocator) -> None:
    """A table of tokens by kind: exact for the student, estimated for the others."""
    prompt, reply = lengths(parts)
    supervised = reply if parts.teacher.signal.name != "resp" else min(reply, 8.0)
    examples = config.budget / supervised
    items = {s: sum(parts.suite.splits.sizes(s).values()) for s in ("probe", "dev", "test")}
    every = max(1, config.steps // DEV_CHECKPOINTS)
    measured = (config.steps + 1) * items["probe"]
    measured += (config.steps // every) * items["dev"] + 2 * items["test"]
    own = config.on_policy
    probe_reply = min(reply, float(config.probes.max_new_tokens))
    table = Table("tokens", "", "how")
    rows = [
        ("student", show_tokens(config.budget), f"exact: the budget, in {config.steps} decisions"),
        ("teacher prompt", f"~{_round(examples * prompt)}", f"{prompt:.0f} a prompt"),
        ("teacher generated", f"~{_round((1 - own) * examples * reply)}", f"{reply:.0f} a reply"),
        ("student rollout", f"~{_round(own * examples * reply)}", f"{100 * own:.0f} % on-policy"),
        (
            "probe",
            f"~{_round(measured * (prompt + probe_reply))}",
            f"{items['probe']} + {items['dev']} (dev) + {items['test']} (test) items",
        ),
    ]
    if "transitions" in allocator.needs:
        pool = config.pool_runs * config.budget // config.steps
        rows.append(("offline", show_tokens(pool), f"{config.pool_runs} short trainings, undone"))
    for row in rows:
        table.add_row(*row)
    console.print(
        f"{escape(parts.pair.name)}: {escape(_teachers(parts.pair))}, "
        f"{_size(parts.pair.student)} student; "
        f"{config.method or f'{config.signal} x {config.objective}'}; allocator {config.allocator}; "
        f"about {examples / config.training.batch:.0f} optimiser steps"
    )
    console.print(table)
    if not config.data.cache and any(voice.server for voice in parts.pair.voices):
        console.print(
            "warning: cache is '': replies of the server are not kept, and --resume pays for them again",
            markup=False,
        )
    if parts.left_out:
        console.print(
            f"left out, their prompts do not fit {parts.pair.context} tokens: {', '.join(parts.left_out)}",
            markup=False,
        )


def _round(tokens: float) -> str:
    return show_tokens(int(float(f"{tokens:.2g}")))


def _teachers(pair: Pair) -> str:
    """Size of each teacher, or where it is served."""
    said = []
    for capability, voice in zip(("", *pair.others), pair.voices, strict=True):
        where = f"{voice.server.model} at {voice.server.url}" if voice.server else ""
        what = f"{_size(voice.model)} teacher" if voice.model is not None else f"teacher {where}"
        said.append(f"{what} for {capability}" if capability else what)
    return ", ".join(said)


def _size(model: PreTrainedModel) -> str:
    count = model.num_parameters()
    return f"{count / 1e6:.3g}M" if count < 1e9 else f"{count / 1e9:.3g}B"
