"""What a little training on one capability does to all eight.

From the shipped student of a pair, 150 AdamW steps (5e-4, batches of 32) on gold replies, answers only,
of one capability or of all alike; prints the change of exact match on held-out questions.
"""

from copy import deepcopy
from itertools import islice
from typing import Annotated, cast

import torch
import typer
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from readsim.streams import generator
from readsim_hf.models.pairs import load_pair
from readsim_hf.prompts.library import Library
from readsim_hf.prompts.nano.library import nano_library
from studies.nano.data import Mix, pack
from studies.nano.score import forced, questions
from studies.nano.train import loss_of

STEPS, BATCH, RATE = 150, 32, 5e-4
ROWS = 20  # room for any batch of 32


def trained(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, library: Library, mix: Mix
) -> PreTrainedModel:
    """A copy of the model after the steps."""
    model = deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    for step in range(STEPS):
        examples = mix.examples(library, generator(0, "data", 2, step))
        optimizer.zero_grad()
        torch.autograd.backward(loss_of(model, pack(tokenizer, islice(examples, BATCH), ROWS)))
        optimizer.step()
    return model


def main(
    pair: Annotated[str, typer.Option(help="The models are this pair: nano or micro.")] = "nano",
    count: Annotated[
        int, typer.Option("--questions", help="Each capability is asked this many questions.")
    ] = 200,
) -> None:
    """Measure what a little training on one capability does to all eight."""
    torch.set_num_threads(1)
    library, loaded = nano_library(), load_pair(pair)
    tokenizer, start = cast(PreTrainedTokenizerFast, loaded.tokenizer), loaded.student
    asked = questions(library, count, 0)

    def profile(model: PreTrainedModel) -> list[float]:
        right = (forced(model, tokenizer, library, asked[name], "answer") for name in asked)
        return [sum(each) / len(each) for each in right]

    before = profile(start)
    print(f"{'start':14}", *(f"{rate:5.2f}" for rate in before))
    mixes = {name: Mix({name: 1.0}, answers=1.0) for name in library.capabilities}
    mixes["uniform"] = Mix(dict.fromkeys(library.capabilities, 1.0), answers=1.0)
    for name, mix in mixes.items():
        after = profile(trained(start, tokenizer, library, mix))
        change = (f"{b - a:+5.2f}" for a, b in zip(before, after, strict=True))
        print(f"{name:14}", *change, flush=True)
