"""A teacher's reply in the tokens of a student that reads text differently."""

from dataclasses import replace

import numpy as np
from transformers import PreTrainedTokenizerBase

from readsim_hf.prompts.prompt import Prompt
from readsim_hf.teachers.base import AnyTeacher
from readsim_hf.teachers.encoding import decoder, encode
from readsim_hf.teachers.record import TeacherRecord


def in_other_tokens(
    teacher: AnyTeacher,
    prompt: Prompt,
    record: TeacherRecord,
    tokenizer: PreTrainedTokenizerBase,
) -> TeacherRecord:
    """The same text in `tokenizer`'s tokens, with its own end token where the reply had one.

    The span may be empty: the answer is lost then.
    """
    asked = encode(tokenizer, teacher.style.ask(prompt, teacher.signal.form))
    text = teacher.text(record.completion_ids)
    reply = list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    if int(record.completion_ids[-1]) in teacher.ends:
        reply.append(int(tokenizer.eos_token_id))
    decode = decoder(tokenizer, [int(tokenizer.eos_token_id)])
    span = teacher.signal.span(teacher.style, reply, decode)
    ids, completion = (np.array(part, dtype=np.int32) for part in (asked, reply))
    return replace(record, prompt_ids=ids, completion_ids=completion, span=span)
