"""What in a server's replies hints that it is not the teacher one thinks it is; each is said once."""

import warnings
from collections.abc import Collection

from transformers import PreTrainedTokenizerBase

from readsim_hf.teachers.encoding import encode
from readsim_hf.teachers.finish import WORDS, end_of_reply
from readsim_hf.teachers.reply import Reply


class ServerWarnings:
    """Warnings about one served model; `known` is its tokenizer, where that is known."""

    def __init__(self, model: str, known: PreTrainedTokenizerBase | None) -> None:
        self._model, self._known = model, known
        self._compared = self._endless = False
        self._named: str | None = None  # the model's name in its replies
        self._words: set[str] = set()  # finish_reasons that nobody knows

    def look(self, asked: str | None, reply: Reply, ends: Collection[int]) -> None:
        """At a reply to a message (None: to a conversation), whether it is new or was kept."""
        if self._named is not None and reply.model != self._named:
            self._say(
                f"replies of {self._model!r} name the model {self._named!r} and now {reply.model!r}: "
                "the teacher may have changed"
            )
        self._named = reply.model
        if self._known is not None and asked is not None and not self._compared:
            self._compared = True
            ours = len(encode(self._known, asked))
            if ours != reply.prompt_tokens:
                self._say(
                    f"the server of {self._model!r} read {reply.prompt_tokens} tokens where "
                    f"teacher_tokenizer with its chat template makes {ours}: they disagree on the template"
                )
        no_end = reply.ids is not None and not (len(reply.ids) and int(reply.ids[-1]) in ends)
        if reply.end == "ended" and no_end and not self._endless:
            self._endless = True
            self._say(
                f"a whole reply of {self._model!r} has no end token of the student's ({sorted(ends)}): "
                "the student will not learn where to stop"
            )

        if end_of_reply(reply.finish) is None and reply.finish not in self._words:
            self._words.add(reply.finish)
            self._say(
                f"finish_reason {reply.finish!r} of {self._model!r} is unknown: its replies count as cut at "
                f"the length limit, without an end token; known: {', '.join(WORDS)}"
            )

    def _say(self, text: str) -> None:
        warnings.warn(text, stacklevel=3)
