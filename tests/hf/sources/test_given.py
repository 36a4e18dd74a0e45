"""Which tokens of a given conversation are trained on: the assistant's, by two independent references."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from readsim.errors import ConfigError
from tests.support.chat_models import FAMILIES, chat_tokenizer
from tests.support.hf import NEEDS

pytestmark = pytest.mark.extra(*NEEDS)

TURNS: list[dict[str, Any]] = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Say 5"},
    {"role": "assistant", "content": "5 is said"},
    {"role": "user", "content": "Say 5 is said again"},
    {"role": "assistant", "content": "5 is said"},
    {"role": "user", "content": "Once more"},
    {"role": "assistant", "content": "no"},
]
# What a template with marks of its own writes around what the assistant says.
MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}{% else %}"
    "{{ m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TAUGHT = ("llama-3", "gemma-3", "qwen-3", "phi-4", "smollm-3")


def prompt(taught: tuple[int, ...] = (2, 4), **more: Any) -> Any:
    from readsim_hf.prompts.prompt import Prompt

    return Prompt(
        "s", "s#0", "Say 5", messages=tuple(TURNS[:-1]), reply="no", taught=taught, row=0, **more
    )


def record_in(tokenizer: Any, one: Any) -> Any:
    from readsim_hf.teachers.encoding import end_ids
    from readsim_hf.teachers.given import given_record

    return given_record(one, tokenizer, end_ids(None, tokenizer))


def test_the_mask_is_that_of_the_templates_own_marks() -> None:
    tokenizer = chat_tokenizer(replace(FAMILIES["qwen-3"], template=MARKED), instruct=True)
    record = record_in(tokenizer, prompt())
    theirs = tokenizer.apply_chat_template(
        TURNS, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    ids = [*record.prompt_ids.tolist(), *record.completion_ids.tolist()]
    assert ids == theirs["input_ids"][: len(ids)]
    wanted = np.flatnonzero(theirs["assistant_masks"])
    assert (len(record.prompt_ids) + record.places).tolist() == wanted.tolist()
    assert record.supervised == len(wanted) == len(record.positions)


@pytest.mark.parametrize("name", TAUGHT)
def test_the_assistants_turns_and_their_ends_are_trained_on(name: str) -> None:
    tokenizer = chat_tokenizer(FAMILIES[name], instruct=True)
    record = record_in(tokenizer, prompt())
    said = tokenizer.decode(record.completion_ids[record.places], skip_special_tokens=True)
    assert said.replace("\n", "").replace("<think></think>", "") == "5 is said5 is saidno"
    from readsim_hf.teachers.encoding import end_ids

    ends = np.isin(record.completion_ids[record.places], end_ids(None, tokenizer))
    assert ends.sum() == 3
    last = record_in(tokenizer, prompt(()))
    assert last.positions is None
    assert tokenizer.decode(last.completion_ids[:-1]) == "no"
    both = [np.concatenate([r.prompt_ids, r.completion_ids]) for r in (record, last)]
    assert both[0].tolist() == both[1].tolist()


# The prompt of a reply has more than the header of an earlier turn, as with thinking off in Qwen 3.
UNTHINKING = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n\n</think>\n\n' }}{% endif %}"
)


@pytest.mark.parametrize("words", ["a", "art", "ant", "start", "hello", "<b>", "<", "assistant"])
def test_an_earlier_turn_stands_behind_its_header_whatever_it_says(words: str) -> None:
    """Its words may stand in the header, or begin as what the prompt of a reply has more."""
    tokenizer = chat_tokenizer(replace(FAMILIES["qwen-3"], template=UNTHINKING), instruct=True)
    turns = [dict(turn) for turn in TURNS[:-1]]
    for first in (0, 2):  # also a conversation that the assistant opens
        turns[2]["content"] = turns[4]["content"] = words
        one = replace(prompt(), messages=tuple(turns[first:]), taught=(2 - first, 4 - first))
        record = record_in(tokenizer, one)
        ids = record.completion_ids[record.places]
        assert tokenizer.decode(ids) == f"{words}<|im_end|>{words}<|im_end|>no<|im_end|>"
        before = tokenizer.decode([*record.prompt_ids, *record.completion_ids[: record.places[0]]])
        assert before.endswith("<|im_start|>assistant\n")


def test_a_batch_supervises_these_tokens_alone() -> None:
    from readsim_hf.training.batch import Example, collate

    tokenizer = chat_tokenizer(FAMILIES["phi-4"], instruct=True)
    record, short = record_in(tokenizer, prompt()), record_in(tokenizer, prompt(()))
    for tokens in (1, 3, record.supervised):
        made = collate([Example(short, short.supervised), Example(record, tokens)])
        assert made.attention_mask is not None
        mine = made.rows == 1
        row = made.input_ids[1].tolist()
        pad = len(row) - int(made.attention_mask[1].sum())
        whole = [*record.prompt_ids.tolist(), *record.completion_ids.tolist()]
        assert row[pad:] == whole[: len(row) - pad]
        ahead = (made.columns[mine] + 1 - pad).tolist()
        assert ahead == (len(record.prompt_ids) + record.places[:tokens]).tolist()
        assert made.targets.tokens[mine].tolist() == [whole[n] for n in ahead]


def test_records_with_positions_are_kept_and_older_ones_are_read() -> None:
    from safetensors.numpy import load

    from readsim_hf.teachers.codec import (
        record_from_bytes,
        record_from_tree,
        record_to_bytes,
        record_to_tree,
    )

    tokenizer = chat_tokenizer(FAMILIES["phi-4"], instruct=True)
    for one in (record_in(tokenizer, prompt()), record_in(tokenizer, prompt(()))):
        for again in (
            record_from_bytes(record_to_bytes(one)),
            record_from_tree(record_to_tree(one)),
        ):
            assert again.places.tolist() == one.places.tolist()
            assert (again.positions is None) == (one.positions is None)
    assert "positions" not in load(record_to_bytes(one))  # what older readers and writers have
    tree = record_to_tree(one)
    del tree["positions"], tree["row"]
    assert record_from_tree(tree).positions is None


def test_a_conversation_needs_a_template() -> None:
    tokenizer = chat_tokenizer(FAMILIES["phi-4"], instruct=False)
    with pytest.raises(
        ConfigError, match=r"row 0 of source 's' is a conversation.*no chat template"
    ):
        record_in(tokenizer, prompt())
