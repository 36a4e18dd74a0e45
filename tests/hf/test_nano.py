"""The nano pair: its prompts, its tokenizer, and what the shipped weights can do."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

import readsim_hf
from readsim.streams import generator
from readsim_hf.prompts.library import NANO, Form
from readsim_hf.prompts.nano.library import nano_library
from readsim_hf.prompts.prompt import CAPABILITIES, Prompt, Template

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

LIBRARY = nano_library()
TEMPLATES = [template for group in LIBRARY.templates.values() for template in group]
WEIGHTS = Path(readsim_hf.__file__).parent / "models" / "nano"
FORMS: tuple[Form, ...] = ("answer", "rationale")
needs_torch = pytest.mark.extra("torch", "transformers")
each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.id)


@cache
def drawn(template: str) -> tuple[Prompt, ...]:
    (found,) = (other for other in TEMPLATES if other.id == template)
    rng = generator(11, "data")
    return tuple(found.make(rng) for _ in range(1500))


def made(template: Template) -> tuple[Prompt, ...]:
    return drawn(template.id)


def reply(prompt: Prompt, form: Form) -> str:
    assert prompt.answer is not None
    return prompt.answer if form == "answer" else f"{prompt.rationale}={prompt.answer}"


# Templates


def test_the_library_has_the_eight_capabilities_in_order_and_unique_ids() -> None:
    assert LIBRARY.name == "nano"
    assert LIBRARY.style is NANO
    assert LIBRARY.capabilities == CAPABILITIES
    assert len({template.id for template in TEMPLATES}) == len(TEMPLATES)
    for name, group in LIBRARY.templates.items():
        assert 2 <= len(group) <= 6
        assert all(template.capability == name for template in group)
        assert all(template.id.startswith(f"nano/{name}/") for template in group)


@each_template
def test_a_template_gives_the_same_prompt_for_the_same_generator_state(template: Template) -> None:
    rng = generator(11, "data")
    again = [template.make(rng) for _ in range(50)]
    assert again == list(made(template))[:50]
    assert len({prompt.key for prompt in again}) > 40


@each_template
def test_a_template_rarely_repeats_itself(template: Template) -> None:
    distinct = len({prompt.text for prompt in made(template)})
    # 1,500 draws from 1,000 equally likely prompts would show 777 of them.
    assert distinct > 777


def test_a_capability_has_thousands_of_prompts() -> None:
    for group in LIBRARY.templates.values():
        texts = {prompt.text for template in group for prompt in made(template)}
        assert len(texts) > 3000


@each_template
def test_prompts_fit_and_say_their_capability_first(template: Template) -> None:
    letter = made(LIBRARY.templates[template.capability][0])[0].text[0]
    for prompt in made(template):
        assert prompt.capability == template.capability
        assert prompt.template == template.id
        assert prompt.checker == "exact"
        assert prompt.text[0] == letter
        assert not set("=~") & set(prompt.text)
        assert prompt.rationale is not None
        assert "=" not in prompt.rationale
        assert 0 < len(prompt.rationale) <= 40
        for form in FORMS:
            whole = NANO.ask(prompt, form) + reply(prompt, form)
            assert len(whole) <= 96
            assert whole.isascii()
            assert whole.isprintable()
            assert NANO.final_answer(reply(prompt, form)) == prompt.answer


def test_capabilities_start_with_different_letters() -> None:
    letters = {made(group[0])[0].text[0] for group in LIBRARY.templates.values()}
    assert len(letters) == len(CAPABILITIES)


def test_templates_of_a_capability_have_the_same_factors_and_they_vary() -> None:
    for group in LIBRARY.templates.values():
        prompts = [prompt for template in group for prompt in made(template)[:300]]
        names = {tuple(prompt.factors) for prompt in prompts}
        assert len(names) == 1
        (factors,) = names
        assert 2 <= len(factors) <= 3
        for name in factors:
            assert len({prompt.factors[name] for prompt in prompts}) > 1, name


# Tokenizer and weights


@needs_torch
def test_the_tokenizer_gives_every_text_back() -> None:
    from readsim_hf.models.char_tokenizer import CHARACTERS, char_tokenizer

    tokenizer = char_tokenizer()
    special = {tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id}
    assert len(special) == 3
    assert len(tokenizer) == len(CHARACTERS) + 3
    assert tokenizer.chat_template is None
    texts = [CHARACTERS, " a  b ", "it 's , . ?"]
    for template in TEMPLATES:
        for prompt in made(template)[:40]:
            texts += [NANO.ask(prompt, form) + reply(prompt, form) for form in FORMS]
    for text, ids in zip(texts, tokenizer(texts)["input_ids"], strict=True):
        assert len(ids) == len(text)
        assert not special & set(ids)
        assert tokenizer.decode(ids) == text
    assert tokenizer("caf\u00e9")["input_ids"][-1] == tokenizer.unk_token_id


def load(name: str) -> "LlamaForCausalLM":
    from transformers import LlamaForCausalLM

    model: LlamaForCausalLM = LlamaForCausalLM.from_pretrained(WEIGHTS / name)
    return model


def answers(
    model: "LlamaForCausalLM", tokenizer: "PreTrainedTokenizerFast", asked: Sequence[str]
) -> list[str]:
    """Greedy replies, in one left-padded batch."""
    import torch

    batch = tokenizer(list(asked), return_tensors="pt", padding=True)
    with torch.inference_mode():
        out = cast(Any, model).generate(**batch, max_new_tokens=36, do_sample=False)
    return tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)


@pytest.mark.slow
@needs_torch
def test_the_teacher_is_able_and_the_student_has_room() -> None:

    from readsim_hf.models.char_tokenizer import char_tokenizer

    tokenizer, n = char_tokenizer(), 40
    prompts = []
    for i, group in enumerate(LIBRARY.templates.values()):
        rng, found = generator(23, "test", i), dict[str, Prompt]()
        while len(found) < n:
            prompt = group[int(rng.integers(len(group)))].make(rng)
            if prompt.key[0] == "0":  # never trained on, see studies/nano
                found[prompt.key] = prompt
        prompts += list(found.values())
    asked = [NANO.ask(prompt, "answer") for prompt in prompts]
    rates = {}
    for name in ("teacher", "student"):
        model = load(name)
        assert model.config.eos_token_id == tokenizer.eos_token_id
        assert model.config.pad_token_id == tokenizer.pad_token_id
        assert model.config.vocab_size == len(tokenizer)
        said = answers(model, tokenizer, asked)
        right = [text.strip() == p.answer for text, p in zip(said, prompts, strict=True)]
        rates[name] = np.array(right).reshape(len(CAPABILITIES), n).mean(1)
    assert (rates["teacher"] >= 0.6).all(), rates
    assert (rates["student"] > 0).all(), rates
    assert (rates["teacher"] > rates["student"]).all(), rates


@needs_torch
def test_the_weights_are_small_and_safe() -> None:
    files = [file for file in WEIGHTS.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".json", ".safetensors"}
    assert sum(file.stat().st_size for file in files) < 6_000_000
