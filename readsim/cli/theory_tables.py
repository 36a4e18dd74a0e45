"""What `readsim theory` prints: tables of verdicts, advice, and up to which budget worlds were tested."""

from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Column, Table

from readsim.cli.output import Terminal
from readsim.theory import all_checks as survey
from readsim.theory.result import PaperStatement, Result, Verdict
from readsim.theory.witness import kappa_text
from readsim.token_counts import show_tokens
from readsim.worlds import World

SHOWN = 4  # subjects named in a cell of the table


def show(
    console: Terminal,
    controls: Sequence[Result],
    results: Sequence[Result],
    of_runs: Sequence[Result],
    told: Sequence[str],
    lacking: Sequence[str],
) -> None:
    """All of it: tables, then advice, kappas, budgets and tasks (`told`), and what is `lacking`."""
    for found, title in ((controls, "controls"), (results, "subjects")):
        if found:
            console.print(overview(found, title))
    if of_runs:
        console.print(tests_of_runs(of_runs))
    lines = [*advice([*of_runs, *results]), *kappas(results), *told]
    for text in [*lines, *(f"not measured: {text}" for text in lacking)]:
        console.print(text, highlight=False)
    if not (results or of_runs):
        console.print("nothing was measured, and nothing is written")


def overview(results: Sequence[Result], title: str) -> Table:
    """One row per statement: subjects by verdict, and what was found in the one farthest from holding.

    Names are folded, not cut. A subject with several tasks says at how many of them.
    """
    heads = ("statement", "holds", "fails", "undecided", "farthest from holding")
    table = Table(*(Column(head, overflow="fold") for head in heads), title=title, show_lines=True)
    for statement in dict.fromkeys(r.statement for r in results):
        rows = [r for r in results if r.statement == statement]
        worst = max(rows, key=badness)
        table.add_row(
            statement,
            *(_named(rows, verdict) for verdict in Verdict),
            f"{worst.subject}: {worst.finding}",
        )
    return table


def tests_of_runs(results: Sequence[Result]) -> Table:
    """One row per statement and task (of a table: per score) of runs, with p and power of each test."""
    heads = ("statement", "task or score", "verdict", "found")
    title = f"runs in {results[0].subject}"
    table = Table(*(Column(head, overflow="fold") for head in heads), title=title, show_lines=True)
    for r in results:
        table.add_row(r.statement, r.task, r.verdict, r.finding)
    return table


def tested_at(
    worlds: Sequence[World], tasks: Mapping[str, Sequence[str]], budget: float | None
) -> list[str]:
    """Up to how many tokens the worlds were tested, and in which tasks: a line a budget."""
    at: dict[int, list[str]] = {}
    for world in worlds:
        chosen, there = tasks[world.name], len(world.task_names)
        text = f"{world.name} ({', '.join(chosen)}: {len(chosen)} of {there} tasks)"
        at.setdefault(survey.world_budget(world, budget), []).append(text)
    return [f"tested at {show_tokens(n)} tokens: {'; '.join(said)}" for n, said in at.items()]


def advice(results: Sequence[Result]) -> list[str]:
    """What follows where a statement does not hold: one line a statement, of its worst subject."""
    lines = []
    for statement in dict.fromkeys(r.statement for r in results):
        rows = [r for r in results if r.statement == statement and r.verdict is not Verdict.HOLDS]
        if rows and (worst := max(rows, key=badness)).advice:
            where = f"{worst.subject}, {worst.task}" if worst.power is not None else worst.subject
            lines.append(f"{statement}, {where}: {worst.advice}")
    return lines


def kappas(results: Sequence[Result]) -> list[str]:
    """Which kappa the rule stated, or which was inferred, in all worlds together; nothing without runs."""
    rules = [r for r in results if r.statement == PaperStatement.STEP_REGRET]
    decisions = [d for r in rules for d in r.detail["decisions"]]
    return [f"kappa: {kappa_text(decisions)}"] if decisions else []


def badness(r: Result) -> float:
    """How far the statistic is on the wrong side of its bound; -inf for no number."""
    gap = r.statistic - r.bound if r.sense == "<=" else r.bound - r.statistic
    return -np.inf if np.isnan(gap) else gap


def _named(rows: Sequence[Result], verdict: Verdict) -> str:
    names = []
    for subject in dict.fromkeys(r.subject for r in rows):
        own = [r for r in rows if r.subject == subject]
        count = sum(r.verdict is verdict for r in own)
        if count:
            names.append(subject if len(own) == 1 else f"{subject} ({count} of {len(own)})")
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return "; ".join(names[:SHOWN]) + more
