"""Settings as they may be shown to others: no passwords, tokens or folders of the machine in them."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"<>]+")
# What Hugging Face, OpenAI and their like, GitHub, W&B and Amazon call a key, and headers that carry one.
_KEY = re.compile(
    r"\b(?:hf|sk|pk|ghp|gho|github_pat|glpat|xox[abp]|AKIA|wandb_v\d)[-_]?[A-Za-z0-9_-]{16,}\b"
    r"|\b[Bb]earer\s+\S+"
    r"|\b(?i:api[-_]?key|token|secret|password)=[^\s&'\"]{8,}"
)
_MODEL = re.compile(r"[\w.:/-]+")
HIDDEN = "***"


def published(value: Any) -> Any:
    """Plain data with every text made fit to be shown.

    An address keeps its scheme, host, port and #MODEL; an absolute path its last part; a key is `***`.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {_text(str(key)): published(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [published(item) for item in value]
    return value


def _text(text: str) -> str:
    if text.startswith(("/", "~/", "\\\\")) or re.match(r"[A-Za-z]:[\\/]", text):
        kind = PurePosixPath if text.startswith(("/", "~")) else PureWindowsPath
        text = kind(text).name
    return without_keys(_ADDRESS.sub(lambda found: _address(found[0]), text))


def without_keys(text: str) -> str:
    """The text as it is but for keys, which are `***`."""
    return _KEY.sub(HIDDEN, text)


def _address(address: str) -> str:
    try:
        parts = urlsplit(address)
        place = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return HIDDEN
    path = parts.path.rstrip("/")
    shown = path if path in ("", "/v1") else f"/{HIDDEN}"
    model = f"#{parts.fragment}" if _MODEL.fullmatch(parts.fragment) else ""
    return f"{parts.scheme}://{place}{shown}{model}"
