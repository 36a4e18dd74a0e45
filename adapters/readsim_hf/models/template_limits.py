"""A chat template is a small program of somebody else's: it is rendered in little time and memory."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import FrameType
from typing import Any

from jinja2 import Environment, TemplateError

SECONDS = (
    10.0  # of the processor, for one rendering; a template takes less than a thousandth of one
)
BYTES = 2 << 30  # of memory beyond what the process has
_LIMITING = Lock()  # the limit is the process's


class TooMuchError(TemplateError):
    """A template that would take for ever."""


def rendered(render: Callable[[], str], seconds: float = SECONDS) -> str:
    """What `render` gives. TemplateError where it takes too much time or memory, or fails in another way.

    Time is looked at between lines of Python and memory is refused by the system, so that one long step (a
    power of huge numbers) is not ended: `refuse_powers` is for these.
    """
    end, before = time.thread_time() + seconds, sys.gettrace()

    def look(frame: FrameType, event: str, value: Any) -> Any:
        if "jinja2" not in frame.f_code.co_filename and frame.f_code.co_filename != "<template>":
            return None
        if time.thread_time() > end:
            raise TooMuchError(f"it takes more than {seconds:g} s")
        return look

    try:
        with _LIMITING, _memory():
            sys.settrace(look)
            return render()
    except (TemplateError, TypeError, ValueError):
        raise
    except MemoryError as error:
        raise TooMuchError(f"it takes more than {BYTES >> 30} GB") from error
    except Exception as error:  # a program of somebody else's can end in any way
        raise TemplateError(f"{type(error).__name__}: {error}") from error
    finally:
        sys.settrace(before)


def refuse_powers(template: str) -> None:
    """TemplateError for `**`, and for `*` other than of one value and a number: their size has no bound."""
    words = [(kind, text) for _, kind, text in Environment().lex(template) if kind != "whitespace"]
    stars = [at for at, word in enumerate(words) if word == ("operator", "*")]
    if ("operator", "**") in words:
        raise TooMuchError("it computes powers (**)")
    for at in stars:
        number = {"integer", "float"} & {words[at - 1][0], words[min(at + 1, len(words) - 1)][0]}
        if not number or {at - 2, at + 2} & {*stars}:
            raise TooMuchError("it multiplies values (*) of unknown size")


@contextmanager
def _memory() -> Iterator[None]:
    """At most BYTES more than now, where the system can say so (Linux)."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError):
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = pages * resource.getpagesize() + BYTES
    if soft != resource.RLIM_INFINITY and soft < most:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
