"""What readsim costs, as ratios measured in one run."""

import os

from rich.progress import Progress
from rich.table import Table
from threadpoolctl import threadpool_limits

from readsim.cli.output import Terminal
from studies.speed import artifact_fit, decisions, environment, whole

Row = tuple[str, str, str, str]


def environment_rows() -> list[Row]:
    """Vector step, single step, noise."""
    ours = environment.vector_env()
    demo = environment.in_turn(ours, environment.demo())
    bare = environment.in_turn(ours, environment.equations())
    all_on = environment.with_terms()
    terms = environment.in_turn(environment.vector_env(all_on), environment.equations(all_on))
    many = environment.in_turn(environment.many_worlds(), environment.vector_env())
    broad = environment.in_turn(environment.many_worlds("broad"), environment.vector_env())
    single = environment.in_turn(environment.single_env(), environment.cartpole(), 400)
    noise = environment.in_turn(*environment.noise())
    rate = f"{1e-6 / demo.ours:.1f}M env-steps/s"
    return [
        (
            "vector step, beside the demo's transition",
            rate,
            f"{demo.ratio:.1f} x as fast",
            ">= 25 x",
        ),
        (
            "vector step, beside the bare equations",
            rate,
            f"{bare.ratio:.2f} of their speed",
            ">= 0.5",
        ),
        (
            "the same with a cosine, overtraining and a limit of harm",
            f"{1e-6 / terms.ours:.1f}M env-steps/s",
            f"{terms.ratio:.2f} of their speed",
            ">= 0.6",
        ),
        (
            "each run in one of 64 worlds, beside one world",
            f"{1e-6 / many.ours:.1f}M env-steps/s",
            f"{many.ratio:.2f} of its speed",
            ">= 0.35",
        ),
        (
            "the same with worlds of the broad prior, all terms",
            f"{1e-6 / broad.ours:.1f}M env-steps/s",
            f"{broad.ratio:.2f} of its speed",
            ">= 0.1",
        ),
        (
            "single env step, beside CartPole-v1",
            f"{1e6 * single.ours:.0f} us",
            f"{1.0 / single.ratio:.1f} x its time",
            "<= 4 x",
        ),
        (
            "a deviate, beside numpy's normal",
            f"{1e9 * noise.ours:.1f} ns",
            f"{noise.ratio:.1f} x as fast",
            "",
        ),
    ]


def decision_rows() -> list[Row]:
    """ReAD's ensemble beside the faster version of the artifact's fit, and their held-out errors; rules
    without offline data beside the static split."""
    static, rows = decisions.seconds_of("task-static"), list[Row]()
    for name, target in (("trained", "<= 2 ms"), ("level", "<= 5 ms")):
        seconds = decisions.seconds_of(name)
        rows.append(
            (
                f"`{name}` decision with its simulated step, beside `task-static`'s",
                f"{1e3 * seconds:.1f} ms",
                f"{seconds / static:.0f} x its time",
                target,
            )
        )
    for signal_to_noise in (float("inf"), 1.0, 0.5):
        result = artifact_fit.measure(signal_to_noise, seed=0)
        others = [t for t in (result.numpy, result.torch) if t is not None]
        fastest = min(others, key=lambda t: t.per_decision())
        errors = f"error {result.ensemble.error[-1]:.2f} for {fastest.error[-1]:.2f}"
        rows.append(
            (
                f"ReAD decision, signal to noise {signal_to_noise:g}, beside the artifact's fit",
                f"{1e3 * result.ensemble.per_decision():.1f} ms, {errors}",
                f"1/{result.ratio():.0f} of its time",
                "<= 1/8",
            )
        )
        if signal_to_noise == 1.0:
            together = artifact_fit.measure_runs(signal_to_noise)
            rows.append(
                (
                    "the same, 16 runs together, each",
                    f"{1e3 * together:.1f} ms",
                    f"1/{fastest.per_decision() / together:.0f} of its time",
                    "<= 1/12",
                )
            )
    return rows


def whole_rows() -> list[Row]:
    """Grid, import, memory."""
    seconds = whole.paper_grid()
    ours, gymnasium = whole.import_seconds("readsim"), whole.import_seconds("gymnasium")
    steps, memory = whole.million_steps()
    return [
        ("paper grid, 240 runs, 2 processes", f"{seconds:.0f} s", "", "<= 30 s"),
        (
            "import readsim",
            f"{ours:.2f} s",
            f"{ours / gymnasium:.1f} x import gymnasium",
            "<= 0.4 s",
        ),
        (f"{steps / 1e6:.2f}M env-steps, results kept", f"{memory / 2**30:.2f} GiB", "", "< 1 GiB"),
    ]


def main() -> None:
    """Measure and print one table."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # of libraries and processes to come
    table = Table("what", "measured", "ratio in this run", "target", title="readsim, speed")
    parts = [environment_rows, decision_rows, whole_rows]
    with threadpool_limits(1), Progress(console=Terminal(stderr=True)) as bar:
        job = bar.add_task("measuring", total=len(parts))
        for part in parts:
            for row in part():
                table.add_row(*row)
            bar.advance(job)
    Terminal().print(table)
