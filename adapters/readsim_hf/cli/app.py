"""The commands that real runs add to `readsim`; loads nothing heavy until one of them runs."""

import typer

from readsim.cli.help import Help
from readsim_hf.cli.distill import distill
from readsim_hf.cli.merge import merge
from readsim_hf.cli.models import models
from readsim_hf.cli.plan import plan
from readsim_hf.cli.probes import probes
from readsim_hf.cli.replies import replies
from readsim_hf.cli.teach import teach

# The options that say which run is meant, by the titles under which `--help` shows them.
RUN_PANELS = {
    "Models and teachers": "teacher_model teacher_tokenizer api_key_env layers device cache store",
    "Method": "signal objective on_policy soft",
    "Data and measurements": "capabilities templates judge probe_items probe_form samples allow_code "
    "allow_code_unwalled",
    "What the task requires": "identify card pool_runs pool_steps",
    "Training": "learning_rate batch micro_batch precision lora gradient_checkpointing liger threads",
}
HELPS = {
    "distill": Help(
        (
            "readsim distill --task math --budget 20k --allocator task-static",
            "readsim distill --student ID --method resp-sft | --source a=a.jsonl --eval a=items.jsonl",
        ),
        "config teacher student method task budget allocator source evals out",
        {
            "The run": "pair steps seed resume keep_best dry_run check check_prompts log_to tensorboard "
            "began keep_state",
            **RUN_PANELS,
        },
    ),
    "plan": Help(
        (
            "readsim plan --config llama-70b-8b-20m",
            "readsim plan --config run.toml --against results/distill",
        ),
        "config teacher student method task budget allocator against world out",
        {
            "The forecast": "seeds world_error",
            "Devices and prices": "devices device_file price_hour price_prompt price_generated mfu "
            "mfu_generation",
            "The run": "pair steps seed source evals keep_best",
            **RUN_PANELS,
        },
    ),
    "teach": Help(
        (
            "readsim teach --config run.toml --prompts 1000 --out store",
            "readsim teach --out store --export axolotl=for-axolotl",
        ),
        "config teacher student method source out prompts tokens small dry_run",
        {
            "Other tools": "export import_",
            "The run": "pair task budget steps allocator seed evals keep_best",
            **RUN_PANELS,
        },
    ),
    "merge": Help(
        (
            "readsim merge out/runs/one.student out/runs/two.student --out merged",
            "readsim merge one.student two.student --weights 0.7,0.3 --out merged",
        )
    ),
    "probes": Help(("readsim probes run.toml --show 1", "readsim probes math=items.jsonl:numeric")),
    "replies": Help(
        ("readsim replies results/distill --rejected --show 5", "readsim replies store --json")
    ),
}


def register(app: typer.Typer) -> None:
    """Add the commands to readsim's own; called through the entry-point group `readsim.commands`."""
    app.command(**HELPS["distill"].settings())(distill)
    app.command(**HELPS["plan"].settings())(plan)
    app.command(**HELPS["teach"].settings())(teach)
    app.command(**HELPS["merge"].settings())(merge)
    app.command(**HELPS["probes"].settings())(probes)
    app.command(**HELPS["replies"].settings())(replies)
    app.add_typer(models, name="models")
