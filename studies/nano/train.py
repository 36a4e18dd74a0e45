"""The nano pair's shapes, and training on gold replies: AdamW, a warm-up and a cosine, loss on the reply."""

from dataclasses import dataclass
from typing import Any, cast

import torch
from rich.progress import Progress
from torch.nn import functional
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from readsim.streams import generator
from readsim_hf.prompts.library import Library
from studies.nano.data import Mix, Rows, pack
from studies.nano.score import forced_table, questions


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


def fresh_model(shape: PreTrainedConfig, seed: int) -> PreTrainedModel:
    """Matrices are normal with standard deviation 0.02, from a generator of their own."""
    with torch.random.fork_rng(devices=[]):
        model: PreTrainedModel = cast(Any, AutoModelForCausalLM).from_config(shape)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.normal_(0.0, 0.02, generator=source)
    return model


@dataclass(frozen=True, eq=False)
class Stage:
    """One model's training.

    path    names its stream of examples under the seed
    rows    rows in a batch, each packed with examples
    rate    highest learning rate; `last` is the share of it that training ends at
    dtype   of the weights that are written
    """

    name: str
    path: int
    layers: int
    width: int
    steps: int
    rows: int
    rate: float
    mix: Mix
    last: float = 4e-6
    dtype: torch.dtype = torch.float32


def loss_of(model: PreTrainedModel, rows: Rows) -> torch.Tensor:
    """Mean cross entropy over the reply tokens of the rows."""
    hidden = model.base_model(
        input_ids=rows.tokens,
        attention_mask=rows.mask,
        position_ids=rows.positions,
        use_cache=False,
    ).last_hidden_state
    counted = rows.targets >= 0
    logits = cast(Any, model).get_output_embeddings()(hidden[counted])
    return functional.cross_entropy(logits.float(), rows.targets[counted])


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    library: Library,
    stage: Stage,
    seed: int,
    progress: Progress,
    every: int = 500,
) -> None:
    """Train in place; prints a table of forced exact matches now and then."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=stage.rate, betas=(0.9, 0.98), weight_decay=0.05
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        stage.rate,
        total_steps=stage.steps + 1,
        pct_start=0.05,
        div_factor=25,
        final_div_factor=1 / (25 * stage.last),
    )
    bar = progress.add_task(stage.name, total=stage.steps)
    asked = questions(library, 32, seed)
    model.train()
    for step in range(stage.steps):
        examples = stage.mix.examples(library, generator(seed, "data", stage.path, step))
        rows = pack(tokenizer, examples, stage.rows)
        loss = loss_of(model, rows)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress.update(bar, advance=1, description=f"{stage.name} loss {loss.item():.3f}")
        if (step + 1) % every == 0:
            model.train(False)
            table = forced_table(model, tokenizer, library, asked)
            progress.console.print(f"{stage.name} {step + 1} loss {loss.item():.3f} {table}")
            model.train()
    model.train(False)
