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
from readsim_hf.probes.own.config import JudgeConfig
from readsim_hf.teachers.connection import ServerSettings, is_server

HOSTS = "READSIM_API_KEY_HOSTS"  # environment: hosts, with commas, that may be sent a key


def check_code(source: str, file: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """ConfigError where the file at `source` names code that `given` does not: a `module:Class` as allocator,
    an evaluation's YAML file (its templates and functions run here) or `module:function` as metric."""
    _check_evaluations(source, file, given)
    name = file.get("allocator")
    if isinstance(name, str) and ":" in name and given.get("allocator") is None:
        raise ConfigError(
            f"{source}: allocator = {name!r} would run code that a settings file names; if you trust it, "
            f"say so on the command line: --allocator {name} (in Python: allocator={name!r})"
        )


def _check_evaluations(source: str, file: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    own = {(name, value) for task in _tasks(given) for name, value in _code_in(task)}
    for task in _tasks(file):
        for name, value in _code_in(task):
            if (name, value) in own:
                continue
            where = value if name == "yaml" else f"{task.get('path', 'FILE')}:{value}"
            raise ConfigError(
                f"{source}: probes.tasks, capability {task.get('capability')!r}: {name} = {value!r} would "
                "run code that a settings file names"
                + (" (a task's templates and functions are code)" if name == "yaml" else "")
                + f"; if you trust it, say so on the command line: --eval {task.get('capability')}={where}"
            )


def _tasks(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    probes = table.get("probes")
    tasks = probes.get("tasks") if isinstance(probes, Mapping) else None
    return [t for t in tasks if isinstance(t, Mapping)] if isinstance(tasks, list | tuple) else []


def _code_in(task: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What of a task is code, by the name of its setting."""
    found = [("yaml", task.get("yaml"))]
    if not task.get("yaml") and not task.get("task"):
        found.append(("metric", task.get("metric")))
    return [
        (name, value)
        for name, value in found
        if isinstance(value, str) and value and (name == "yaml" or ":" in value)
    ]


def judge_with_key(
    source: str, judge: JudgeConfig, file: Mapping[str, Any], given: Mapping[str, Any]
) -> JudgeConfig:
    """The judge with the key that it may be sent, by the rules of `with_key`."""
    if not judge.address:
        return judge
    of_file, of_given = _judge_words(file), _judge_words(given)
    return replace(judge, server=with_key(source, judge.server, [judge.address], of_file, of_given))


def _judge_words(table: Mapping[str, Any]) -> dict[str, Any]:
    """What a table says of the judge, as it would say it of a teacher."""
    probes = table.get("probes")
    judge = probes.get("judge") if isinstance(probes, Mapping) else None
    words = judge if isinstance(judge, Mapping) else {}
    server = words.get("server")
    return {
        "pair": {"teacher": words.get("address")},
        "server": server if isinstance(server, Mapping) else {},
    }


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
