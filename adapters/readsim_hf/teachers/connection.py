"""A connection to an OpenAI-compatible server: where it is, what it serves, one prompt at a time."""

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from readsim.errors import ConfigError, ReadsimError
from readsim_hf.teachers.decoding import Decoding
from readsim_hf.teachers.ids import Ids, as_ids
from readsim_hf.teachers.lines import CutOffError, Lines, whole_answer
from readsim_hf.teachers.record import Soft
from readsim_hf.teachers.reply import (
    BadReplyError,
    Reply,
    answer_bytes,
    read_chat,
    read_completion,
    read_object,
    read_prompt,
)

T = TypeVar("T")
_NOT_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout")  # the HTTP library's names
_PAUSE_S = (0.5, 8.0)  # before an unreadable answer is asked for again: first, longest
_PAUSES_S = (1.0, 60.0)  # after a 429 without Retry-After: first, longest
_NEVER = ("insufficient_quota", "billing_hard_limit")  # in a 429 that stays one
_SAID_S = 60.0  # a pause that is worth a word
_SHOWN = 300  # characters of a server's words in an error
_SAID_KEYS: set[tuple[str, str]] = set()  # which key goes where, each said once
# What a request holds where no key may be sent: the SDK adds others from the environment.
_PLAIN = (
    "accept",
    "connection",
    "content-",
    "host",
    "idempotency-key",
    "user-agent",
    "x-stainless-",
)


@dataclass(frozen=True)
class ServerSettings:
    """How a server is asked; results do not depend on it.

    concurrency   requests under way at a time
    timeout_s     seconds until a request whose whole reply is not there is given up
    retries       further attempts after one that failed (no connection, time-out, 408, 409, 5xx, an answer
                  that cannot be read), after a growing pause or what Retry-After says
    patience_s    seconds that a request waits in all where the server has too much to do (429): as long
                  as Retry-After says, or a growing pause; `retries` is not used up by it
    api_key_env   the environment variable with the key, "" for none; the key itself is never written
                  anywhere
    """

    __pydantic_config__ = {"extra": "forbid", "strict": True}  # noqa: RUF012  # pydantic's own name

    concurrency: int = 8
    timeout_s: float = 300.0
    retries: int = 5
    patience_s: float = 1800.0
    api_key_env: str = "OPENAI_API_KEY"

    def __post_init__(self) -> None:
        for name, least in (("concurrency", 1), ("retries", 0)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"{name} = {getattr(self, name)!r}: expected a number of at least {least}"
                )
        if not 0 < self.timeout_s < float("inf"):
            raise ConfigError(
                f"timeout_s = {self.timeout_s!r}: expected a number of seconds above 0"
            )
        if not 0 <= self.patience_s < float("inf"):
            raise ConfigError(
                f"patience_s = {self.patience_s!r}: expected a number of seconds, 0 or more"
            )


class NoReplyError(ReadsimError):
    """A prompt was given up. `lost` requests may have been paid for in vain."""

    def __init__(self, message: str, lost: int) -> None:
        super().__init__(message)
        self.lost = lost


def is_server(source: str | None) -> bool:
    """Whether a teacher's source is the address of a server."""
    return source is not None and source.lower().startswith(("http://", "https://"))


class Server:
    """One model of one server.

    url       such as http://127.0.0.1:8000/v1
    model     its name there; None: the only one that GET /models lists
    context   tokens that it reads at most, where the server says so

    Threads may share it. The SDK sends the requests, waits and tries again. ConfigError for an address
    that is none, a server that cannot be reached or serves several models, and a missing SDK.
    """

    who = "the teacher"  # in words: who is served,
    naming, option = "teacher_model", "--teacher-model"  # and what names the model

    def __init__(self, source: str, model: str | None, settings: ServerSettings) -> None:
        address, _, named = source.partition("#")
        parts = urlsplit(address)
        if not parts.hostname or parts.username is not None or parts.query:
            raise ConfigError(
                f"{self.who[4:]} is {parts._replace(netloc=parts.hostname or '', query='').geturl()!r}; "
                "accepted: http://HOST:PORT/v1, without a user, a password or a query; "
                "#NAME behind it names the served model, [server] api_key_env the key"
            )
        self.url, self.settings = address.rstrip("/"), settings
        self._key = os.environ.get(settings.api_key_env, "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise ConfigError(
                f"api_key_env = {settings.api_key_env!r}: its value is not a valid key"
            )
        self._local = threading.local()
        self._limit = "max_tokens"
        self.lines = Lines()
        self._client = self._connect()
        if self._client.base_url.host.lower() != parts.hostname:  # as the HTTP library reads it
            raise ConfigError(f"{self.who[4:]} is {address!r}: its host is ambiguous")
        if self._key and (said := (settings.api_key_env, parts.netloc)) not in _SAID_KEYS:
            _SAID_KEYS.add(said)
            print(f"sending ${said[0]} to {said[1]}", file=sys.stderr)
        self.context: int | None = None
        self.model = named or model or self._only_model()

    def chat(
        self,
        asked: Sequence[Mapping[str, Any]],
        decoding: Decoding,
        seed: int,
        *,
        system_prompt: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        tools: Sequence[Any] = (),
        seeded: bool = False,
    ) -> tuple[Reply, int]:
        """The reply to a conversation, and how many requests may have been paid for in vain.

        The seed is sent where something is drawn, or with `seeded` always.
        `chat_template_kwargs` go into the request as vLLM and SGLang take them. NoReplyError after the
        last attempt.
        """
        messages = [dict(message) for message in asked]
        if system_prompt is not None and messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": system_prompt})
        body: dict[str, Any] = {"messages": messages, **({"tools": list(tools)} if tools else {})}
        if chat_template_kwargs:
            body["extra_body"] = {"chat_template_kwargs": dict(chat_template_kwargs)}
        if seeded:
            body["seed"] = seed
        most = answer_bytes(decoding.max_new_tokens)
        return self._ask("chat", body, decoding, seed, read_chat, most)

    def complete(
        self, prompt: Ids, decoding: Decoding, seed: int, k: int, vocab: int
    ) -> tuple[Reply, int]:
        """`chat` for token ids, with the k likeliest tokens at each position (vLLM's extension)."""
        extra = {"return_tokens_as_token_ids": True}
        body = {"prompt": as_ids(prompt).tolist(), "logprobs": k, "extra_body": extra}
        most = answer_bytes(decoding.max_new_tokens, k + 1)
        return self._ask(
            "text", body, decoding, seed, lambda text: read_completion(text, k, vocab), most
        )

    def score(self, text: Ids, start: int, k: int, vocab: int) -> tuple[Soft, int]:
        """The k likeliest tokens at each position of a given text from `start` on (vLLM's extension)."""
        ids = as_ids(text).tolist()
        body = {"prompt": ids, "extra_body": {"prompt_logprobs": k}}
        return self._ask(
            "text",
            body,
            Decoding(1, 0.0),  # it has to say something
            0,
            lambda answer: read_prompt(answer, start, ids, k, vocab),
            answer_bytes(len(ids), k + 1),
        )

    def _ask(
        self,
        kind: Literal["chat", "text"],
        body: dict[str, Any],
        decoding: Decoding,
        seed: int,
        read: Callable[[str], T],
        most: int,
    ) -> tuple[T, int]:
        import openai

        self._begin(most)
        body |= {"model": self.model, "temperature": decoding.temperature}
        if decoding.temperature > 0:
            body["seed"] = seed
        while True:
            left = max(0, self.settings.retries - self._local.sent)
            client = self._client.with_options(max_retries=left)
            kinds = {"chat": client.chat.completions, "text": client.completions}
            limit = {self._limit: decoding.max_new_tokens}
            try:
                answer = kinds[kind].with_raw_response.create(**body, **limit)
                return read(_text(answer.http_response)), self._local.taken - 1
            except openai.BadRequestError as error:
                if "max_tokens" not in limit or "max_completion_tokens" not in str(error):
                    raise self._given_up(error) from error
                self._limit = "max_completion_tokens"  # newer models of OpenAI's own want it so
            except (BadReplyError, RecursionError) as error:
                if self._local.sent > self.settings.retries:
                    raise self._given_up(error) from error
                first, longest = _PAUSE_S
                time.sleep(min(first * 2 ** (self._local.sent - 1), longest))
            except Exception as error:  # whatever a server makes the SDK raise
                raise self._given_up(error) from error

    def _begin(self, most: int = answer_bytes(0)) -> None:
        """A prompt of this thread: nothing was sent, and an answer has at most so many bytes."""
        self._local.sent = self._local.taken = 0
        self._local.waited = 0.0
        self._local.lines, self._local.most = self.lines, most

    def _given_up(self, error: Exception) -> NoReplyError:
        attempts = self._local.sent
        return NoReplyError(
            f"{self.who} {self.model!r} at {self.url} gave no reply in {attempts} "
            f"attempt{'s' * (attempts != 1)}; the last: {self._words(error)}",
            self._local.taken,
        )

    def _words(self, error: Exception) -> str:
        """What went wrong, on one line, without the key."""
        status = getattr(error, "status_code", None)
        cause = error.__cause__ if str(error) == "Connection error." else None
        said = str(cause or error)[: 10 * _SHOWN]
        text = " ".join(said.split()) or type(error).__name__
        text = "".join(c if c.isprintable() else "\ufffd" for c in text)
        if status is None and cause is not None:
            text = f"no connection ({text})"
        text = text.replace(self._key, "***") if self._key else text
        hint = ""
        if status == 429 and self._local.waited:
            hint = f" (waited {self._local.waited:.0f} s; [server] patience_s = {self.settings.patience_s:g})"
        elif status == 429:
            hint = f" ([server] patience_s = {self.settings.patience_s:g})"
        if status is not None and 300 <= status < 400:
            headers = getattr(getattr(error, "response", None), "headers", {})
            where = str(headers.get("location", ""))[:_SHOWN]
            hint = f" (it points to {where!r}, where nothing is sent: name that address if it is right)"
        if "logprobs" in text:
            hint = " (vLLM gives as many as --max-logprobs says; soft.k asks for that many)"
        return (f"status {status}: " if status else "") + text[:_SHOWN] + hint

    def _only_model(self) -> str:
        """The model that the server lists, if it is the only one."""
        self._begin()
        try:
            answer = read_object(_text(self._client.models.with_raw_response.list().http_response))
            data = answer.get("data") or []
            listed = [dict(entry) for entry in data]
        except Exception as error:  # whatever a server makes the SDK raise
            raise ConfigError(
                f"{self.who}'s server at {self.url} does not say what it serves ({self._words(error)}): "
                f"start it, or name the model with {self.naming} ({self.option})"
            ) from error
        ids = [entry.get("id") for entry in listed]
        names = [name for name in ids if isinstance(name, str) and name.isprintable()]
        if len(names) != 1 or not names[0]:
            some = ", ".join(names)[:_SHOWN]
            shown = f"name one of them ({some})" if names else "none is listed: name it"
            raise ConfigError(
                f"{self.naming} is None and the server at {self.url} serves {len(names)} models: {shown} "
                f"with {self.option}; `transformers serve` lists what it finds on disk and loads what it is "
                "asked for, so that it always needs the name"
            )
        length = listed[0].get("max_model_len")  # vLLM says so
        known = isinstance(length, int) and not isinstance(length, bool) and 0 < length < 1 << 31
        self.context = length if known else None
        return names[0]

    def _connect(self) -> Any:
        try:
            import openai
        except ImportError as error:
            raise ConfigError(
                f"a teacher behind a server ({self.url}) needs openai: pip install 'readsim[server]'"
            ) from error
        local, wait, settings = self._local, self._wait, self.settings

        class Counting(openai.DefaultHttpxClient):
            """Counts this thread's requests: those sent, and those that may be paid for. Waits a 429 out."""

            def send(self, request: Any, **options: Any) -> Any:
                local.sent += 1
                request.headers["accept-encoding"] = "identity"
                request.headers["connection"] = "close"  # a line a request
                if not settings.api_key_env:
                    for name in [n for n in request.headers if not n.startswith(_PLAIN)]:
                        del request.headers[name]
                while True:
                    response = self.send_once(request, options | {"stream": True})
                    local.taken += response.status_code < 300
                    if response.status_code != 429:
                        return response
                    if not wait(response):
                        response.headers["x-should-retry"] = "false"  # the SDK's own attempts
                        return response

            def send_once(self, request: Any, options: dict[str, Any]) -> Any:
                with local.lines.line(settings.timeout_s) as line:
                    request.extensions = {**request.extensions, "trace": line.trace}
                    try:
                        return whole_answer(super().send(request, **options), local.most)
                    except Exception as error:
                        local.taken += type(error).__name__ not in _NOT_SENT
                        if local.lines.is_cut:
                            raise CutOffError from error
                        if line.is_cut:
                            raise BadReplyError(
                                f"no whole reply within [server] timeout_s = {settings.timeout_s:g}"
                            ) from error
                        raise

        within = openai.Timeout(None, connect=settings.timeout_s)  # the rest is the line's matter
        return openai.OpenAI(
            base_url=self.url,
            api_key=self._key or "none",
            timeout=within,
            max_retries=settings.retries,
            http_client=Counting(timeout=within, follow_redirects=False),
        )

    def _wait(self, response: Any) -> bool:
        """Wait as long as a 429 asks for; False where that is more than is left of the patience."""
        hurry = self._local.lines.hurry
        if any(
            word in response.text for word in _NEVER
        ):  # a quota that waiting does not bring back
            return False
        first, longest = _PAUSES_S
        pause = retry_after(response.headers, time.time())
        if pause is None:
            pause = min(max(first, self._local.waited), longest)  # 1, 1, 2, 4, ...
        if self._local.waited + pause > self.settings.patience_s or hurry.is_set():
            return False
        if pause >= _SAID_S:
            warnings.warn(
                f"{self.who}'s server at {self.url} asks for a pause of {pause:.0f} s: the run waits",
                stacklevel=2,
            )
        left = pause
        while left > 0 and not hurry.is_set():
            time.sleep(min(left, 1.0))
            left -= 1.0
        self._local.waited += pause
        return not hurry.is_set()


def _text(response: Any) -> str:
    """An answer's text. BadReplyError for one that is no UTF-8, or a part only."""
    if response.status_code == 206:
        raise BadReplyError("status 206: the answer is incomplete")
    try:
        return str(response.content, "utf-8")
    except UnicodeDecodeError as error:
        raise BadReplyError(f"the answer is no UTF-8: {error}") from error


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a response asks to wait: `retry-after-ms`, or `Retry-After` as seconds or as a date.

    now   seconds since 1970. None where nothing that can be read is said; a date in the past is 0.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "")
        try:
            seconds = float(text) / unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, OverflowError, TypeError, IndexError):  # what no date is, or a far one
        return None
    return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
