"""What README and docs say is so: commands and links exist, tables are the code's, examples run."""

import json
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
import typer

import readsim
from readsim import Allocator
from readsim.allocators.registry import load_allocator
from readsim.cli.app import app
from readsim.envs.env import DistillEnv
from readsim.runs.loop import rollout
from readsim.worlds import preset_names
from readsim_hf.cli.app import register
from readsim_rl.cli import register as register_training
from tests.cli import test_app
from tests.support.hf import NEEDS
from tests.support.paths import ROOT
from tests.support.tutorial import blocks

README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [README, ROOT / "studies" / "README.md", *sorted(DOCS.rglob("*.md"))]


def code(page: Path, language: str) -> list[str]:
    return [block.text for block in blocks(page, skipped=True) if block.language == language]


def test_the_readme_is_short() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 180
    assert len(text.encode()) <= 10 * 1024


def test_the_allocator_example_runs_and_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [source] = code(README, "python")
    body = source[source.index("class ") :].strip().splitlines()
    assert len(body) <= 15
    (tmp_path / "mine_of_the_readme.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    allocator = load_allocator("mine_of_the_readme:Follow")
    assert isinstance(allocator, Allocator)
    for world in ("random:sources=3,capabilities=5", "read8-llama"):
        rows, _ = rollout([DistillEnv(world, steps=5)], allocator, [0])
        chosen = np.array([row["allocation"] for row in rows if row["kind"] == "step"])
        assert np.allclose(chosen.sum(axis=1), 1.0)
    assert len(np.unique(chosen.round(9), axis=0)) > 1


def test_the_environment_example_runs() -> None:
    [example] = [
        text for text in code(DOCS / "guides" / "worlds.md", "python") if "gym.make(" in text
    ]
    names: dict[str, object] = {}
    exec(example, names)
    assert isinstance(names["env"], gym.Env)
    assert np.isfinite(float(str(names["reward"])))


@pytest.mark.slow
def test_the_paired_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    [paired] = code(DOCS / "guides" / "statistics.md", "python")
    exec(
        paired.replace("seeds=8", "seeds=2, steps=4")
        .replace('"read",', '"read+pool=64",')
        .replace('loc["read"]', 'loc["read+pool=64"]'),
        {},
    )
    assert "seeds:            2" in capsys.readouterr().out


@pytest.mark.extra(*NEEDS)
@pytest.mark.slow
def test_the_example_of_a_real_backend_runs() -> None:
    [example] = code(DOCS / "guides" / "backends.md", "python")
    names: dict[str, Any] = {}
    exec(example, names)
    observation, _ = names["env"].reset(seed=0)
    assert observation["profile"].max() > 0.3


@pytest.mark.extra(*NEEDS)
def test_the_settings_examples_are_accepted(tmp_path: Path) -> None:
    from readsim_hf.config import RunConfig
    from readsim_hf.requirement.card import load_card

    [run] = code(DOCS / "tutorials" / "301-real-run.md", "toml")
    [card] = code(DOCS / "guides" / "distillation.md", "toml")
    assert RunConfig.of(tomllib.loads(run)).training.lora == 16
    path = tmp_path / "card.toml"
    path.write_text(card)
    assert load_card(path).exemplars[0].output == "42"


@pytest.mark.extra(*NEEDS, "accelerate", "datasets", "openai", "pyarrow", "regex", "trl")
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of TRL's own settings
@pytest.mark.slow
def test_what_can_be_brought_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line in turn, on data made here; long runs are cut or only announced."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("READSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "300")
    for name in ("sft", "tiny_task"):
        shutil.copy(ROOT / "docs" / "examples" / "trainers" / f"{name}.py", tmp_path)
    rows = [{"prompt": f"{n}+1=", "completion": str(n + 1)} for n in range(400)]
    items = [{"question": r["prompt"], "answer": r["completion"]} for r in rows[200:]]
    Path("math.jsonl").write_text("\n".join(map(json.dumps, rows[:100])))
    pd.DataFrame(rows[100:200]).to_parquet("code.parquet")
    Path("items.jsonl").write_text("\n".join(map(json.dumps, items)))
    Path("mine.yaml").write_text(
        "task: mine\ndataset_path: json\noutput_type: generate_until\n"
        f"dataset_kwargs: {{data_files: {{test: {tmp_path / 'items.jsonl'}}}}}\ntest_split: test\n"
        "doc_to_text: '{{question}}'\ndoc_to_target: '{{answer}}'\n"
        "generation_kwargs: {until: ['.'], max_gen_toks: 4}\n"
        "metric_list: [{metric: exact_match}]\n"
    )
    Path("run.toml").write_text(
        "method = 'resp-sft'\n[[data.sources]]\nname = 'math'\npath = 'math.jsonl'\nreplies = 'ask'\n"
        "[[probes.tasks]]\ncapability = 'math'\npath = 'items.jsonl'\n[probes]\nprobe = 4\ndev = 4\n"
    )
    losses = [
        {"tokens": n * 100_000, "eval_math_loss": 3 - n, "eval_code_loss": 2} for n in range(2)
    ]
    Path("metrics.jsonl").write_text("\n".join(map(json.dumps, losses)) + "\n")
    cut = {
        "distill": ("--dry-run",),
        "run": ("--budget", "400", "--steps", "2"),
        "advise": ("--once",),
    }
    page = (DOCS / "guides" / "bring-your-own.md").read_text(encoding="utf-8")
    block = page.split("<!-- bring-your-own -->")[1].split("```sh\n")[1].split("```")[0]
    said = []
    for line in block.splitlines():
        name, *rest = shlex.split(line, comments=True)[1:]
        code_, out, err = test_app.call(capsys, name, *rest, *cut.get(name, ()))
        assert code_ == 0, (line, err)
        said.append(" ".join(out.split()))
    for name in ("sft", "tiny_task"):
        sys.modules.pop(name, None)
    assert "evaluates code/mine" in said[0]
    assert "sent: '" in said[1]
    assert "content " in said[2]
    assert "the replies of a teach store" in said[3]
    assert list(Path("mine/runs").glob("*.jsonl"))
    assert set(json.loads(Path("shares.json").read_text())["shares"]) == {"math", "code"}


def test_the_tree_names_what_exists() -> None:
    text = (DOCS / "decision.md").read_text(encoding="utf-8")
    tree = text.split("## The tree")[1].split("```\n")[1]
    found = 0
    folder = ROOT
    for line in tree.splitlines():
        words = re.split(r" {2,}", line.strip())[0].split()
        if not line.startswith(" "):
            folder = ROOT / words[0]
            paths = [folder]
        else:
            paths = [folder / word for word in words]
        for path in paths:
            assert path.exists(), path
            found += 1
    assert found > 15


def _calls(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Each call of `readsim` on a page: the line, and its words. Lines that are continued are one."""
    for block in code(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for call in re.findall(r"(?:^|[/\s])readsim (\w+[^#&|]*)", line):
                yield line, shlex.split(call)


def test_every_command_and_option_exists() -> None:
    """Also of the commands that no test runs, because they are long or need what a test has not."""
    from typer.main import get_command

    both = typer.Typer()
    both.registered_commands += app.registered_commands
    register(both)
    register_training(both)
    commands = get_command(both).commands  # type: ignore[attr-defined]  # a group has them
    used = set()
    for page in PAGES:
        for line, (name, *rest) in _calls(page):
            command, words = commands[name], rest
            if name == "models" and rest:
                command, words = command.commands[rest[0]], rest[1:]
            options = {o for p in command.params for o in p.opts + p.secondary_opts}
            given = {word for word in words if word.startswith("--")}
            assert given <= options | {"--help"}, f"{page}: {line}"
            used.add(name)
    assert used >= set(commands) - {"probes", "predict"}


def test_the_presets_are_listed() -> None:
    text = (DOCS / "reference" / "world-file.md").read_text(encoding="utf-8")
    for name in preset_names():
        assert f"`{name}`" in text


def test_links_between_pages_lead_somewhere() -> None:
    """Files exist, and so does the heading behind a hash."""
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            place, _, anchor = target.partition("#")
            file = (page.parent / place).resolve() if place else page
            assert file.exists(), f"{page.relative_to(ROOT)}: {target}"
            if anchor:
                assert anchor in _anchors(file), f"{page.relative_to(ROOT)}: {target}"


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_every_page_is_in_the_menu_of_the_site() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert f": {page.relative_to(DOCS).as_posix()}\n" in menu, page


def test_the_citation_has_the_version() -> None:
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {readsim.__version__}\n" in cited
