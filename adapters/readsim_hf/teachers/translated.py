"""A teacher's reply in the tokens of a student that reads text differently."""

from dataclasses import replace

import numpy as np

from readsim_hf.prompts.prompt import Prompt
from readsim_hf.prompts.thinking import continuing
from readsim_hf.teachers.base import AnyTeacher
from readsim_hf.teachers.encoding import bare_ids, encode_prompt, end_of
from readsim_hf.teachers.reading import Reading
from readsim_hf.teachers.record import TeacherRecord


def in_other_tokens(
    teacher: AnyTeacher, prompt: Prompt, record: TeacherRecord, student: Reading
) -> TeacherRecord:
    """The same text in the student's tokens, with its own end token where the reply had one.

    The span may be empty: the answer is lost then.
    """
    tokenizer = student.tokenizer
    asked = encode_prompt(tokenizer, teacher.style, prompt, teacher.signal.form)
    said, whole = teacher.text(record.completion_ids), bool(prompt.messages)
    keep = whole or student.keeps_thoughts
    reply = bare_ids(tokenizer, continuing(said, student.closing, keep=keep))
    if int(record.completion_ids[-1]) in teacher.ends:
        reply.append(end_of(tokenizer, student.ends))
    ids, completion = (np.array(part, dtype=np.int32) for part in (asked, reply))
    span = student.span(completion, whole=whole)
    return replace(record, prompt_ids=ids, completion_ids=completion, span=span)
