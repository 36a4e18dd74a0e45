"""A loopback server that speaks as OpenAI's do, keeps what it was asked, and fails as it is told."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.processes import PATIENCE

# What is done with request number n (from 0) and its body: the name of a fault, or "" for an answer.
Plan = Callable[[int, dict[str, Any]], str]


def chat(text: str | None, finish: str | None = "stop", model: str = "m", **usage: int) -> Any:
    """An answer of /chat/completions."""
    used = {"prompt_tokens": 11, "completion_tokens": 5} | usage
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    if finish is not None:
        choice["finish_reason"] = finish
    return {"id": "x", "object": "chat.completion", "model": model, "choices": [choice]} | {
        "usage": used | {"total_tokens": sum(used.values())}
    }


def digits(body: dict[str, Any]) -> Any:
    """A number that depends on the message and the seed, with token counts that do too."""
    text = body["messages"][0]["content"]
    mark = hashlib.sha256(f"{text}{body.get('seed')}".encode()).digest()
    return chat(str(mark[0]), prompt_tokens=len(text) + 7, completion_tokens=1 + mark[1] % 9)


class Fake:
    """Serves while the block of `serving` runs.

    asked    the bodies of all requests, in the order of arrival, and their paths
    sent     the messages whose whole answer was written out, but for its last byte
    usage    prompt and reply tokens of these
    headers  of the last request
    """

    def __init__(self, plan: Plan, answer: Callable[[dict[str, Any]], Any]) -> None:
        self.plan, self.answer = plan, answer
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.sent: list[str] = []
        self.usage = [0, 0]
        self.headers: dict[str, str] = {}
        self.models: Any = {"object": "list", "data": [{"id": "m", "max_model_len": 4096}]}
        self.lock, self.over = threading.Lock(), threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"


FAULTS: dict[str, tuple[int, dict[str, str], str]] = {
    "garbage": (200, {}, "<html>not json</html>"),
    "no choices": (200, {}, json.dumps({"object": "error", "message": "oops"})),
    "no finish": (200, {}, json.dumps(chat("42", None))),
    "no usage": (200, {}, json.dumps({**chat("42"), "usage": None})),
    "429": (429, {"Retry-After": "7"}, json.dumps({"error": {"message": "slow down"}})),
    "500": (500, {}, json.dumps({"error": {"message": "out of memory"}})),
    "401": (401, {}, json.dumps({"error": {"message": "bad key s3cret"}})),
    "limit": (400, {}, json.dumps({"error": {"message": "use max_completion_tokens"}})),
}


def handler(fake: Fake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.reply(200, {}, json.dumps(fake.models))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with fake.lock:
                number = len(fake.asked)
                fake.asked.append(body)
                fake.paths.append(self.path)
                fake.headers = {k.lower(): v for k, v in self.headers.items()}
            fault = fake.plan(number, body)
            if fault == "dies":
                self.close_connection = True
            elif fault == "stalls":
                fake.over.wait(PATIENCE)
            elif fault == "half":
                whole = json.dumps(fake.answer(body))
                self.reply(200, {}, whole[: len(whole) // 2], len(whole))
            elif fault:
                self.reply(*FAULTS[fault])
            else:
                try:
                    answer = fake.answer(body)
                except OSError:  # whom it asks is gone
                    self.close_connection = True
                    return
                self.reply(200, {}, json.dumps(answer), before_the_end=lambda: note(body, answer))

        def reply(
            self,
            status: int,
            headers: dict[str, str],
            text: str,
            length: int | None = None,
            before_the_end: Callable[[], None] = lambda: None,
        ) -> None:
            data = text.encode()
            self.send_response(status)
            kinds = {"Content-Type": "application/json", "Content-Length": str(length or len(data))}
            for name, value in (kinds | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[:-1])
            self.wfile.flush()
            before_the_end()
            self.wfile.write(data[-1:])
            self.wfile.flush()

    def note(body: dict[str, Any], answer: Any) -> None:
        """What was sent and charged; whoever has the whole answer finds it here."""
        with fake.lock:
            fake.sent.append(said(body))
            for place, name in enumerate(("prompt_tokens", "completion_tokens")):
                fake.usage[place] += answer.get("usage", {}).get(name, 0)

    return Handler


def said(body: dict[str, Any]) -> str:
    """What a request asks, with the seed of its attempt."""
    return json.dumps([body.get("messages"), body.get("prompt"), body.get("seed")])


@contextmanager
def serving(
    plan: Plan = lambda n, body: "", answer: Callable[[dict[str, Any]], Any] = digits
) -> Iterator[Fake]:
    """A server on a free port of this machine."""
    fake = Fake(plan, answer)
    thread = threading.Thread(target=fake.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.over.set()
        fake.server.shutdown()
        fake.server.server_close()
        thread.join()


def served(url: str, cache: Any = None, **changes: Any) -> Any:
    """A teacher behind that server, for a student that reads characters."""
    from readsim_hf.models.char_tokenizer import char_tokenizer
    from readsim_hf.prompts.library import NANO
    from readsim_hf.teachers.cache import SignalCache
    from readsim_hf.teachers.connection import Server, ServerSettings
    from readsim_hf.teachers.decoding import Decoding
    from readsim_hf.teachers.server import ServerTeacher
    from readsim_hf.teachers.signals import signal_named

    settings = ("concurrency", "timeout_s", "retries", "patience_s", "api_key_env")
    given = {name: changes.pop(name) for name in settings if name in changes}
    decoding = Decoding(changes.pop("max_new_tokens", 20), changes.pop("temperature", 0.7))
    student: dict[str, Any] = {"ends": (1,), "vocab": 99, "context": 128}
    made = ServerTeacher(
        Server(url, changes.pop("model", None), ServerSettings(**given)),
        changes.pop("tokenizer", None) or char_tokenizer(),
        NANO,
        signal_named(changes.pop("signal", "resp")),
        decoding=decoding,
        format_ok=changes.pop("format_ok", lambda prompt, answer: answer.isdigit()),
        **(student | changes),
    )
    made.cache = None if cache is None else SignalCache(cache)
    return made
