"""What `--help` shows: the options that matter first, the others in panels, two examples at the end."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from typer.core import TyperCommand

FIRST, OTHERS = "Options", "More options"
FILES = "| --log metrics.jsonl --shares shares.json"


class Help(NamedTuple):
    """`first` names the parameters that matter first, at most ten, in this order, separated by spaces;
    `panels` names others by the title of their panel. What neither has stands last, in `OTHERS`.
    """

    examples: tuple[str, str]
    first: str = ""
    panels: Mapping[str, str] = MappingProxyType({})

    def settings(self) -> dict[str, Any]:
        """What `typer.Typer.command` takes. An example goes on in a new line at ` | `, as a shell has it."""
        lines = [f"  {text}".replace(" | ", " \\\n      ") for text in self.examples]
        panels = {FIRST: self.first.split(), **{k: v.split() for k, v in self.panels.items()}}
        made = type("PanelCommand", (_PanelCommand,), {"panels": panels})
        return {"cls": made, "epilog": "\n".join(["\b", "Examples:", *lines])}


class _PanelCommand(TyperCommand):
    """A command whose help has panels: its arguments, then titles with their parameters."""

    panels: Mapping[str, Sequence[str]] = MappingProxyType({})

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write each panel that has a parameter; a command without named ones has a single panel."""
        rows = {p.name: p.get_help_record(ctx) for p in self.get_params(ctx)}
        rows = {name: row for name, row in rows.items() if row is not None}
        titles = {"Arguments": [p.name for p in self.params if p.param_type_name == "argument"]}
        titles |= {title: [n for n in names if n in rows] for title, names in self.panels.items()}
        named = {name for names in titles.values() for name in names}
        rest = OTHERS if titles[FIRST] else FIRST
        titles[rest] = [*titles.get(rest, []), *(name for name in rows if name not in named)]
        for title, names in titles.items():
            if names:
                with formatter.section(title):
                    formatter.write_dl([rows[name] for name in names])


COMMANDS = {
    "compare": Help(
        (
            "readsim compare --world gateway --tasks math --seeds 4",
            "readsim compare --allocators mine:Follow,task-static,oracle-static",
        ),
        "world tasks budgets allocators seeds steps out jobs suite explain",
    ),
    "run": Help(
        (
            "readsim run --allocator read --task math --out my/run.jsonl",
            "readsim run --backend mine:Lab --budget 20k --seeds 3 --out results/mine",
        ),
        "world backend task budget steps seeds allocator out resume",
    ),
    "advise": Help(
        (
            f"readsim advise --allocator aioli --sources math,code --budget 2M {FILES}",
            f"readsim advise --allocator doremi --task math=0.6,code=0.4 --budget 2M {FILES} --once",
        ),
        "log shares budget allocator sources capabilities task steps every out",
    ),
    "worlds": Help(
        (
            "readsim worlds gateway",
            "readsim worlds effects.csv --tokens 20M --unit points --save mine.toml",
        )
    ),
    "allocators": Help(("readsim allocators", "readsim allocators doremi")),
    "plot": Help(("readsim plot results/compare", "readsim plot results/distill")),
    "report": Help(("readsim report results/compare", "readsim report results/distill")),
    "watch": Help(
        ("readsim watch results/distill", "readsim watch results/compare --page"),
    ),
    "scores": Help(
        ("readsim scores results/distill", "readsim scores real --reference 'uniform, logit-kd'")
    ),
    "theory": Help(
        (
            "readsim theory --worlds gateway,toy",
            "readsim theory --runs runs.csv --targets exam",
        ),
        "worlds tasks budget allocator statements only runs seeds out",
        {"The table of --runs": "sources targets lower_is_better size"},
    ),
    "fit": Help(
        (
            "readsim fit mixtures.csv losses.csv -o mine.toml --tokens 1B",
            "readsim fit results/distill -o mine.toml --prior other.toml",
        ),
        "out sources targets key lower_is_better tokens items prior trust seed",
    ),
    "predict": Help(
        (
            "readsim predict mine.toml candidates.csv -o predictions.csv",
            "readsim predict mine.toml candidates.csv --task math=0.7,code=0.3",
        )
    ),
    "design": Help(
        (
            "readsim design mine.toml -n 16 --for decision",
            "readsim design mine.toml -n 8 --budgets 1M,4M --total 20M",
        )
    ),
}


def help_of(name: str) -> dict[str, Any]:
    """The settings of the command `name`; a command without an entry has typer's own help."""
    return COMMANDS[name].settings() if name in COMMANDS else {}
