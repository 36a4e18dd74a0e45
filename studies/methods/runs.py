"""One run of a method on a pair; specialists, merged and trained on, as one of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from readsim_hf.config import preset_table, resolve_config, run_name
from readsim_hf.config_merge import merge
from readsim_hf.distill import distill
from readsim_hf.merging import RECORD, merge_folders
from readsim_hf.methods.table import METHODS
from readsim_hf.prompts.nano.library import nano_library

MERGE, SPECIALIST = "merge", "resp-sft"  # what specialists are trained with


class Plan(NamedTuple):
    """What all runs of a pair share: `forms` of probes (the first is asked during a run, the others of its
    finished student), supervised tokens, decisions, items a capability in each split (None: the preset's)."""

    pair: str
    forms: tuple[str, ...]
    budget: int
    steps: int
    items: int | None = None

    def case(self, form: str) -> str:
        """The pair in one form, by its name among the claims."""
        return f"{self.pair}.{form}"

    def options(self, method: str, seed: int, **more: Any) -> dict[str, Any]:
        """Of `readsim distill`: equal shares, so that methods differ in nothing else."""
        shared = {
            "budget": self.budget,
            "steps": self.steps,
            "allocator": "uniform",
            "task": "average",
        }
        splits = {} if self.items is None else dict.fromkeys(("probe", "dev", "test"), self.items)
        probes = {"form": self.forms[0], "samples": 0, **splits}
        pair = {"pair": {"name": self.pair}}
        return {**pair, **shared, "probes": probes, "method": method, "seed": seed, **more}

    def of_folder(self, student: Path, seed: int, **more: Any) -> dict[str, Any]:
        """Of plain SFT with the student in a folder, which brings no preset of its own."""
        preset = {k: v for k, v in preset_table(self.pair).items() if k != "pair"}
        pair = {"teacher": f"{self.pair}/teacher", "student": str(student)}
        options = self.options(SPECIALIST, seed, data={"templates": "nano"})
        return merge(preset, {**options, "pair": pair, **more})


def played() -> tuple[str, ...]:
    """The methods that ask for no prose, and merging: a pair may lack what else one of them needs."""
    return tuple(name for name, method in METHODS.items() if "prose" not in method.needs)


def log_of(folder: Path, options: Mapping[str, Any]) -> Path:
    """Where `readsim distill` writes the log of these options."""
    return folder / "runs" / f"{run_name(resolve_config(None, options))}.jsonl"


def run_method(plan: Plan, method: str, seed: int, out: Path) -> list[Path]:
    """Make what is missing of a run; its logs, the one with the final scores last."""
    folder = out / plan.pair / method
    if method != MERGE:
        options = plan.options(method, seed)
        distill(None, options, folder, resume=True)
        return [log_of(folder, options)]
    return _merged(plan, seed, folder)


def _merged(plan: Plan, seed: int, folder: Path) -> list[Path]:
    """A specialist a capability with half of the tokens among them, their mean, and the other half on it."""
    capabilities, half = nano_library().capabilities, plan.budget // 2
    logs = []
    for capability in capabilities:
        options = plan.options(
            SPECIALIST, seed, budget=half // len(capabilities), steps=1, task=capability
        )
        options["allocator"] = "one-hot"
        distill(None, options, folder / "specialists", resume=True)
        logs.append(log_of(folder / "specialists", options))
    made = folder / f"merged.seed{seed}"
    if not (made / RECORD).exists():
        merge_folders([str(log.with_suffix(".student")) for log in logs], made)
    shorter = {"budget": plan.budget - half, "steps": max(1, plan.steps // 2)}
    options = plan.of_folder(made, seed, **shorter)
    distill(None, options, folder, resume=True)
    return [*logs, log_of(folder, options)]
