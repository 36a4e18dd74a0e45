"""Designed worlds: `ideal`, in which nothing the paper assumes fails; order matters in the other three.

All numbers are ours."""

import numpy as np

from readsim.worlds import World

NUMBERS = "ours: designed, round numbers; no measurement behind them"


def ideal() -> World:
    """Three sources, identity links, no effects across: Assumption 4.4 holds, for every task and budget."""
    names, budget = ("a", "b", "c"), 1e7
    return World(
        name="ideal",
        description=(
            "Each source teaches the capability of its name and nothing else, with concave gains that "
            "add up exactly. For: the control of `readsim theory` in which every statement about "
            "gains holds by construction."
        ),
        sources=names,
        capabilities=names,
        dynamics="separable",
        link="identity",
        gain=("exponential", "log", "hill"),
        start=np.full(3, 0.2),
        floor=np.zeros(3),
        ceiling=np.full(3, 0.9),
        scale_tokens=np.full(3, budget / 3),
        help=np.diag([0.3, 0.1, 0.4]),
        harm=np.zeros((3, 3)),
        horizon=10 * budget,
        provenance={"all": NUMBERS},
    )


def gateway() -> World:
    """Three skills that can hardly be learned before reasoning has come some way."""
    names = ("general", "reasoning", "math", "code", "tool_use")
    gated = ("math", "code", "tool_use")
    k = len(names)
    help_ = np.diag([0.30, 0.40, 0.50, 0.45, 0.40])
    help_[0, 1] = 0.03  # general text teaches a little reasoning
    help_[2, 1] = help_[3, 1] = 0.05
    return World(
        name="gateway",
        description=(
            "Reasoning opens the slopes of math, code and tool use; most tasks give it no weight of "
            "its own. For: step-wise regret (Proposition 4.7) is not final utility: a choice that "
            "is best for each single step ends far from a plan."
        ),
        sources=names,
        capabilities=names,
        dynamics="flow",
        link="saturating",
        start=np.array([0.40, 0.30, 0.20, 0.25, 0.20]),
        floor=np.zeros(k),
        ceiling=np.array([0.70, 0.70, 0.80, 0.80, 0.75]),
        gain=("exponential",) * k,
        scale_tokens=np.array([40e6, 20e6, 25e6, 25e6, 25e6]),
        help=help_,
        harm=np.zeros((k, k)),
        gates=tuple(
            {"capability": c, "needs": "reasoning", "threshold": 0.38, "width": 0.02, "low": 0.05}
            for c in gated
        ),
        tasks={
            "math": {"requirement": {"math": 0.6, "code": 0.2, "tool_use": 0.2}},
            "agent": {"requirement": {"tool_use": 0.5, "code": 0.3, "general": 0.2}},
            "balanced": {"requirement": dict.fromkeys(names, 0.2)},
        },
        provenance={"all": NUMBERS},
    )


def drift() -> World:
    """The same pools, but from a moment on they teach something else."""
    names = ("general", "math", "code", "multilingual")
    k = len(names)
    before = np.where(np.eye(k) > 0, np.array([0.30, 0.40, 0.35, 0.30]), 0.02)
    after = before[[1, 2, 3, 0]]  # source i now teaches what source i + 1 taught
    return World(
        name="drift",
        description=(
            "After 10M tokens each source teaches what the next one taught before. For: future work "
            "on distribution shift; knowledge from before the shift misleads, and schedules "
            "that do not change waste one of the two phases."
        ),
        sources=names,
        capabilities=names,
        dynamics="flow",
        link="saturating",
        start=np.array([0.40, 0.25, 0.35, 0.40]),
        floor=np.zeros(k),
        ceiling=np.array([0.75, 0.80, 0.80, 0.75]),
        gain=("exponential",) * k,
        scale_tokens=np.full(k, 40e6),
        help=before,
        harm=np.zeros((k, k)),
        drift={"after_tokens": 10e6, "help": after.tolist()},
        tasks={
            "math": {"requirement": {"math": 0.7, "code": 0.3}},
            "code": {"requirement": {"code": 0.7, "general": 0.3}},
            "multilingual": {"requirement": {"multilingual": 0.6, "general": 0.4}},
        },
        provenance={
            "all": NUMBERS,
            "drift": "ours: half-way of 20M tokens, and early in 150M; a shift at a fixed number of "
            "tokens must come before 20M to be seen at both budgets",
        },
    )


def forgetting() -> World:
    """Capabilities fade while other things are trained, some fast and some slowly."""
    names = ("general", "math", "code", "multilingual")
    k = len(names)
    help_ = np.diag([0.30, 0.35, 0.35, 0.35])
    help_[1, 2] = help_[2, 1] = 0.08  # math and code keep each other in practice
    help_[0, 3] = 0.04
    return World(
        name="forgetting",
        description=(
            "What is not practised fades: multilingual in 10M tokens, general in 200M. For: order "
            "effects; finishing with what fades fastest beats any constant mixture. And spillover: of "
            "150M tokens a constant mixture had better leave some unspent."
        ),
        sources=names,
        capabilities=names,
        dynamics="flow",
        link="saturating",
        start=np.array([0.40, 0.30, 0.35, 0.35]),
        floor=np.zeros(k),
        ceiling=np.full(k, 0.75),
        gain=("exponential",) * k,
        scale_tokens=np.full(k, 15e6),
        help=help_,
        harm=np.zeros((k, k)),
        forgetting_tokens=np.array([200e6, 100e6, 100e6, 10e6]),
        tasks={
            "analyst": {"requirement": {"general": 0.4, "code": 0.3, "multilingual": 0.3}},
            "tutor": {"requirement": {"math": 0.5, "multilingual": 0.5}},
            "balanced": {"requirement": dict.fromkeys(names, 0.25)},
        },
        provenance={"all": NUMBERS},
    )
