"""`readsim distill` and `readsim models`: options only; loads nothing heavy until a command runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from readsim.errors import ConfigError
from readsim_hf import missing_dependencies

Text = str | None
models = typer.Typer(help="Models and benchmarks for real distillation.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to readsim's own; called through the entry-point group `readsim.commands`."""
    app.command()(distill)
    app.command()(scores)
    app.add_typer(models, name="models")


def _need_extra() -> None:
    if missing := missing_dependencies():
        raise ConfigError(
            f"real distillation needs {', '.join(missing)}: pip install 'readsim[hf]'"
        )


def distill(
    config: Annotated[
        Path | None, typer.Option(help="A TOML file; options go over what it says.")
    ] = None,
    pair: Annotated[Text, typer.Option(help="nano (default) or smollm2.")] = None,
    teacher: Annotated[
        Text, typer.Option(help="Hugging Face id, folder, GGUF file, or http://HOST:PORT/v1.")
    ] = None,
    teacher_model: Annotated[Text, typer.Option(help="Served model of such a server.")] = None,
    teacher_tokenizer: Annotated[
        Text, typer.Option(help="Source of that model's tokenizer, for distributions.")
    ] = None,
    student: Annotated[Text, typer.Option(help="Hugging Face id, folder or GGUF file.")] = None,
    layers: Annotated[int | None, typer.Option(help="Layers of the smollm2 student.")] = None,
    method: Annotated[
        Text,
        typer.Option(
            help="resp-sft, cot-sft, logit-sft, resp-kd, cot-kd or logit-kd; step-by-step, "
            "equation-of-thought or plan-then-code."
        ),
    ] = None,
    signal: Annotated[
        Text,
        typer.Option(
            help="resp, cot, logit, step-by-step, equation-of-thought or plan-then-code, with "
            "--objective."
        ),
    ] = None,
    objective: Annotated[
        Text, typer.Option(help="sft, soft-sft, kd, fkl, rkl, jsd, gjsd, skew-fkl or skew-rkl.")
    ] = None,
    on_policy: Annotated[
        float | None, typer.Option(help="Share of prompts the student answers itself.")
    ] = None,
    soft: Annotated[
        Text, typer.Option(help="What is kept of the teacher's distributions: full, topk, sampled.")
    ] = None,
    templates: Annotated[
        list[str] | None, typer.Option(help="JSONL file of prompt templates to add; repeatable.")
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
    identify: Annotated[
        bool, typer.Option("--identify", help="Learn what the task requires from its card.")
    ] = False,
    card: Annotated[Text, typer.Option(help="The task's card: a .toml or .yaml file.")] = None,
    pool_runs: Annotated[
        int | None, typer.Option(help="Short trainings, undone: for identifier and offline pool.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Which prompts the student sees.")] = None,
    probe_items: Annotated[
        int | None, typer.Option(help="Items a capability in the probe and dev splits.")
    ] = None,
    probe_form: Annotated[
        Text,
        typer.Option(help="What probes ask for: answer; rationale, equations or plan and answer."),
    ] = None,
    precision: Annotated[Text, typer.Option(help="fp32 or bf16 (autocast).")] = None,
    lora: Annotated[int | None, typer.Option(help="LoRA rank; 0 trains all weights.")] = None,
    gradient_checkpointing: Annotated[
        bool | None, typer.Option("--gradient-checkpointing/--no-gradient-checkpointing")
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
    out: Annotated[Path, typer.Option(help="Folder for logs, checkpoints and results.")] = Path(
        "results/distill"
    ),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard event files.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be spent, and stop.")
    ] = False,
) -> None:
    """Distil a real teacher into a real student, an allocator deciding; curves, table, run log."""
    _need_extra()
    from readsim_hf.distill import distill as run

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
        "method": method,
        "signal": signal,
        "objective": objective,
        "on_policy": on_policy,
        "task": _task(task),
        "budget": budget,
        "steps": steps,
        "allocator": allocator,
        "identify": identify or None,
        "identifier": {"card": card},
        "pool_runs": pool_runs,
        "seed": seed,
        "threads": threads,
        "training": training,
        "soft": {"kind": soft},
        "data": {"cache": cache, "templates": templates or None},
        "probes": {"probe": probe_items, "dev": probe_items, "form": probe_form},
    }
    run(config, _given(options), out, resume=resume, tensorboard=tensorboard, dry_run=dry_run)


def scores(
    folder: Annotated[Path, typer.Argument(help="A folder that `distill` wrote runs to.")],
    reference: Annotated[
        Text, typer.Option(help="The run that others are compared with, as the table names it.")
    ] = None,
) -> None:
    """Finished real runs side by side on the test split, with paired intervals; scores.csv."""
    _need_extra()
    from readsim_hf.show_compared import show_scores

    show_scores(folder, reference)


def _given(table: dict[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    nested = {k: _given(v) if isinstance(v, dict) and k != "task" else v for k, v in table.items()}
    return {k: v for k, v in nested.items() if v is not None and v != {}}


def _task(text: str | None) -> str | dict[str, float] | None:
    """`"math=0.7,code=0.3"` -> a table; anything else is a name."""
    if text is None or "=" not in text:
        return text
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.partition("=")
        if name.strip() in shares:
            raise ConfigError(f"--task {text!r}: {name.strip()!r} is named twice")
        try:
            shares[name.strip()] = float(share)
        except ValueError as error:
            raise ConfigError(f"--task {text!r}: {part!r} is not CAPABILITY=SHARE") from error
    return shares


@models.command()
def prepare(
    name: Annotated[str, typer.Argument(help="Such as smollm2-135m.")],
    layers: Annotated[int, typer.Option(help="Layers of the pruned student.")] = 10,
) -> None:
    """Fetch a small real model once, check it, convert it, and prune a student from it."""
    _need_extra()
    from readsim_hf.models.prepare import prepare as make

    typer.echo(str(make(name, layers, typer.echo)))


@models.command("list")
def list_() -> None:
    """The models that have a name here, and whether they are prepared."""
    _need_extra()
    from readsim_hf.show import show_models

    show_models()


@models.command()
def benchmarks(
    name: Annotated[Text, typer.Argument(help="One of them, with its data and licence.")] = None,
) -> None:
    """The paper's benchmarks: metric, range, chance, and how to get the data."""
    _need_extra()
    from readsim_hf.show import show_benchmarks

    show_benchmarks(name)


@models.command()
def templates(
    library: Annotated[str, typer.Argument(help="nano or text.")] = "text",
    capability: Annotated[Text, typer.Option(help="Only this capability, with examples.")] = None,
) -> None:
    """The prompt templates of a library."""
    _need_extra()
    from readsim_hf.show import show_templates

    show_templates(library, capability)
