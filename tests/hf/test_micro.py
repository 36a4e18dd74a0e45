"""The micro pair: another tokenizer and another build than nano's, made by a command, shipped, trained."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

import readsim_hf
from readsim.streams import generator
from readsim_hf.prompts.library import NANO
from readsim_hf.prompts.nano.library import nano_library
from readsim_hf.prompts.prompt import CAPABILITIES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

pytestmark = pytest.mark.extra("torch", "transformers", "safetensors")

LIBRARY = nano_library()
WEIGHTS = Path(readsim_hf.__file__).parent / "models" / "micro"
ITEMS = 40


@pytest.fixture(scope="module")
def tokenizer() -> "PreTrainedTokenizerFast":
    from studies.micro.tokenizer import byte_pairs

    return byte_pairs(LIBRARY, 0)


def test_the_tokenizer_gives_every_text_back_in_fewer_tokens(
    tokenizer: "PreTrainedTokenizerFast",
) -> None:
    from readsim_hf.models.char_tokenizer import CHARACTERS

    texts = [CHARACTERS, " a  b ", "it 's , . ?"]
    rng = generator(5, "data")
    for group in LIBRARY.templates.values():
        for template in group:
            prompt = template.make(rng)
            texts.append(NANO.ask(prompt, "rationale") + f"{prompt.rationale}={prompt.answer}")
    encoded = tokenizer(texts)["input_ids"]
    for text, ids in zip(texts, encoded, strict=True):
        assert tokenizer.decode(ids) == text
        assert tokenizer.unk_token_id not in ids
    assert sum(map(len, encoded)) < 0.95 * sum(map(len, texts))
    assert tokenizer("caf\u00e9")["input_ids"][-1] == tokenizer.unk_token_id
    assert [tokenizer.decode([i]) for i in tokenizer("m17+25=")["input_ids"]] == list("m17+25=")


@pytest.mark.slow
def test_the_command_makes_a_pair_that_loads(tmp_path: Path) -> None:
    from readsim_hf.models.pairs import load_pair
    from studies.micro.command import main

    main(steps=2, student_steps=2, only=None, seed=3, asked=2, out=tmp_path)
    pair = load_pair(teacher=str(tmp_path / "teacher"), student=str(tmp_path / "student"))
    assert pair.teacher is not None
    assert {m.config.model_type for m in (pair.teacher, pair.student)} == {"gpt_neox"}
    sizes = [sum(p.numel() for p in m.parameters()) for m in (pair.teacher, pair.student)]
    assert 5 < sizes[0] / sizes[1] < 10
    assert pair.vocabulary == len(pair.tokenizer) == 256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["student", "teacher"]


def test_the_shipped_pair_has_a_name_and_the_tokenizer_of_the_study(
    tokenizer: "PreTrainedTokenizerFast",
) -> None:
    from readsim_hf.models.pairs import load_pair
    from readsim_hf.models.prepare import list_models, prepare

    pair = load_pair("micro")
    assert (pair.name, pair.library_name) == ("micro", "nano")
    assert pair.tokenizer.get_vocab() == tokenizer.get_vocab()
    assert (
        pair.tokenizer("gcapital japan=")["input_ids"] == tokenizer("gcapital japan=")["input_ids"]
    )
    [listed] = [found for found in list_models() if found.name == "micro"]
    assert set(listed.parts) == {"teacher", "student"}
    said: list[str] = []
    assert prepare("micro", 1, said.append) == WEIGHTS
    assert said == ["micro comes with readsim: nothing to prepare"]


def test_the_weights_are_small_and_safe() -> None:
    files = [file for file in WEIGHTS.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".json", ".safetensors"}
    assert sum(file.stat().st_size for file in files) < 8_000_000


@pytest.mark.slow
def test_the_teacher_is_able_and_the_student_has_room() -> None:

    from readsim_hf.models.pairs import load_pair
    from studies.nano.score import questions, replies

    pair, asked = load_pair("micro"), questions(LIBRARY, ITEMS, 23)
    prompts = [prompt for name in CAPABILITIES for prompt in asked[name]]
    rates = {}
    for name, model in (("teacher", pair.teacher), ("student", pair.student)):
        assert model is not None
        said = replies(
            model,
            cast("PreTrainedTokenizerFast", pair.tokenizer),
            [NANO.ask(p, "answer") for p in prompts],
        )
        right = [text == p.answer for text, p in zip(said, prompts, strict=True)]
        rates[name] = np.array(right).reshape(len(CAPABILITIES), ITEMS).mean(axis=1)
    assert (rates["student"] > 0).all(), rates
    assert (rates["teacher"] > rates["student"]).all(), rates
    assert rates["teacher"].mean() > rates["student"].mean() + 0.2, rates


@pytest.mark.slow
def test_a_short_run_on_one_capability_moves_its_probes(tmp_path: Path) -> None:
    from studies.real_runs.lab import real_lab

    backend = real_lab("micro", tmp_path / "teacher.sqlite").backend(3000)
    own = CAPABILITIES.index("multilingual")
    before = backend.reset(0).profile
    after = backend.run_interval(0, np.eye(len(CAPABILITIES))[own], 3000).profile
    assert after[own] > before[own] + 0.1
    assert np.abs(np.delete(after - before, own)).max() > 0.02  # and others with it
