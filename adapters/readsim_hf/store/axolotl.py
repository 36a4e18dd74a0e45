"""Distributions as Axolotl's KD plugin reads them: parquet files of conversations, a row of them a token.

Format: axolotl-ai-cloud/axolotl, `src/axolotl/integrations/kd/chat_template.py` at commit
08a734b2e1658fc98be173bcb839a37aa40e10c5 (`ChatTemplateStrategyWithKDv2`, the type
`axolotl.integrations.kd.chat_template`), and the plugin's `README.md` at
139786bf7ee4a45f8df17b338d2582d511f80893. Nothing of it is copied. In short:

    messages           the conversation, which Axolotl puts into its chat template: T ids
    logprobs           n rows of k log-probabilities, of the last n of these ids: each of the id itself,
                       given all before it (`logprobs_field: logprobs`, `temperature: 1.0`)
    target_token_ids   the same n rows of ids
    source             the source's name, which Axolotl passes by

Rows of ids that are not supervised (what a template writes behind a reply) are even probabilities of ids 0 to
k - 1; Axolotl masks them with their labels.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from readsim.errors import ConfigError
from readsim_hf.models.chat_template import chat_text
from readsim_hf.teachers.encoding import bare_ids
from readsim_hf.teachers.record import Soft, TeacherRecord

Message = dict[str, str]


def axolotl_row(
    record: TeacherRecord, messages: list[Message], tokenizer: PreTrainedTokenizerBase
) -> dict[str, Any] | None:
    """The row of a record with top-k distributions; None where the chat template writes the conversation in
    other ids than those that the teacher wrote."""
    assert record.soft is not None
    ids = conversation_ids(tokenizer, messages)
    written = [*record.prompt_ids.tolist(), *record.completion_ids.tolist()]
    if ids[: len(written)] != written:
        return None
    end = len(record.prompt_ids) + record.span[1]
    k = record.soft.ids.shape[1]
    behind = len(ids) - end
    even = [[-math.log(k)] * k for _ in range(behind)]
    return {
        "messages": messages,
        "logprobs": [[float(p) for p in row] for row in record.soft.logp.tolist()] + even,
        "target_token_ids": record.soft.ids.tolist() + [list(range(k)) for _ in range(behind)],
        "source": record.source,
    }


def read_axolotl_row(
    row: Mapping[str, Any], *, tokenizer: PreTrainedTokenizerBase, source: str
) -> TeacherRecord:
    """The record of a row: its last reply. ConfigError for one that is not of this format."""
    messages, logp, top = (row.get(n) for n in ("messages", "logprobs", "target_token_ids"))
    if not (isinstance(messages, list) and messages and messages[-1].get("role") == "assistant"):
        raise ConfigError(
            "messages of a row: expected a conversation that ends with the assistant's reply"
        )
    if not isinstance(logp, list) or not isinstance(top, list) or len(logp) != len(top):
        raise ConfigError(
            "logprobs and target_token_ids of a row: expected lists of the same length"
        )
    ids = conversation_ids(tokenizer, messages)
    asked = bare_ids(tokenizer, chat_text(tokenizer, messages[:-1]))
    said = conversation_ids(tokenizer, messages, whole=False)
    end = len(said)
    turn = [i for i in ids[end : end + 1] if i in _ends(tokenizer)]
    end += len(turn)
    at = len(ids) - len(logp)  # the id that the first row is of
    first = max(len(asked), at)
    if ids[: len(asked)] != asked or at < 1 or first >= end:
        raise ConfigError(
            f"a row has {len(logp)} rows of logprobs for a conversation of {len(ids)} tokens, its prompt "
            f"{len(asked)}: of the last tokens, those of the reply among them"
        )
    try:
        soft = Soft(
            "topk",
            np.array(top[first - at : end - at], np.int32),
            np.array(logp[first - at : end - at], np.float32),
        )
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"logprobs of a row: expected k numbers for each token; {error}"
        ) from error
    if soft.ids.ndim != 2 or soft.ids.shape != soft.logp.shape:
        raise ConfigError(
            "logprobs and target_token_ids of a row: expected as many numbers in each"
        )
    made = np.array(ids, np.int32)
    span = first - len(asked), end - len(asked)
    return TeacherRecord(source, made[: len(asked)], made[len(asked) : end], span, soft)


def conversation_ids(
    tokenizer: PreTrainedTokenizerBase, messages: list[Message], whole: bool = True
) -> list[int]:
    """The conversation in the chat template; not `whole`: up to the end of the last message's words."""
    if whole:
        text = str(tokenizer.apply_chat_template(messages, tokenize=False))
    else:
        text = chat_text(tokenizer, messages, reply=False)
    return bare_ids(tokenizer, text)


def _ends(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    return {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
