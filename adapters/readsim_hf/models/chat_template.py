"""The chat template of a run: one text that says all that stands around a prompt, the same every day.

A system prompt, arguments such as `enable_thinking`, and the day that a template writes are set inside the
template itself. So a tokenizer with its template is the whole definition of how a prompt becomes ids: for
training, for probes, and for whoever serves the saved student.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time
from datetime import date as Date
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase as Tokenizer

from readsim.errors import ConfigError
from readsim.files import read_text
from readsim_hf.models.template_limits import refuse_powers, rendered

DATE = "2026-01-01"
# A prompt with all that a template may drop or rewrite: lines, marks, markup, length.
_MARKER = (
    "What is 17 + 25?\n\n"
    + "".join(f'{n}. it\'s "a" & <b> {{c}}\n    d: \\n é\n' for n in range(20))
    + "e"
)
# What `strftime_now` may be asked for, without and with a flag: %d, %-d.
_CODES = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZf%"
_FLAGGED = "dmHIMSjyUWVuwekl"
_CLOCK = (
    "{% macro strftime_now(format) %}{% set days = DAYS %}{% set ns = namespace(code='') %}{% for letter in "
    "format %}{% if ns.code %}{% set ns.code = ns.code + letter %}{% if letter != '-' %}{{ days.get(ns.code, "
    "ns.code) }}{% set ns.code = '' %}{% endif %}{% elif letter == '%' %}{% set ns.code = letter %}{% else "
    "%}{{ letter }}{% endif %}{% endfor %}{{ ns.code }}{% endmacro %}"
)


@dataclass(frozen=True)
class PromptSettings:
    """What stands around each prompt of a run.

    system_prompt   the system message; None leaves it to the template
    chat_template   file of a Jinja chat template instead of the models' own; "none" for no template:
                    the bare text after the tokenizer's start token
    chat_template_kwargs   arguments of the template, such as {"enable_thinking": False}
    date            the day that a template writes (YYYY-MM-DD)
    """

    system_prompt: str | None = None
    chat_template: str | None = None
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    date: str = DATE

    def __post_init__(self) -> None:
        try:
            Date.fromisoformat(self.date)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"date = {self.date!r}: expected a day as YYYY-MM-DD") from error
        for name in self.chat_template_kwargs:
            if not name.isidentifier():
                raise ConfigError(f"chat_template_kwargs: {name!r} is no name of an argument")

    def table(self) -> dict[str, Any]:
        """What is set, as plain data."""
        found = {
            "system_prompt": self.system_prompt,
            "chat_template_kwargs": dict(self.chat_template_kwargs),
        }
        return {name: value for name, value in found.items() if value}


def fixed_tokenizer(tokenizer: Tokenizer, settings: PromptSettings, source: str) -> Tokenizer:
    """A copy of the tokenizer whose template is `settings` and nothing else; see `with_settings`.

    ConfigError, naming `source`, for a template that cannot be read, refuses a message or leaves out its
    text, and for a system prompt where there is no template.
    """
    made: Tokenizer = copy.deepcopy(tokenizer)
    template = _template(tokenizer, settings.chat_template, source)
    if template is None:
        if settings.system_prompt is not None:
            raise ConfigError(
                f"system_prompt: {source!r} has no chat template that could hold it; give "
                "chat_template, a file"
            )
        made.chat_template = None
        return made
    made.chat_template = with_settings(template, settings)
    try:
        refuse_powers(template)
    except TemplateError as error:
        raise ConfigError(
            f"the chat template of {source!r}: {error}; give chat_template, a file, or 'none'"
        ) from error
    try:
        shown, again = (chat_text(made, [{"role": "user", "content": _MARKER}]) for _ in range(2))
    except ConfigError as error:
        raise ConfigError(f"{source!r}: {error}") from error
    fault = ""
    if shown != again:
        fault = "writes something else each time"
    elif _MARKER not in shown:
        fault = "leaves out a prompt's text, or changes it"
    elif settings.system_prompt is not None and settings.system_prompt.strip() not in shown:
        made.chat_template = with_settings(template, replace(settings, system_prompt=None))
        if chat_text(made, [{"role": "user", "content": _MARKER}]) == shown:
            fault = "leaves out system_prompt"
        made.chat_template = with_settings(template, settings)  # it acts: SmolLM 3 reads /no_think
    if fault:
        raise ConfigError(
            f"the chat template of {source!r} {fault}; give chat_template, a file, or 'none'"
        )
    return made


def check_arguments(settings: PromptSettings, readers: Sequence[Tokenizer], served: bool) -> None:
    """ConfigError for an argument that no chat template of `readers` reads, nor one that is `served`."""
    templates = [str(reader.chat_template or "") for reader in readers]
    for name in settings.chat_template_kwargs:
        head = f"{{% set {name} = "
        read = [t for t in templates if name in "".join(x for x in t.splitlines() if head not in x)]
        if not read and not served:
            raise ConfigError(
                f"chat_template_kwargs.{name}: no chat template of this pair reads it"
            )


def _template(tokenizer: Tokenizer, given: str | None, source: str) -> str | None:
    if given == "none":
        return None
    if given is not None:
        try:
            return read_text(given)
        except ConfigError as error:
            raise ConfigError(f"chat_template = {given!r}: {error}; a file, or 'none'") from error
    if tokenizer.chat_template is None:
        return None
    try:
        return str(tokenizer.get_chat_template())
    except ValueError as error:  # several with names, and no default among them
        raise ConfigError(
            f"{source!r} has chat templates {', '.join(sorted(tokenizer.chat_template))} and no default one; "
            "give chat_template, a file"
        ) from error


def with_settings(template: str, settings: PromptSettings) -> str:
    """The template with its arguments set at its head; as it is where there is nothing to set."""
    head = [
        f"{{% set {name} = {_literal(value)} %}}"
        for name, value in sorted(settings.chat_template_kwargs.items())
    ]
    if settings.system_prompt is not None:
        message = _literal({"role": "system", "content": settings.system_prompt})
        head.append(
            f"{{% set messages = ([{message}] if messages[0]['role'] != 'system' else []) + messages %}}"
        )
    if "strftime_now" in template:
        day = datetime.combine(Date.fromisoformat(settings.date), time(), UTC)
        codes = [f"%{code}" for code in _CODES] + [f"%-{code}" for code in _FLAGGED]
        head.append(_CLOCK.replace("DAYS", _literal({code: day.strftime(code) for code in codes})))
    return "".join(f"{line}\n" for line in head) + template  # Jinja drops a newline after a tag


def _literal(value: Any) -> str:
    """A value as Jinja writes it. ConfigError for what is no plain data."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | str):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_literal(str(k))}: {_literal(v)}" for k, v in value.items())
        return f"{{{pairs}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    raise ConfigError(f"chat_template_kwargs: {value!r} is no text, number, list or table")


def chat_text(
    tokenizer: Tokenizer,
    messages: Sequence[Mapping[str, Any]],
    *,
    reply: bool = True,
    ended: bool = False,
    tools: Sequence[Any] = (),
) -> str:
    """Messages inside the chat template, up to where the reply begins (`reply`), or goes on, or with all
    that stands behind it (`ended`).

    ConfigError where the template refuses them.
    """
    try:
        return rendered(
            lambda: str(
                tokenizer.apply_chat_template(
                    [dict(message) for message in messages],
                    tools=list(tools) or None,
                    tokenize=False,
                    add_generation_prompt=reply and not ended,
                    continue_final_message=not reply and not ended,
                )
            )
        )
    except Exception as error:  # a template is somebody's program: it can fail in any way
        roles = ", ".join(str(message["role"]) for message in messages)
        raise ConfigError(
            f"the chat template refuses messages of {roles}: {error}; give chat_template, a file, or 'none'"
        ) from error
