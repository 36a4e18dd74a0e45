"""Teacher and student together: one tokenizer or two, one vocabulary, students that start equal."""

from pathlib import Path
from typing import Any

import pytest

from readsim.errors import ConfigError, UnknownNameError
from tests.support.made_models import WORDS, equal_weights, saved, word_tokenizer

pytestmark = pytest.mark.extra("torch", "transformers", "safetensors")


def test_equal_tokenizers_and_the_first_difference() -> None:
    from readsim_hf.models.tokens import check_same_tokenizer, same_tokenizer

    ours = word_tokenizer()
    check_same_tokenizer(ours, word_tokenizer())
    # A token beyond the other's last one leaves the shared ids as they are.
    check_same_tokenizer(ours, word_tokenizer((*WORDS, "more")))
    swapped = word_tokenizer(("<pad>", "<eos>", "<unk>", "a", "c", "b", "d", "e"))
    with pytest.raises(ConfigError, match="token 4 is 'b' for the teacher and 'c' for the student"):
        check_same_tokenizer(ours, swapped)
    # What ends a text is no matter of ids: a base model and its instruct model differ in it.
    check_same_tokenizer(ours, word_tokenizer(eos="<pad>"))
    # One vocabulary, another way to cut text into tokens.
    with pytest.raises(ConfigError, match="the teacher encodes 'The quick"):
        check_same_tokenizer(ours, word_tokenizer(split=False))
    assert same_tokenizer(ours, ours)
    assert not same_tokenizer(ours, swapped)


def test_shared_vocabulary_is_the_smaller_output_layer() -> None:
    from transformers import Qwen2Config

    from readsim_hf.models.tokens import shared_vocabulary

    large, small = Qwen2Config(vocab_size=152064), Qwen2Config(vocab_size=151936)
    tokenizer = word_tokenizer()
    assert shared_vocabulary(large, small, tokenizer) == 151936
    assert shared_vocabulary(small, large, tokenizer) == 151936
    # A special token that text does not become needs no column; any other does.
    tokenizer.add_special_tokens({"pad_token": "<image>"})
    exact = Qwen2Config(vocab_size=len(WORDS))
    assert shared_vocabulary(exact, small, tokenizer) == len(WORDS)
    with pytest.raises(ConfigError, match=r"student's vocab_size is 7.*ids up to 7"):
        shared_vocabulary(small, Qwen2Config(vocab_size=7), tokenizer)


def test_a_pair_of_folders(tmp_path: Path) -> None:
    import torch

    from readsim_hf.models.pairs import load_pair

    teacher = saved(tmp_path / "t", "llama", vocab_size=16, layers=3, context=128)
    student = saved(tmp_path / "s", "gpt2", vocab_size=12, context=64, seed=5)
    pair = load_pair(teacher=teacher, student=student)
    assert (pair.context, pair.vocabulary, pair.library_name) == (64, 12, "text")
    assert pair.shared_vocabulary() == 12
    assert {p.dtype for p in pair.local_teacher().parameters()} == {torch.bfloat16}
    assert {p.dtype for p in pair.student.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in pair.local_teacher().parameters())
    assert all(p.requires_grad for p in pair.student.parameters())
    assert not pair.local_teacher().training


def test_fresh_students_are_equal_to_the_last_bit(tmp_path: Path) -> None:
    import torch

    from readsim_hf.models.pairs import load_pair

    source = saved(tmp_path / "s")
    pair = load_pair(teacher=source, student=source, teacher_precision="fp32")
    start = {name: value.clone() for name, value in pair.student.state_dict().items()}
    before = torch.random.get_rng_state()
    students: list[Any] = [pair.fresh_student(), pair.fresh_student()]
    for student in students:
        assert student.state_dict().keys() == start.keys()
        assert all(torch.equal(v, start[k]) for k, v in student.state_dict().items())
        # Tied weights stay tied, so that training moves both.
        assert student.get_output_embeddings().weight is student.get_input_embeddings().weight
        optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
        ids = torch.tensor([[3, 4, 5, 6]])
        student(ids, labels=ids).loss.backward()
        optimizer.step()
        assert not torch.equal(student.lm_head.weight, start["lm_head.weight"])
    assert torch.equal(before, torch.random.get_rng_state())
    assert equal_weights(pair.teacher, pair.fresh_student())
    assert equal_weights(pair.teacher, pair.student)


def test_tokenizers_that_differ_leave_text_only(tmp_path: Path) -> None:
    from readsim_hf.models.pairs import load_pair

    teacher = saved(tmp_path / "t", words=("<pad>", "<eos>", "<unk>", "x", "y"))
    pair = load_pair(teacher=teacher, student=saved(tmp_path / "s"))
    assert pair.vocabulary is None
    assert pair.teacher_tokenizer("x y")["input_ids"] == [3, 4]
    assert pair.tokenizer("d e")["input_ids"] == [6, 7]
    with pytest.raises(ConfigError, match="token 3 is 'x' for the teacher and 'a'"):
        pair.shared_vocabulary()


def test_what_names_a_pair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from readsim_hf.models.pairs import load_pair

    monkeypatch.setenv("READSIM_CACHE", str(tmp_path))
    with pytest.raises(UnknownNameError, match="unknown pair 'nanno'; did you mean 'nano'"):
        load_pair("nanno")
    with pytest.raises(ConfigError, match="--layers 12`"):
        load_pair("smollm2", layers=12)
    for settings in ({"teacher": "a"}, {"student": "a"}, {"name": "nano", "student": "a"}):
        with pytest.raises(ConfigError, match="accepted: the name of a pair alone, or teacher"):
            load_pair(**settings)  # type: ignore[arg-type]


def test_the_default_pair_comes_with_readsim() -> None:
    import torch

    from readsim_hf.models.pairs import load_pair

    pair = load_pair()
    assert (pair.name, pair.library_name) == ("nano", "nano")
    assert pair.vocabulary is not None
    assert pair.local_teacher().num_parameters() > pair.student.num_parameters()
    assert {p.dtype for p in pair.local_teacher().parameters()} == {torch.float32}
    assert equal_weights(pair.student, pair.fresh_student())
    assert pair.tokenizer.decode(pair.tokenizer("17+25=42")["input_ids"]) == "17+25=42"
