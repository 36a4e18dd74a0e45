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
from readsim_hf.cli.spoken_names import OBJECTIVE_NAMES, SIGNAL_NAMES
from readsim_hf.dependencies import missing_dependencies
from readsim_hf.probes.sandbox import AllowCode

Text = str | None
OUT = Path("results/distill")  # of a run that names no other folder


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
            help="Settings come from this TOML file, or from a shipped one by name; options override them."
        ),
    ] = None,
    pair: Annotated[
        Text,
        typer.Option(help="The pair of models is nano, micro or smollm2.", show_default="nano"),
    ] = None,
    teacher: Annotated[
        Text,
        typer.Option(
            help="The teacher is a Hugging Face id, a folder, a GGUF file, or a server, http://HOST:PORT/v1."
        ),
    ] = None,
    teacher_model: Annotated[
        Text, typer.Option(help="The teacher is this one of a server's several models.")
    ] = None,
    api_key_env: Annotated[
        Text,
        typer.Option(
            help="The API key of the teacher's server is in this environment variable; '' sends none."
        ),
    ] = None,
    teacher_tokenizer: Annotated[
        Text,
        typer.Option(
            help="Distributions of a served teacher need its tokenizer: a Hugging Face id or a folder."
        ),
    ] = None,
    student: Annotated[
        Text, typer.Option(help="The student is a Hugging Face id, a folder or a GGUF file.")
    ] = None,
    layers: Annotated[
        int | None,
        typer.Option(help="The pruned smollm2 student has this many layers.", show_default="10"),
    ] = None,
    method: Annotated[
        Text,
        typer.Option(
            help="The method is one that `readsim models methods` lists, by its name there or in its paper.",
            show_default="logit-kd",
        ),
    ] = None,
    signal: Annotated[
        Text,
        typer.Option(
            help=f"With --objective, the teacher is asked for this signal: {SIGNAL_NAMES}."
        ),
    ] = None,
    objective: Annotated[
        Text,
        typer.Option(
            help=f"The student minimises this: {OBJECTIVE_NAMES}; with settings, as in 'dpo(beta=.2)', or a "
            "sum, such as '0.3*sft + 0.7*skew-fkl(alpha=.1)'."
        ),
    ] = None,
    on_policy: Annotated[
        float | None,
        typer.Option(
            help="On this share of prompts the student trains on its own replies.",
            show_default="0",
        ),
    ] = None,
    soft: Annotated[
        Text,
        typer.Option(
            help="The teacher's distributions are kept in this form: full, topk or sampled.",
            show_default="set by the pair",
        ),
    ] = None,
    capabilities: Annotated[
        Text,
        typer.Option(
            help="These capabilities are trained and measured, such as math,code.",
            show_default="all",
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DATA",
            help="A source to train on is a JSONL, CSV or parquet file, a folder saved by the "
            "datasets library, or a hub id; the option may be repeated.",
        ),
    ] = None,
    templates: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Prompts come from the built-in library nano or text, or from none; a JSONL "
            "file adds templates. The option may be repeated.",
        ),
    ] = None,
    evals: Annotated[
        list[str] | None,
        typer.Option(
            "--eval",
            metavar="NAME=SOURCE",
            help="The capability NAME is measured by a file of items (with :METRIC appended to choose the "
            "metric), a YAML file of a task, or a task of lm-eval by name; the option may be repeated.",
        ),
    ] = None,
    judge: Annotated[
        Text,
        typer.Option(
            help="Replies are graded by the model NAME of this server, http://HOST:PORT/v1#NAME."
        ),
    ] = None,
    task: Annotated[
        Text,
        typer.Option(
            help="The task is average, a capability, weights such as math=0.7,code=0.3, or "
            "safety (which needs xstest).",
            show_default="average",
        ),
    ] = None,
    budget: Annotated[
        Text,
        typer.Option(
            help="The student trains on this many supervised tokens, such as 120k.",
            show_default="set by the pair",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="The budget is divided into this many decisions.", show_default="set by the pair"
        ),
    ] = None,
    allocator: Annotated[
        Text,
        typer.Option(
            help="This allocator decides: a name or module:Class.", show_default="set by the pair"
        ),
    ] = None,
    keep_best: Annotated[
        bool,
        typer.Option(
            "--keep-best", help="The student that is best on the dev split is kept and tested too."
        ),
    ] = False,
    identify: Annotated[
        bool, typer.Option("--identify", help="The requirement is estimated from the task card.")
    ] = False,
    card: Annotated[Text, typer.Option(help="The task card is this .toml or .yaml file.")] = None,
    pool_runs: Annotated[
        int | None,
        typer.Option(
            help="This many short runs, rolled back, give data to the identifier and the offline pool.",
            show_default="8",
        ),
    ] = None,
    pool_steps: Annotated[
        int | None,
        typer.Option(
            help="A run of the pool has this many decisions; as many as --steps make a whole run.",
            show_default="1",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="The prompts that the student sees are drawn from this seed.", show_default="0"
        ),
    ] = None,
    probe_items: Annotated[
        int | None,
        typer.Option(
            help="The probe and dev splits have this many items of each capability.",
            show_default="64",
        ),
    ] = None,
    probe_form: Annotated[
        Text,
        typer.Option(
            help="Probes ask for the answer, or for rationale, equations or plan before it.",
            show_default="answer",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="At each decision this many replies per capability are logged.",
            show_default="2",
        ),
    ] = None,
    allow_code: Annotated[
        bool,
        typer.Option(
            "--allow-code",
            help="Benchmarks may run model-written code in a sandbox; a settings file cannot allow it.",
        ),
    ] = False,
    allow_code_unwalled: Annotated[
        bool,
        typer.Option(
            "--allow-code-unwalled",
            help="Benchmarks may run such code where there is no sandbox.",
        ),
    ] = False,
    precision: Annotated[
        Text,
        typer.Option(
            help="The student computes in fp32 or in bf16 (autocast).", show_default="fp32"
        ),
    ] = None,
    lora: Annotated[
        int | None,
        typer.Option(help="LoRA adapters have this rank; 0 trains all weights.", show_default="0"),
    ] = None,
    gradient_checkpointing: Annotated[
        bool | None,
        typer.Option(
            "--gradient-checkpointing/--no-gradient-checkpointing",
            help="Activations are recomputed instead of stored, which saves memory.",
        ),
    ] = None,
    liger: Annotated[
        bool | None,
        typer.Option("--liger/--no-liger", help="The student uses Liger kernels (CUDA)."),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            help="An optimiser step has this many examples.", show_default="set by the pair"
        ),
    ] = None,
    micro_batch: Annotated[
        int | None,
        typer.Option(
            help="A forward pass has this many examples; results do not depend on it.",
            show_default="set by the pair",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="The peak learning rate is this.", show_default="set by the pair"),
    ] = None,
    device: Annotated[
        Text,
        typer.Option(
            help="The models run on this device: cpu, cuda, cuda:N or auto.", show_default="cpu"
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="CPU operations use at most this many threads.", show_default="1"),
    ] = None,
    cache: Annotated[
        Text,
        typer.Option(
            help="The teacher's replies are kept in this file; '' keeps none.",
            show_default="in the folder of --out",
        ),
    ] = None,
    store: Annotated[
        Text,
        typer.Option(help="The run trains from this folder of `readsim teach`, without a teacher."),
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
            raise ConfigError(f"--source {one!r}: expected NAME=DATA, such as math=math.jsonl")
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
