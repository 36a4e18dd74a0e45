"""`readsim probes`."""

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from readsim.cli.output import Terminal
from readsim.errors import ConfigError
from readsim.files import read_text
from readsim_hf.cli.evaluations import parse_eval
from readsim_hf.cli.options import Text, need_extra

_ITEMS = (".jsonl", ".ndjson", ".csv", ".parquet")
_LM_EVAL = re.compile(
    r"^(?:dataset_path|output_type|doc_to_text|include|group|task_list)\s*:", re.M
)


def probes(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="FILE is the settings of a run, a file of items, the YAML file of a task, or NAME=SOURCE.",
        ),
    ],
    evals: Annotated[
        list[str] | None,
        typer.Option(
            "--eval",
            metavar="NAME=SOURCE",
            help="This evaluation overrides the settings, as in `readsim distill`; the option "
            "may be repeated.",
        ),
    ] = None,
    tokenizer: Annotated[
        Text,
        typer.Option(
            help="Prompts are shown in the chat template of this tokenizer, an id or a folder."
        ),
    ] = None,
    show: Annotated[
        int, typer.Option(min=0, help="This many items of each probe and dev split are shown.")
    ] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="The output is one JSON object.")] = False,
) -> None:
    """Show the evaluation items of a run before it starts.

    It prints items as they are sent to the model, their ids and gold answers, and the sizes of the splits.
    """
    need_extra()
    from readsim_hf.config import RunConfig, resolve_config
    from readsim_hf.plan.probed import probed_alone, probed_by, shown_benchmarks

    given: dict[str, Any] = {"probes": {"tasks": [parse_eval(text) for text in evals or ()]}}
    alone = _alone(file)
    if alone is not None:
        given["probes"]["tasks"].insert(0, alone)
        measures = probed_alone(RunConfig.of(given).probes)
        own, names = None, tuple(dict.fromkeys(b.capability for b in measures.benchmarks))
    else:
        config = resolve_config(Path(file), given if evals else {})
        measures, own, names = probed_by(config)
    if tokenizer is not None:
        from transformers import AutoTokenizer

        try:
            own = AutoTokenizer.from_pretrained(tokenizer)
        except Exception as error:  # whatever the library raises
            said = " ".join(str(error).split())[:200]
            raise ConfigError(f"tokenizer = {tokenizer!r}: it cannot be loaded: {said}") from error
    found = list(shown_benchmarks(measures, own, show))
    if as_json:
        document = {
            "capabilities": list(names),
            "digests": measures.splits.digest(),
            "benchmarks": [one.table() for one in found],
        }
        typer.echo(json.dumps(document, indent=1))
        return
    console = Terminal()

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    say(f"capabilities: {', '.join(names)}")
    for one in found:
        sizes = ", ".join(f"{n} {split}" for split, n in one.sizes.items())
        say(f"{one.capability}: {one.name}, {sizes} items ({one.rule})")
        if one.words:
            say(f"  {one.words}")
        if one.chance:
            say(f"  corrected for chance {one.chance:g}")
        for item in one.items:
            say(f"  {item.split} {item.id}")
            for name, text in (("sent", item.sent), ("gold", item.gold)):
                say(f"    {name}: {text!r}")
            if item.scored:
                say(f"    scored: {', '.join(map(repr, item.scored))}")
    for split, digest in measures.splits.digest().items():
        say(f"{split}: SHA-256 of the ids {digest}")


def _alone(file: str) -> dict[str, Any] | None:
    """The evaluation that a file is, or that NAME=SOURCE says; None for the settings of a run."""
    path = Path(file)
    if not path.exists() and "=" in file:
        return parse_eval(file)
    suffixes = [s.lower() for s in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else path.suffix.lower()
    name = path.name.partition(".")[0]
    if kind in _ITEMS:
        return {"capability": name, "path": file}
    if kind in (".yaml", ".yml") and path.exists() and _LM_EVAL.search(read_text(path)):
        return {"capability": name, "yaml": file}
    return None
