"""Worlds with the terms of real runs (`readsim.worlds.terms`): one term each, then all. All numbers ours."""

from typing import Any

import numpy as np

from readsim.worlds import World

NAMES = ("general", "math", "code", "multilingual")
MECHANISM = "ours: made up to show the mechanism, round numbers; no measurement behind them"
TASKS: dict[str, dict[str, object]] = {
    "math": {"requirement": {"math": 0.6, "general": 0.2, "multilingual": 0.2}},
    "code": {"requirement": {"code": 0.6, "math": 0.2, "general": 0.2}},
    "balanced": {"requirement": dict.fromkeys(NAMES, 0.25)},
}
HARM = np.array(
    [
        [0.00, 0.02, 0.05, 0.02],
        [0.10, 0.00, 0.05, 0.10],
        [0.10, 0.02, 0.00, 0.10],
        [0.05, 0.02, 0.02, 0.00],
    ]
)
STEPS = {"name": "worked steps", "sources": {"math": 1.0, "code": 0.3}, "tokens": 1e6}


def _world(name: str, description: str, **changes: Any) -> World:
    """Four skills that hardly help each other, and do not harm."""
    fields: dict[str, Any] = {
        "dynamics": "potential",
        "link": "saturating",
        "start": np.array([0.40, 0.25, 0.30, 0.35]),
        "floor": np.zeros(4),
        "ceiling": np.array([0.70, 0.75, 0.70, 0.70]),
        "gain": ("exponential",) * 4,
        "scale_tokens": np.full(4, 20e6),
        "help": np.array(
            [
                [0.30, 0.02, 0.00, 0.05],
                [0.03, 0.50, 0.05, 0.00],
                [0.00, 0.05, 0.45, 0.00],
                [0.03, 0.00, 0.00, 0.40],
            ]
        ),
        "harm": np.zeros((4, 4)),
        "tasks": TASKS,
        "provenance": {"all": MECHANISM},
    }
    both: dict[str, Any] = {"sources": NAMES, "capabilities": NAMES}
    return World(name=name, description=description, **both, **{**fields, **changes})


def overtraining() -> World:
    """Scores peak and fall: checked problems repeat, and all training leads away from the start."""
    return _world(
        "overtraining",
        "Scores peak and fall: math and code have 3M and 5M distinct tokens, whose repeats harm what they "
        "taught, and every token leads farther from what the student did at the start. For: knowing when "
        "to stop; gains that fall (Assumption 4.4 fails) in a world where static dominance holds.",
        pool_tokens=np.array([np.inf, 3e6, 5e6, np.inf]),
        repetition_harm=np.array([0.0, 0.1, 0.1, 0.0]),
        overtraining_tokens=np.full(4, 300e6),
    )


def format_shift() -> World:
    """How answers are written moves within a million tokens and moves several scores with it."""
    short = {"name": "one letter", "sources": {"general": 0.5}, "tokens": 1e6}
    return _world(
        "format-shift",
        "Math and code teach to write worked steps, which costs general and multilingual 12 points within a "
        "few million tokens, and another mixture brings them back as fast. For: a probe shows the format of "
        "the last interval; what a run ends with counts more than its share of the tokens.",
        dynamics="flow",
        formats=(
            {**STEPS, "scores": {"general": -0.15, "code": 0.03, "multilingual": -0.15}},
            {**short, "scores": {"general": 0.05, "math": -0.05}},
        ),
    )


def rehearsal() -> World:
    """Training on one thing alone harms the others, and a few percent of their own tokens protect them."""
    return _world(
        "rehearsal",
        "Every source harms the others up to a limit, and a capability that has 5 % of the tokens for itself "
        "is harmed half as much. For: mixtures that are better than the sum of their parts (Proposition 4.3 "
        "fails); one-hot runs overstate harm.",
        dynamics="flow",
        harm=6.0 * HARM,
        interference_limit=np.full(4, 0.25),
        rehearsal_share=np.full(4, 0.05),
    )


def real_run() -> World:
    """All of it at once."""
    return _world(
        "real-run",
        "A cosine learning rate, overtraining, formats, rehearsal, limits of harm. For: order that is "
        "worth points where constant mixtures are flat, as on a real pair: of 20M, math alone first and "
        "a fifth of it afterwards is 5 points above the other way round, 2 above every constant mixture.",
        dynamics="flow",
        harm=HARM,
        pool_tokens=np.array([np.inf, 10e6, np.inf, np.inf]),
        repetition_harm=np.array([0.0, 0.1, 0.0, 0.0]),
        overtraining_tokens=np.full(4, 400e6),
        interference_limit=np.full(4, 0.25),
        rehearsal_share=np.full(4, 0.05),
        formats=({**STEPS, "scores": {"general": -0.12, "code": 0.03, "multilingual": -0.12}},),
        schedule={"kind": "cosine", "warmup": 0.03},
        provenance={
            "all": MECHANISM,
            "choice": "ours: chosen by hand so that order counts and constant mixtures do not, as pair nano "
            "showed (65.0 and 58.2 points, 61.6 to 63.0); none of these numbers was fitted to it",
        },
    )
