"""The student's text from a vLLM server that holds a copy of the student, renewed from a folder.

A renewal writes all weights as safetensors into a new folder, has the server load them (`reload_weights`, by
POST /collective_rpc, which vLLM has with VLLM_SERVER_DEV_MODE=1) and forget the keys and values of older ones
(POST /reset_prefix_cache). Token ids go to /v1/completions, and ids with log-probabilities come back.

Replies are of the weights of the last renewal, `mu`. The server's log-probabilities of them are mu's: they
are the `old` of objectives with importance weights (mopd, kdrl, minillm), whose ratio pi / mu is thus right
for samples that are stale, and for the server's other arithmetic. Objectives without such weights (gkd, opd,
...) train on stale text as it is. After each renewal the student reads the first replies itself: a server
that says something else does not have its weights, and the run ends instead of training on that.
"""

import copy
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from readsim.errors import ConfigError, TrainingError
from readsim_hf.config_merge import MOST_COUNT, within
from readsim_hf.models.loading import no_progress_bars
from readsim_hf.teachers.cache import content_key
from readsim_hf.teachers.connection import (
    NoReplyError,
    Server,
    ServerSettings,
    is_server,
)
from readsim_hf.teachers.decoding import until_end
from readsim_hf.teachers.ids import Ids, as_ids
from readsim_hf.teachers.inference import computing
from readsim_hf.teachers.lines import Crew, Lines
from readsim_hf.teachers.reply import BadReplyError, Reply, answer_bytes, read_completion
from readsim_hf.teachers.scoring import Passage, SoftSettings, score
from readsim_hf.training.logits import bare
from readsim_hf.training.saved import writing
from readsim_hf.training.writers import Drawing, Written

NAME = "readsim-weights-"  # of the folders that are written, and removed again
COMPARED = 4  # replies that the student reads after a renewal
APART = 0.25  # nats between server and student, a token, that rounding does not explain
_AS_IT_IS = {"top_p": 1.0, "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}


@dataclass(frozen=True)
class StudentServerConfig:
    """The table [student_server]: a vLLM server that writes the student's text in its place.

    address   http://HOST:PORT/v1, or with #NAME the served model; "": the student writes here
    folder    where weights are written, which the server sees under the same path
    every     optimiser steps after which the server's weights are renewed, before it is asked again

    How it is asked is in [server]; no key is sent to it.
    """

    __pydantic_config__ = {"extra": "forbid", "strict": True}  # noqa: RUF012
    address: str = ""
    folder: str = ""
    every: int = 1

    def __post_init__(self) -> None:
        within(self, "every", 1, MOST_COUNT)
        if self.address and not is_server(self.address):
            raise ConfigError(
                f"student_server.address = {self.address!r}: accepted: http://HOST:PORT/v1"
            )
        if bool(self.address) != bool(self.folder):
            raise ConfigError(
                f"student_server.address = {self.address!r}, folder = {self.folder!r}: give both, or "
                "neither; the server reads the student's weights from the folder"
            )


class StudentServer(Server):
    """A vLLM server with a copy of the student; see `Server` for the connection.

    ConfigError where it does not say what it serves.
    """

    who = "the served student"
    naming, option = "student_server.address#NAME", "#NAME behind the address"

    def __init__(self, config: StudentServerConfig, settings: ServerSettings) -> None:
        self.config = config
        super().__init__(config.address, None, settings)

    def load(self, model: nn.Module) -> None:
        """Have it write with these weights, those of LoRA in their places.

        TrainingError where it does not take them; RunLogError where they cannot be written.
        """
        self.lines = Lines()
        parent = Path(self.config.folder).absolute()
        folder = parent / f"{NAME}{time.time_ns()}"
        with writing(folder), no_progress_bars():
            folder.mkdir(parents=True)
            _whole(model).save_pretrained(folder)
        order = {"method": "reload_weights", "kwargs": {"weights_path": str(folder)}}
        try:
            self._post("/collective_rpc", order)
            self._post("/reset_prefix_cache", {})
        except NoReplyError as error:
            raise TrainingError(
                f"{error}: it did not load the student's weights from {str(folder)!r}; it must be vLLM with "
                "VLLM_SERVER_DEV_MODE=1, a model of the student's shape, and see that folder"
            ) from error
        for old in parent.glob(f"{NAME}*"):
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)

    def say(self, prompt: Ids, drawing: Drawing) -> Reply:
        """The reply to token ids, with the log-probabilities of its tokens and of the likeliest ones."""
        decoding, ends, vocab, attempt = drawing
        stops = {"ignore_eos": True, "stop_token_ids": list(map(int, ends))}
        extra = {"return_tokens_as_token_ids": True, **stops, **_AS_IT_IS}
        ids = as_ids(prompt)
        body = {"prompt": ids.tolist(), "logprobs": 1, "extra_body": extra}
        most = answer_bytes(decoding.max_new_tokens, 2)
        read = partial(_read, ends=ends, vocab=vocab)
        seed = seed_of(ids, decoding.temperature, attempt)
        return self._ask("text", body, decoding, seed, read, most)[0]

    def _post(self, path: str, body: Mapping[str, Any]) -> None:
        """Have it do something beside the API."""
        self._begin()
        try:
            url = self.url.removesuffix("/v1") + path
            self._client.post(url, cast_to=str, body=dict(body))
        except Exception as error:  # whatever a server makes the SDK raise
            raise self._given_up(error) from error


class ServedWriter:
    """See `Writer`: the served copy, renewed after every so many optimiser steps, when it is next asked.

    student, steps   give the model, and how many optimiser steps it took
    precision        of the student's training

    A new one renews the weights before it asks anything: a run that is resumed never asks other weights than
    its own. With `every` = 1 it then asks as if nothing had happened; else its text is fresher than without
    the stop. TrainingError where the server gives no reply or has other weights; ctrl-C cuts all requests.
    """

    def __init__(
        self,
        server: StudentServer,
        student: Callable[[], nn.Module],
        steps: Callable[[], int],
        precision: str,
    ) -> None:
        self.server, self._student, self._steps = server, student, steps
        self._precision, self._synced, self._seen = precision, -1, False

    def sync(self) -> None:
        """See `Writer`."""
        self.server.load(self._student())
        self._synced, self._seen = self._steps(), False

    def write(self, prompts: Sequence[Ids], drawing: Drawing) -> list[Written]:
        """See `Writer`."""
        if self._synced < 0 or self._steps() - self._synced >= self.server.config.every:
            self.sync()
        server = self.server
        server.lines = Lines()
        jobs = {n: partial(server.say, ids, drawing) for n, ids in enumerate(prompts)}
        crew = Crew[int, Reply](server.settings.concurrency, server.lines)
        crew.begin(jobs)
        done = crew.take(jobs)
        for made in done.values():
            if isinstance(made, NoReplyError):
                raise TrainingError(
                    f"{made}; --resume resumes the run from its last decision"
                ) from made
            if isinstance(made, BaseException):
                raise made
        said: list[Any] = [done[n] for n in range(len(prompts))]
        if not self._seen:
            self._compare(prompts[:COMPARED], said[:COMPARED], drawing.vocab)
            self._seen = True
        return [Written(reply.ids, reply.top.said) for reply in said]

    def _compare(self, prompts: Sequence[Ids], said: Sequence[Any], vocab: int) -> None:
        """TrainingError where the student gives the likeliest tokens another log-probability."""
        passages = [
            Passage(ids, r.ids, (0, len(r.ids))) for ids, r in zip(prompts, said, strict=True)
        ]
        model = bare(self._student())
        with computing(self._precision, model.device.type):
            own = score(model, passages, SoftSettings("topk", 1), vocab=vocab)
        apart = [np.abs(a.logp - r.top.logp) for a, r in zip(own, said, strict=True)]
        mean = float(np.concatenate(apart).mean()) if apart else 0.0
        if not mean <= APART:
            raise TrainingError(
                f"the student's server at {self.server.url} does not have the student's weights: its "
                f"log-probabilities differ by {mean:.2f} nats a token from the student's (accepted: "
                f"{APART}); serve the student itself, unquantised, with its own tokens, to this run alone"
            )


def seed_of(prompt: Ids, temperature: float, attempt: int) -> int:
    """Of a request: it depends on what is asked alone, as the draws of `generate` do."""
    luck = {"temperature": float(temperature), "attempt": int(attempt)}
    return int.from_bytes(content_key(luck, prompt)[:4]) >> 1


def _read(text: str, ends: Sequence[int], vocab: int) -> Reply:
    """A reply of this student. BadReplyError where it is none."""
    reply = read_completion(text, 1, vocab)
    assert reply.ids is not None
    assert reply.top is not None
    assert reply.top.said is not None
    ids = until_end(reply.ids, ends)
    if not len(ids) or (reply.end == "ended" and int(ids[-1]) not in ends):
        raise BadReplyError(
            f"a reply that ended has no end token ({', '.join(map(str, ends))}): the server must take "
            "stop_token_ids and show the token that it stopped at"
        )
    if not np.isfinite(reply.top.said).all():
        raise BadReplyError("a token that was drawn has no log-probability")
    return Reply(
        reply.text,
        reply.finish,
        reply.prompt_tokens,
        reply.generated_tokens,
        reply.model,
        ids,
        reply.top.at(slice(0, len(ids))),
    )


def _whole(model: nn.Module) -> Any:
    """The language model with LoRA's adapters in its weights, in a copy."""
    if not hasattr(model, "merge_and_unload"):
        return bare(model)
    made: Any = copy.deepcopy(model)
    return made.merge_and_unload()
