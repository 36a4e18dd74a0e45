"""What a settings file may not decide alone: which code runs here, and which key is sent where.

A settings file is data that others may have written. The command line, the arguments of a Python call and the
environment are the user's own words.
"""

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from readsim.errors import ConfigError
from readsim_hf.teachers.connection import ServerSettings, is_server

HOSTS = "READSIM_API_KEY_HOSTS"  # environment: hosts, with commas, that may be sent a key


def check_code(source: str, file: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """ConfigError where the file at `source` names a `module:Class` and `given` names no allocator."""
    name = file.get("allocator")
    if isinstance(name, str) and ":" in name and given.get("allocator") is None:
        raise ConfigError(
            f"{source}: allocator = {name!r} would run code that a settings file names; if you trust it, "
            f"say so on the command line: --allocator {name} (in Python: allocator={name!r})"
        )


def with_key(
    source: str,
    server: ServerSettings,
    teachers: Iterable[str | None],
    file: Mapping[str, Any],
    given: Mapping[str, Any],
) -> ServerSettings:
    """The settings with the key that may be sent to these `teachers`.

    A key goes to a server that `given` or the variable READSIM_API_KEY_HOSTS names, or where `given` names
    its variable. Else ConfigError if the file at `source` asks for the key; without that it stays here, with
    a warning.
    """
    name = server.api_key_env
    pair, words = given.get("pair", {}), given.get("server", {})
    own = {pair.get("teacher"), *pair.get("teachers", {}).values()}
    allowed = {host.strip().lower() for host in os.environ.get(HOSTS, "").split(",")}
    hosts = sorted(
        {_host(t) for t in teachers if t is not None and is_server(t) and t not in own} - allowed
    )
    if not hosts or "api_key_env" in words or not os.environ.get(name):
        return server
    choice = f"--api-key-env {name} or {HOSTS}={','.join(hosts)} sends it"
    if "api_key_env" in file.get("server", {}):
        raise ConfigError(
            f"{source}: api_key_env = {name!r} would send ${name} to {', '.join(hosts)}, which this file "
            f"names too; {choice}, --api-key-env '' sends none"
        )
    warnings.warn(
        f"no key is sent to {', '.join(hosts)}, which {source} names: {choice}", stacklevel=2
    )
    return replace(server, api_key_env="")


def _host(address: str) -> str:
    """Of an address that may be none: `Server` refuses it with words of its own."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
