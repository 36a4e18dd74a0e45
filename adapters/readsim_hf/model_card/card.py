"""The whole card. Everything comes from the run's log, settings and parts: a resumed run writes the same."""

from collections.abc import Iterable, Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from readsim.runs.read_logs import Log
from readsim_hf.components import Components
from readsim_hf.config import RunConfig
from readsim_hf.model_card.measured import allocation_section, budget_section, scores_section
from readsim_hf.model_card.sections import (
    about_section,
    citation_section,
    data_section,
    limits_section,
    loading_section,
    method_section,
    open_section,
    pair_section,
    repeating_section,
    training_section,
)
from readsim_hf.model_card.words import FILL_IN, card_title, hub_id, source_name
from readsim_hf.models.pairs import sources


def model_card(
    config: RunConfig,
    parts: Components,
    log: Log,
    prompt_counts: Mapping[str, Mapping[str, float]],
    agreement: Mapping[str, Mapping[str, float]],
    prompts: Mapping[str, Any] | None = None,
) -> ModelCard:
    """The README.md of the student that a finished run (its `log`) leaves.

    prompt_counts   of each source's stream: prompts drawn and left out
    agreement       with the teacher on held-out prompts, before and after; empty where not measured
    prompts         how a text becomes the student's ids (chat template, system prompt, ...), by name;
                    None: what the tokenizer brings is all that is said
    """
    _, _, student = sources(
        config.pair.name, config.pair.teacher, config.pair.student, config.pair.layers
    )
    sections = {
        "What it is": about_section(config, parts, log, student),
        "Teacher and student": pair_section(config, parts, student),
        "Method": method_section(config, parts),
        "Scores": scores_section(parts, log, agreement),
        "Budget": budget_section(log),
        "Allocation": allocation_section(config, log),
        "Data": data_section(config, parts, prompt_counts),
        "Training": training_section(config),
        "How to load it": loading_section(config, parts, student, prompts),
        "Limits, and what was not measured": limits_section(config, parts),
        "To fill in before it is published": open_section(student),
        "How to repeat it": repeating_section(config, log),
        "Citation": citation_section(log),
    }
    body = "\n\n".join(f"## {title}\n\n{text.strip()}" for title, text in sections.items())
    front = _front(config, log, parts, student)
    return ModelCard(f"---\n{front.to_yaml()}\n---\n\n# {card_title(student)}\n\n{body}\n")


def _front(config: RunConfig, log: Log, parts: Components, student: str) -> ModelCardData:
    """The front matter; the hub reads it."""
    lora = config.training.lora > 0
    tags = ["readsim", "distillation", "knowledge-distillation", *(["lora"] if lora else [])]
    return ModelCardData(
        base_model=hub_id(student) or f"{FILL_IN}/{source_name(student)}",
        base_model_relation="adapter" if lora else "finetune",
        library_name="peft" if lora else "transformers",
        pipeline_tag="text-generation",
        license="other",
        license_name=f"{FILL_IN}-the-license",
        tags=tags,
        model_name=card_title(student),
        eval_results=_results(log, parts),
    )


def _results(log: Log, parts: Components) -> list[EvalResult]:
    """One number a capability: its score on the test split, as in the run log."""
    found = []
    for name, score in zip(log.header.capabilities, log.finals[-1].final_profile, strict=True):
        own = [b for b in parts.suite.benchmarks if b.capability == name]
        sizes = parts.suite.splits.sizes("test")
        found.append(
            EvalResult(
                task_type="text-generation",
                task_name=name,
                dataset_type=", ".join(dict.fromkeys(b.family for b in own)),
                dataset_name=f"{', '.join(b.name for b in own)} ({_items(sizes[b.name] for b in own)})",
                dataset_split="test",
                metric_type="score",
                metric_name=f"{name}, mean score of the items",
                metric_value=round(float(score), 6),
            )
        )
    return found


def _items(sizes: Iterable[int]) -> str:
    return f"{sum(sizes)} items"
