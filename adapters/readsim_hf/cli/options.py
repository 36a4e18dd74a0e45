"""The options that say which run is meant: one list for `readsim distill` and `readsim plan`."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from readsim.cli.common import parse_list
from readsim.errors import ConfigError
from readsim.worlds.task import parse_task
from readsim_hf.cli.evaluations import parse_eval
from readsim_hf.dependencies import missing_dependencies
from readsim_hf.probes.sandbox import AllowCode

Text = str | None


def need_extra() -> None:
    """Raises ConfigError where a package of the extra `hf` is missing."""
    if missing := missing_dependencies():
        raise ConfigError(
            f"real distillation needs {', '.join(missing)}: pip install 'readsim[hf]'"
        )


class Chosen(NamedTuple):
    """The TOML file, what the options said, as a nested table of settings, and whether they allow
    model-written code to run, which no setting does."""

    file: Path | None
    table: dict[str, Any]
    allow_code: AllowCode = False


def choose(
    config: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file, or the name of a shipped one; options go over what it says."
        ),
    ] = None,
    pair: Annotated[Text, typer.Option(help="nano (default), micro or smollm2.")] = None,
    teacher: Annotated[
        Text, typer.Option(help="Hugging Face id, folder, GGUF file, or http://HOST:PORT/v1.")
    ] = None,
    teacher_model: Annotated[Text, typer.Option(help="Served model of such a server.")] = None,
    api_key_env: Annotated[
        Text,
        typer.Option(help="Environment variable whose key its server is sent; '' for none."),
    ] = None,
    teacher_tokenizer: Annotated[
        Text, typer.Option(help="Source of that model's tokenizer, for distributions.")
    ] = None,
    student: Annotated[Text, typer.Option(help="Hugging Face id, folder or GGUF file.")] = None,
    layers: Annotated[int | None, typer.Option(help="Layers of the smollm2 student.")] = None,
    method: Annotated[
        Text,
        typer.Option(help="One of `readsim models methods`, by its name there or in its paper."),
    ] = None,
    signal: Annotated[
        Text,
        typer.Option(
            help="resp, cot, logit, step-by-step, equation-of-thought or plan-then-code, with "
            "--objective."
        ),
    ] = None,
    objective: Annotated[
        Text,
        typer.Option(
            help="sft, soft-sft, kd, fkl, rkl, jsd, gjsd, skew-fkl or skew-rkl; or a sum, such as "
            "'0.3*sft + 0.7*skew-fkl(alpha=.1)'."
        ),
    ] = None,
    on_policy: Annotated[
        float | None, typer.Option(help="Share of prompts the student answers itself.")
    ] = None,
    soft: Annotated[
        Text, typer.Option(help="What is kept of the teacher's distributions: full, topk, sampled.")
    ] = None,
    capabilities: Annotated[
        Text, typer.Option(help="Those trained and measured, with commas; without it all.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DATA",
            help="What to train on: a JSONL, CSV or parquet file, a folder that datasets saved, or a hub id; "
            "repeatable.",
        ),
    ] = None,
    templates: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="nano, text or none: which of our prompts; or a JSONL file of templates to add; "
            "repeatable.",
        ),
    ] = None,
    evals: Annotated[
        list[str] | None,
        typer.Option(
            "--eval",
            metavar="NAME=SOURCE",
            help="What measures a capability: a file of items, with :METRIC behind it where it is not to be "
            "guessed, a task's YAML file, or a task's name in lm-eval; repeatable.",
        ),
    ] = None,
    judge: Annotated[
        Text,
        typer.Option(help="Server of the model that grades replies, http://HOST:PORT/v1#NAME."),
    ] = None,
    task: Annotated[
        Text,
        typer.Option(
            help="average, a capability, shares: math=0.7,code=0.3; or safety (needs xstest)."
        ),
    ] = None,
    budget: Annotated[Text, typer.Option(help="Supervised student tokens, such as 120k.")] = None,
    steps: Annotated[int | None, typer.Option(help="Decision steps T.")] = None,
    allocator: Annotated[Text, typer.Option(help="Name or module:Class.")] = None,
    keep_best: Annotated[
        bool,
        typer.Option("--keep-best", help="Keep the student that is best on the dev split too."),
    ] = False,
    identify: Annotated[
        bool, typer.Option("--identify", help="Learn what the task requires from its card.")
    ] = False,
    card: Annotated[Text, typer.Option(help="The task's card: a .toml or .yaml file.")] = None,
    pool_runs: Annotated[
        int | None, typer.Option(help="Short trainings, undone: for identifier and offline pool.")
    ] = None,
    pool_steps: Annotated[
        int | None, typer.Option(help="Intervals of each of them; as many as --steps: whole runs.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Which prompts the student sees.")] = None,
    probe_items: Annotated[
        int | None, typer.Option(help="Items a capability in the probe and dev splits.")
    ] = None,
    probe_form: Annotated[
        Text,
        typer.Option(help="What probes ask for: answer; rationale, equations or plan and answer."),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Replies a capability that are kept at each decision.")
    ] = None,
    allow_code: Annotated[
        bool,
        typer.Option(
            "--allow-code",
            help="Let benchmarks run code that a model wrote, walled in; no settings file can say so.",
        ),
    ] = False,
    allow_code_unwalled: Annotated[
        bool,
        typer.Option(
            "--allow-code-unwalled", help="The same, also where the system gives no wall around it."
        ),
    ] = False,
    precision: Annotated[Text, typer.Option(help="fp32 or bf16 (autocast).")] = None,
    lora: Annotated[int | None, typer.Option(help="LoRA rank; 0 trains all weights.")] = None,
    gradient_checkpointing: Annotated[
        bool | None,
        typer.Option(
            "--gradient-checkpointing/--no-gradient-checkpointing",
            help="Activations are computed again instead of kept.",
        ),
    ] = None,
    liger: Annotated[
        bool | None, typer.Option("--liger/--no-liger", help="Liger kernels in the student (CUDA).")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Examples an optimiser step.")] = None,
    micro_batch: Annotated[int | None, typer.Option(help="Examples a forward pass.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    device: Annotated[Text, typer.Option(help="cpu, cuda, cuda:N or auto.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of an operation.")] = None,
    cache: Annotated[Text, typer.Option(help="File of teacher replies; '' for none.")] = None,
    store: Annotated[
        Text, typer.Option(help="Folder of `readsim teach` to train from, without a teacher.")
    ] = None,
) -> Chosen:
    """What was given. Raises ConfigError for a task that is neither a name nor shares."""
    training = {
        "precision": precision,
        "lora": lora,
        "gradient_checkpointing": gradient_checkpointing,
        "liger": liger,
        "batch": batch,
        "micro_batch": micro_batch,
        "learning_rate": learning_rate,
    }
    options: dict[str, Any] = {
        "pair": {
            "name": pair,
            "teacher": teacher,
            "teacher_model": teacher_model,
            "teacher_tokenizer": teacher_tokenizer,
            "student": student,
            "layers": layers,
            "device": device,
        },
        "server": {"api_key_env": api_key_env},
        "method": method,
        "signal": signal,
        "objective": objective,
        "on_policy": on_policy,
        "task": None if task is None else parse_task(task),
        "budget": budget,
        "steps": steps,
        "allocator": allocator,
        "keep_best": keep_best or None,
        "identify": identify or None,
        "identifier": {"card": card},
        "pool_runs": pool_runs,
        "pool_steps": pool_steps,
        "seed": seed,
        "threads": threads,
        "training": training,
        "soft": {"kind": soft},
        "data": {
            "cache": cache,
            "store": store,
            **_templates(templates),
            "sources": _sources(source),
            "capabilities": parse_list(capabilities, "capabilities"),
        },
        "probes": {
            "probe": probe_items,
            "dev": probe_items,
            "form": probe_form,
            "samples": samples,
            "tasks": [parse_eval(text) for text in evals] if evals else None,
            "judge": {"address": judge},
        },
    }
    return Chosen(config, _given(options), "unwalled" if allow_code_unwalled else allow_code)


def _templates(given: list[str] | None) -> dict[str, Any]:
    """Names of libraries and files of templates, each in its own field."""
    named = [one for one in given or () if one in ("nano", "text", "none")]
    files = [one for one in given or () if one not in named]
    return {"templates": named[-1] if named else None, "template_files": files or None}


def _sources(given: list[str] | None) -> list[dict[str, str]] | None:
    """NAME=DATA each; ConfigError for what has no name."""
    made = []
    for one in given or ():
        name, equals, path = one.partition("=")
        if not (equals and name.strip() and path.strip()):
            raise ConfigError(f"--source {one!r}: accepted: NAME=DATA, such as math=math.jsonl")
        made.append({"name": name.strip(), "path": path.strip()})
    return made or None


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command, whose first argument is a `Chosen`, as one that takes the options of `choose` and
    then its own."""
    shared = list(inspect.signature(choose).parameters.values())
    own = list(inspect.signature(command).parameters.values())[1:]

    @wraps(command)
    def wrapped(**given: Any) -> None:
        names = [p.name for p in shared]
        chosen = choose(**{name: given.pop(name) for name in names})
        command(chosen, **given)

    both = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in [*shared, *own]]
    wrapped.__signature__ = inspect.Signature(both)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in both}
    return wrapped


def _given(table: dict[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    nested = {k: _given(v) if isinstance(v, dict) and k != "task" else v for k, v in table.items()}
    return {k: v for k, v in nested.items() if v is not None and v != {}}
