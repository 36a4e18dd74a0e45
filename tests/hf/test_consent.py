"""A settings file is data: it neither runs code nor sends a key without the user's own word."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from readsim.allocators.registry import load_allocator
from readsim.errors import ConfigError
from readsim.runs.foreign import load_backend
from tests.cli.test_app import call
from tests.support.hf import NEEDS
from tests.support.made_server import serving

CODE = (
    "from pathlib import Path\nPath('ran').touch()\nfrom readsim.allocators.static import Uniform\n"
)
hf = pytest.mark.extra(*NEEDS)


@pytest.fixture(autouse=True)
def _in_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    Path("theirs.py").write_text(CODE)


@pytest.mark.parametrize("name", ["subprocess:Popen+args=touch ran", "os:mkdir+path=ran"])
def test_what_is_no_allocator_and_no_backend_is_not_called(name: str) -> None:
    for load in (load_allocator, load_backend):
        with pytest.raises(ConfigError):
            load(name)
    assert not Path("ran").exists()


@hf
@pytest.mark.parametrize("command", [("plan",), ("distill", "--dry-run")])
@pytest.mark.parametrize("name", ["theirs:Uniform", "subprocess:Popen+args=touch ran"])
def test_a_file_names_no_code(
    command: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run.toml").write_text(f'allocator = "{name}"\nbudget = "2k"\n')
    Path("run.json").write_text(json.dumps({"allocator": name}))
    for file in ("run.toml", "run.json"):
        code, _, err = call(capsys, *command, "--config", file)
        assert code == 2
        assert f"{file}: allocator = {name!r}" in err
        assert "--allocator" in err
    assert not Path("ran").exists()
    assert "theirs" not in sys.modules


@hf
def test_the_user_s_own_word_is_enough() -> None:
    from readsim_hf.config import RunConfig, resolve_config

    Path("run.toml").write_text('allocator = "theirs:Uniform"\n')
    given = {"allocator": "theirs:Uniform"}
    assert resolve_config("run.toml", given).allocator == "theirs:Uniform"
    assert RunConfig.of(given).allocator == "theirs:Uniform"


def settings(file: dict[str, Any], **given: Any) -> Any:
    from readsim_hf.config import resolve_config

    Path("run.json").write_text(json.dumps(file))
    return resolve_config("run.json", given).server.api_key_env


@hf
def test_a_file_sends_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "s3cret")
    monkeypatch.setenv("OPENAI_API_KEY", "s3cret")
    monkeypatch.delenv("READSIM_API_KEY_HOSTS", raising=False)
    pair = {"teacher": "http://their.host:8000/v1", "student": "s"}
    asks = {"pair": pair, "server": {"api_key_env": "MY_KEY"}}
    with pytest.raises(ConfigError, match=r"would send \$MY_KEY to their\.host.*--api-key-env"):
        settings(asks)
    with pytest.warns(UserWarning, match=r"no key is sent to their\.host.*OPENAI_API_KEY"):
        assert settings({"pair": pair}) == ""
    several = {"pair": {"teacher": "t", "student": "s", "teachers": {"math": pair["teacher"]}}}
    with pytest.warns(UserWarning, match=r"no key is sent to their\.host"):
        assert settings(several) == ""
    assert settings(asks, server={"api_key_env": "MY_KEY"}) == "MY_KEY"
    assert settings(asks, pair={"teacher": pair["teacher"]}) == "MY_KEY"
    monkeypatch.setenv("READSIM_API_KEY_HOSTS", "a.b, Their.host")
    assert settings(asks) == "MY_KEY"


@pytest.mark.extra(*NEEDS, "openai")
def test_where_a_key_goes_is_said_once_and_nothing_else_goes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from readsim_hf.teachers.connection import Server, ServerSettings

    monkeypatch.setenv("MY_KEY", "s3cret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-s3cret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: s3cret")
    with serving() as fake:
        for _ in range(2):
            Server(fake.url, "m", ServerSettings(api_key_env="MY_KEY"))
        host = fake.url.removeprefix("http://").removesuffix("/v1")
        assert capsys.readouterr().err == f"sending $MY_KEY to {host}\n"
        from tests.support.made_server import served
        from tests.support.made_teachers import asking

        served(fake.url, api_key_env="").ask([asking("1+1")])
        assert "s3cret" not in str(fake.headers)
        assert capsys.readouterr().err == ""
    monkeypatch.setenv("MY_KEY", "s3\ncret")
    with pytest.raises(
        ConfigError, match=r"^api_key_env = 'MY_KEY': its value is not a valid key$"
    ):
        Server("http://h/v1", "m", ServerSettings(api_key_env="MY_KEY"))


@pytest.mark.slow
def test_commands_that_read_logs_import_nothing_that_they_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = ("compare", "--world", "gateway", "--budgets", "1M", "--steps", "2", "--seeds", "2")
    code, _, err = call(
        capsys, *run, "--allocators", "theirs:Uniform,uniform", "--jobs", "1", "--out", "o"
    )
    assert code == 0, err
    Path("ran").unlink()
    sys.modules.pop("theirs")
    for command in (("report", "o"), ("plot", "o"), ("scores", "o"), ("fit", "o", "-o", "w.toml")):
        call(capsys, *command)
        assert not Path("ran").exists(), command
        assert "theirs" not in sys.modules


BOMBS = {
    "loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "doubling": "{% set n = namespace(x='a') %}{% for i in range(60) %}"
    "{% set n.x = n.x ~ n.x %}{% endfor %}",
    "text": "{{ 'a' * 100000000000 }}",
    "width": "{{ '%100000000000d' % 1 }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "range": "{% for i in range(1000000000) %}{% endfor %}",
    "code": "{{ cycler.__init__.__globals__.os.popen('touch ran').read() }}",
}


@hf
@pytest.mark.parametrize("name", BOMBS)
def test_a_template_neither_runs_code_nor_for_ever(name: str) -> None:
    from jinja2 import TemplateError

    from readsim_hf.models.char_tokenizer import char_tokenizer
    from readsim_hf.models.template_limits import rendered

    tokenizer = char_tokenizer()
    tokenizer.chat_template = BOMBS[name]
    messages = [{"role": "user", "content": "hi"}]
    with pytest.raises(TemplateError):
        rendered(lambda: str(tokenizer.apply_chat_template(messages, tokenize=False)), 0.2)
    assert not Path("ran").exists()


@hf
def test_powers_and_unknown_products_are_refused() -> None:
    from jinja2 import TemplateError

    from readsim_hf.models.template_limits import refuse_powers

    for fine in ("{{ '=' * 20 }}", "{{ 3 * n }} {# a ** b #} x ** y", "{{ n * 2 + 3 * n }}"):
        refuse_powers(fine)
    for huge in ("{{ 9 ** 9 }}", "{{ n * n }}", "{{ n * 2 * n }}"):
        with pytest.raises(TemplateError, match=r"it (computes powers|multiplies values)"):
            refuse_powers(huge)
