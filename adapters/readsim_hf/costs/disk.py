"""Bytes that a run leaves on disk: replies that are kept, checkpoints, the trained student."""

from readsim.runs.checkpoints import KEPT
from readsim_hf.costs.memory import optimiser_bytes, trained
from readsim_hf.costs.shape import ModelShape
from readsim_hf.store.quantised import position_bytes

NARROW = 2**16  # token ids below this take two bytes, else four (`readsim_hf.teachers.codec`)
PROMPT_TEXT = 4.0  # bytes of text a token
AROUND = 300  # bytes of a reply's header, its span and its key


def reply_bytes(vocabulary: int, prompt: float, reply: float, kept: int, *, whole: bool) -> float:
    """One kept reply: ids of prompt and reply, and `kept` entries of a distribution at each of the reply's
    tokens: an id and a float32 log-probability each, and that of the token itself; or the log-probabilities
    of the `whole` vocabulary."""
    ids = 2.0 if vocabulary <= NARROW else 4.0
    entry = 4.0 if whole else 4.0 + ids
    own = 4.0 if kept and not whole else 0.0
    return AROUND + ids * (prompt + reply) + (entry * kept + own) * reply


def store_bytes(
    vocabulary: int, prompt: float, reply: float, kept: int, *, whole: bool, small: bool
) -> float:
    """One prompt of a teach store (`readsim_hf.store.shards`), before compression: its text, ids of prompt
    and reply, and `kept` entries of a distribution at each of the reply's tokens; see `reply_bytes`."""
    text = PROMPT_TEXT * prompt + 4.0 * (prompt + reply)
    if small and kept:
        return text + reply * position_bytes(vocabulary, kept)
    entry = 4.0 if whole else 4.0 + (2.0 if vocabulary <= NARROW else 4.0)
    return text + entry * kept * reply


def checkpoint_bytes(shape: ModelShape, lora: int) -> float:
    """At most at once: the last checkpoints and the one that is being written; each holds the trained
    weights in float32 and AdamW's moments."""
    return (KEPT + 1) * (4.0 * trained(shape, lora) + optimiser_bytes(shape, lora)[1])


def saved_bytes(shape: ModelShape, lora: int) -> float:
    """The student at the end: at most float32, LoRA's adapters alone."""
    return 4.0 * trained(shape, lora)
