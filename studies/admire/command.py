"""The average of laws on unseen fine-tuning mixtures, beside each law alone and the noise ceiling.

Supervised fine-tuning, not distillation. Everything that is chosen, is chosen within the runs that are
fitted. A quarter of an hour on one core.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from readsim.arrays import Array
from readsim.cli.common import need_target, progress
from readsim.cli.interrupts import interruptible
from readsim.cli.output import Terminal
from readsim.fitting.averaged import fit_average
from readsim.fitting.diagnostics import compare_columns
from readsim.fitting.laws.gaussian_process import GaussianProcess
from readsim.streams import generator
from readsim.tree_file import write_atomic
from studies.admire.data import CAPABILITIES, FILE, FOLDER, folds_of, load

OUT = Path(__file__).parent / "results.json"
TOKENS, FOLDS, SEEDS, FEW, DRAWS = 1e9, 5, (100, 101), 64, 200
AVERAGE = "average"


def main(
    folder: Annotated[
        Path, typer.Option("--data", help="ADMIRE's file is in this folder.")
    ] = FOLDER,
    out: Annotated[Path, typer.Option(help="The result is written to this file.")] = OUT,
) -> None:
    """Predict unseen fine-tuning mixtures by the average of laws, by each law alone, and up to the noise."""
    from threadpoolctl import threadpool_limits

    import_module("scipy.linalg")  # its BLAS is another library than numpy's: load it to limit it
    console = Terminal()
    need_target(out)
    sources, shares, scores = load(folder / FILE)
    rows = []
    with (
        interruptible("nothing is written yet"),
        progress(Terminal(stderr=True)) as bar,
        threadpool_limits(limits=1, user_api="blas"),
    ):
        job = bar.add_task("fits", total=len(SEEDS) * (FOLDS + 1))
        for seed in SEEDS:
            for setting, parts in settings(len(shares), seed):
                rows.append(
                    {
                        "seed": seed,
                        "setting": setting,
                        **unseen(sources, shares, scores, parts, seed),
                    }
                )
                bar.advance(job, len(parts))
    result = {"rows": rows, "ceiling": ceiling(shares, scores)}
    write_atomic(out, (json.dumps(result, indent=1) + "\n").encode())
    for setting in dict.fromkeys(row["setting"] for row in rows):
        table = Table(
            "seed", *rows[0]["spearman"], "scores held", "utilities held", title=str(setting)
        )
        for row in (r for r in rows if r["setting"] == setting):
            ranks = [f"{v:.4f}" for v in row["spearman"].values()]
            table.add_row(str(row["seed"]), *ranks, f"{row['scores']:.3f}", f"{row['utility']:.3f}")
        console.print(table)
    console.print(
        f"ceiling of a law without error, by the noise that the process finds: {result['ceiling']}"
    )


def settings(n: int, seed: int) -> Iterator[tuple[str, list[NDArray[np.bool_]]]]:
    """What is fitted: (name, rows of each fit)."""
    fold = folds_of(n, FOLDS, seed)
    yield f"{FOLDS} folds", [fold != f for f in range(FOLDS)]
    yield f"{FEW} of {n}", [folds_of(n, n, seed) < FEW]


def unseen(
    sources: tuple[str, ...],
    shares: Array,
    scores: Array,
    fits: list[NDArray[np.bool_]],
    seed: int,
) -> dict[str, Any]:
    """Mean Spearman of each law and of their average on the rows that a fit has not seen, and the shares of
    scores and of utilities (all capabilities alike) in their intervals."""
    made: dict[str, Array] = {}
    held, utilities = np.full(scores.shape, np.nan), np.full(len(scores), np.nan)
    weights = np.full(len(CAPABILITIES), 1.0 / len(CAPABILITIES))
    for inside in fits:
        fit = fit_average(
            shares[inside] * TOKENS,
            scores[inside],
            sources=sources,
            capabilities=tuple(CAPABILITIES),
            scores=True,
            seed=seed,
        )
        at, seen = shares[~inside] * TOKENS, scores[~inside]
        told = fit.average.forecast(at)
        each = {n: law(shares[~inside]) for n, law in fit.average.laws.each.items()}
        each |= {"shared-curves": fit.law.predict(at), AVERAGE: told.mean}
        for name, predicted in each.items():
            made.setdefault(name, np.full(scores.shape, np.nan))[~inside] = predicted
        held[~inside] = (told.low <= seen) & (seen <= told.high)
        _, low, high = fit.average.utility(at, lambda p: p @ weights, weights)
        utilities[~inside] = (low <= seen @ weights) & (seen @ weights <= high)
    return {
        "spearman": {name: round(_rank(p, scores), 4) for name, p in made.items()},
        "each": {
            q.capability: round(q.spearman, 4)
            for q in compare_columns(made[AVERAGE], scores, tuple(CAPABILITIES))
        },
        "scores": round(float(np.nanmean(held)), 4),
        "utility": round(float(np.nanmean(utilities)), 4),
    }


def _rank(predicted: Array, scores: Array) -> float:
    """The mean over capabilities; a law that says the same of all runs ranks nothing: 0."""
    found = compare_columns(predicted, scores, tuple(CAPABILITIES))
    return float(np.mean(np.nan_to_num([q.spearman for q in found])))


def ceiling(shares: Array, scores: Array) -> dict[str, float]:
    """Spearman of a law without error with what is measured, and what this process would reach on 5 folds of
    as many runs if such a law were true: noise and pattern are those that it finds in all runs."""
    rng, names = generator(0, "data", 6_000_000), tuple(CAPABILITIES)
    joint = GaussianProcess(shares, scores, np.ones_like(scores)).joint(shares)
    centred = joint.mean - joint.mean.mean(axis=0)
    left = np.maximum(scores.var(axis=0) - joint.noise, 1e-12)
    truth = joint.mean.mean(axis=0) + centred * np.sqrt(left) / centred.std(axis=0)
    perfect, reached = [], []
    for draw in range(DRAWS):
        seen = truth + rng.standard_normal(truth.shape) * np.sqrt(joint.noise)
        perfect.append(np.mean([q.spearman for q in compare_columns(truth, seen, names)]))
        if draw < len(SEEDS):
            fold, made = folds_of(len(shares), FOLDS, draw), np.empty_like(seen)
            for f in range(FOLDS):
                inside = fold != f
                process = GaussianProcess(shares[inside], seen[inside], np.ones_like(seen[inside]))
                made[~inside] = process(shares[~inside])
            reached.append(_rank(made, seen))
    return {
        "law without error": round(float(np.mean(perfect)), 4),
        "reached where the law is such": round(float(np.mean(reached)), 4),
    }
