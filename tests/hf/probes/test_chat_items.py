"""Benchmarks in chat templates: one user message, what stands around it as in training, choices behind it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.hf.probes.test_formats import ROWS
from tests.support.chat_models import CHATML, FAMILIES, chat_tokenizer
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS, "datasets")

THINKS = CHATML + "{{ '<think>\n' }}{% endif %}"
# Gemma 2 and the first Mistral have no system role; a model that has one takes it as it is.
REFUSES = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"


def requested(name: str, template: str, folder: Path, system: str | None = None) -> Any:
    """What a probe of a benchmark scores, (text, ids before, ids scored) each, and its generated prompts."""
    from lm_eval.evaluator import evaluate

    from readsim_hf.models.chat_template import PromptSettings, fixed_tokenizer
    from readsim_hf.models.tiny import tiny_model
    from readsim_hf.probes.lm import ProbeLM, as_it_was, quiet
    from readsim_hf.probes.registry import from_local

    class Noting(ProbeLM):
        def _loglikelihood_tokens(self, requests: Any, *_: Any, **__: Any) -> Any:
            scored.extend(requests)
            return [(0.0, False)] * len(requests)

        def generate_until(self, requests: Any, disable_tqdm: bool = True) -> Any:
            asked.extend(request.args[0] for request in requests)
            return ["" for _ in requests]

    scored: list[Any] = []
    asked: list[str] = []
    own = chat_tokenizer(FAMILIES["qwen-3"], instruct=True)
    own.chat_template = template
    tokenizer = fixed_tokenizer(own, PromptSettings(system_prompt=system), "x")
    model = tiny_model("llama", 336, 1, 16, 0, context=2048)
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS[name]))
    bench, items = from_local(name, path)
    with quiet(), as_it_was(model, tokenizer):
        evaluate(
            Noting(model, tokenizer, 1),
            {"tasks": {bench.name: bench.task(items)}},
            bootstrap_iters=0,
            apply_chat_template=True,
        )
    return tokenizer, scored, asked


@pytest.mark.parametrize("name", ["arc_challenge", "gpqa", "xcopa"])
def test_a_choice_is_scored_behind_the_whole_prompt(name: str, tmp_path: Path) -> None:
    """The line end of `<|im_start|>assistant` is the prompt's: no score by length counts it."""
    from readsim_hf.teachers.encoding import bare_ids

    template = CHATML + "{% endif %}"
    tokenizer, scored, _ = requested(name, template, tmp_path)
    assert scored
    for (text, choice), before, ids in scored:
        assert text.endswith("<|im_start|>assistant\n")
        assert before == bare_ids(tokenizer, text)
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == choice


def test_no_choice_is_scored_as_a_thought(tmp_path: Path) -> None:
    from readsim_hf.prompts.thinking import said_from

    tokenizer, scored, _ = requested("xcopa", THINKS, tmp_path)
    for (text, choice), before, ids in scored:
        assert text.endswith("<think>\n")
        reply = tokenizer.decode([*before, *ids], clean_up_tokenization_spaces=False)
        reply = reply[len(text) - len("<think>\n") :]
        assert reply[said_from(reply) :] == choice
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == choice


@pytest.mark.parametrize("name", ["bbh", "mmlu_pro"])
def test_a_description_leaves_the_system_message_as_it_is(name: str, tmp_path: Path) -> None:
    from readsim_hf.teachers.encoding import wrapped

    for template, system in ((REFUSES + CHATML, None), (CHATML, "Be brief."), (CHATML, None)):
        tokenizer, _, asked = requested(name, template + "{% endif %}", tmp_path, system)
        start, _, end = wrapped(tokenizer, "\0").partition("\0")
        assert asked
        for text in asked:
            assert text.startswith(start)
            assert text.endswith(end)
            item = text.removeprefix(start).removesuffix(end)
            assert item.startswith(("Evaluate the result of", "The following are multiple choice"))
            assert "\n\nQ" in item  # what is asked stands apart from the description
