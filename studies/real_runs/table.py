"""The rows of finished runs, as a small CSV that `readsim fit` can be given."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from readsim.runs.read_logs import read_log
from readsim.tree_file import write_atomic
from studies.real_runs.design import Design
from studies.real_runs.run import log_path
from studies.transfer_matrix.lab import Lab

ABOUT = ("run", "part", "kind", "budget", "seed", "split", "step")


def write_table(
    designs: Sequence[Design], seeds: Sequence[int], lab: Lab, folder: Path, to: Path
) -> int:
    """One row a measurement of each finished run; returns how many runs there are.

    part     fit, or held: kept for tests of a forecast
    split    probe (after each decision, and step 0 before the first) or test (the start and the end,
             on items of their own)
    tokens:  supervised tokens so far, by source
    """
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(
        [*ABOUT, *(f"tokens:{s}" for s in lab.sources), *(f"score:{c}" for c in lab.capabilities)]
    )
    done = 0
    for seed in seeds:
        for design in designs:
            path = log_path(design, seed, folder)
            if path.exists():
                out.writerows(_rows(design, seed, path))
                done += 1
    write_atomic(to, text.getvalue().encode())
    return done


def _rows(design: Design, seed: int, path: Path) -> Iterator[list[object]]:
    log = read_log(path)
    [start], [final] = log.starts, log.finals
    about = [f"{design.name}.{design.budget}", "held" if design.held else "fit", design.kind]
    about += [str(design.budget), str(seed)]
    spent = np.zeros(len(design.shares[0]))
    before = final.final_profile - final.final_change

    def row(split: str, step: int, profile: np.ndarray) -> list[object]:
        tokens = [round(float(t)) for t in spent]
        return [*about, split, step, *tokens, *(round(float(v), 5) for v in profile)]

    yield row("probe", 0, start.profile)
    yield row("test", 0, before)
    for step in log.steps:
        spent = spent + step.tokens * step.allocation
        yield row("probe", step.step, step.profile)
    yield row("test", len(design.shares), final.final_profile)
