"""The equations of the worlds in plain Python, one number at a time: what the arrays must equal."""

from collections.abc import Callable, Sequence
from math import exp, inf, log, sqrt

import numpy as np

from readsim.arrays import Array
from readsim.worlds import Task, World

Numbers = Sequence[float]
Returns = Callable[[float], float]


def gain(name: str, x: float) -> float:
    """u(x) of Proposition 4.5's table."""
    family, _, q = name.partition(":")
    if family == "exponential":
        return 1.0 - exp(-x)
    if family == "log":
        return log(1.0 + x)
    if family == "hill":
        return x / (1.0 + x)
    return min(x, 1.0) if family == "broken" else float(x ** float(q or 0.5))


def link(world: World, j: int, z: float) -> float:
    """The profile of capability j at latent sum z."""
    low, start, high = float(world.floor[j]), float(world.start[j]), float(world.ceiling[j])
    if world.link == "identity":
        return start + z
    if world.link == "exponential":
        return high - (high - start) * exp(-z / (high - start))
    if world.link == "saturating":
        room = high - start if z > 0 else start - low
        moved = room * (1.0 - exp(-abs(z) / room)) if room > 0 else 0.0
        return start + moved if z > 0 else start - moved
    # logistic: the curve through (0, start) with slope 1 that solves p' = c (p - low) (high - p)
    c = 1.0 / ((start - low) * (high - start))
    odds = (start - low) / (high - start) * exp(min(c * (high - low) * z, 700.0))
    return low + (high - low) * odds / (1.0 + odds)


def worth(tokens: float, pool: float) -> float:
    """Tokens that a source's tokens are worth when it has `pool` distinct ones (arXiv 2305.16264, Eq. 5)."""
    if tokens <= pool:
        return tokens
    repeats = tokens / pool - 1.0
    return pool + pool * 15.387756 * (1.0 - exp(-repeats / 15.387756))


def potential(world: World, tokens: Numbers) -> list[float]:
    """Profile after cumulative `tokens` (S) in a separable or potential world."""
    out = []
    s = len(tokens)
    for j in range(len(world.capabilities)):
        z, lost = 0.0, 0.0
        for m, family in enumerate(world.gain):
            share = [
                float(world.feeds[i, m]) if world.feeds.size else float(i == m) for i in range(s)
            ]
            scale = float(world.scale_tokens[m])
            x = sum(c * b for c, b in zip(share, tokens, strict=True)) / scale
            pools = [float(p) for p in world.pool_tokens]
            e = sum(c * worth(b, p) for c, b, p in zip(share, tokens, pools, strict=True)) / scale
            u = gain(family, e)
            unused = x if family.startswith("power") else x - u
            z += float(world.help[m, j]) * u
            lost += float(world.harm[m, j]) * unused
            wasted = [float(h) for h in world.repetition_harm]
            z -= float(world.help[m, j]) * sum(
                w * c * (b - worth(b, p)) / scale
                for w, c, b, p in zip(wasted, share, tokens, pools, strict=True)
            )
        z -= saturated(world, j, lost) + strain(world, j, sum(tokens))
        out.append(link(world, j, z))
    return out


def saturated(world: World, j: int, lost: float) -> float:
    """What is lost of j where interference has a limit."""
    limit = float(world.interference_limit[j])
    return lost if limit == inf else limit * (1.0 - exp(-lost / limit))


def strain(world: World, j: int, total: float) -> float:
    """What the distance from the start costs j after `total` tokens."""
    d = total / float(world.overtraining_tokens[j])
    low = world.floor[j] if world.link != "exponential" else world.start[j]
    return float(world.ceiling[j] - low) * (d - 1.0 + exp(-d))


def returns(world: World, task: Task) -> list[Returns]:
    """h_i of U(b) - U_0 = sum_i h_i(b_i) for a linear task in an additive world."""

    def of(i: int) -> Returns:
        family, scale = world.gain[i], float(world.scale_tokens[i])
        helped, harmed = (float(m[i] @ task.weights) for m in (world.help, world.harm))

        def h(tokens: float) -> float:
            x = tokens / scale
            u = gain(family, x)
            return helped * u - harmed * (x if family.startswith("power") else x - u)

        return h

    return [of(i) for i in range(len(world.sources))]


def best_of_blocks(curves: list[Returns], budget: float, blocks: int) -> float:
    """Dynamic programme: the best value of `blocks` equal blocks, all of them spent."""
    worth = [0.0] + [-inf] * blocks
    for h in curves:
        alone = [h(n * budget / blocks) for n in range(blocks + 1)]
        worth = [max(worth[n - k] + alone[k] for k in range(n + 1)) for n in range(blocks + 1)]
    return worth[blocks]


def flow(world: World, schedule: Sequence[Numbers], paces: Numbers | None = None) -> list[float]:
    """Profile after the intervals of `schedule` (T, S) in a flow world, without noise; `paces` (T,) is what
    a token of each interval counts for."""
    sources, skills = range(len(world.sources)), range(len(world.capabilities))
    b, z, total = [0.0 for _ in sources], [0.0 for _ in skills], 0.0
    taken, written = [0.0 for _ in skills], [0.0 for _ in world.formats]
    for tokens, pace in zip(schedule, paces or [1.0] * len(schedule), strict=True):
        for _ in range(world.substeps):
            plain = sum(tokens) / world.substeps
            part = [t * pace / world.substeps for t in tokens]
            p = [link(world, j, z[j] - _overtrained(world, j, b)) for j in skills]
            late = _late(world, total, plain)
            total += plain
            moved = [_moves(world, i, b[i], part[i]) for i in sources]
            after = [b[i] + part[i] for i in sources]
            lost = [
                _protected(world, j, part)
                * sum(float(world.harm[i, j]) * moved[i][1] for i in sources)
                for j in skills
            ]
            z = [
                z[j] * _fade(world, j, part)
                + _gate(world, j, p) * sum(_help(world, i, j, late) * moved[i][0] for i in sources)
                - saturated(world, j, taken[j] + lost[j])
                + saturated(world, j, taken[j])
                for j in skills
            ]
            taken, b = [t + x for t, x in zip(taken, lost, strict=True)], after
            written = [_written(world, n, f, part) for n, f in enumerate(written)]
    shown = [
        z[j]
        - _overtrained(world, j, b)
        + sum(f * _shift(world, n, j) for n, f in enumerate(written))
        for j in skills
    ]
    return [link(world, j, shown[j]) for j in skills]


def _overtrained(world: World, j: int, b: Numbers) -> float:
    """What drift from the start and repetition cost j after tokens b."""
    repeated = sum(
        float(world.help[i, j] * world.repetition_harm[i]) * _wasted(world, i, tokens)
        for i, tokens in enumerate(b)
    )
    return strain(world, j, sum(b)) + repeated


def _moves(world: World, i: int, before: float, part: float) -> tuple[float, float]:
    """What one substep adds to the gain curve, and what it adds to harm."""
    scale, family, pool = float(world.scale_tokens[i]), world.gain[i], float(world.pool_tokens[i])
    du = gain(family, worth(before + part, pool) / scale) - gain(
        family, worth(before, pool) / scale
    )
    return du, part / scale - (0.0 if family.startswith("power") else du)


def _wasted(world: World, i: int, tokens: float) -> float:
    return (tokens - worth(tokens, float(world.pool_tokens[i]))) / float(world.scale_tokens[i])


def _protected(world: World, j: int, part: Numbers) -> float:
    """The factor of rehearsal on harm."""
    column = [float(v) for v in world.help[:, j]]
    best = max(column)
    own = sum(t * (h / best if best > 0 else 0.0) for t, h in zip(part, column, strict=True))
    share = own / sum(part) if sum(part) > 0 else 0.0
    return 1.0 / (1.0 + share / float(world.rehearsal_share[j]))


def _table(world: World, n: int, key: str) -> dict[str, float]:
    found = world.formats[n][key]
    assert isinstance(found, dict)
    return found


def _written(world: World, n: int, state: float, part: Numbers) -> float:
    """The state of format n after one substep."""
    total, uses = sum(part), _table(world, n, "sources")
    if total == 0.0:
        return state
    share = sum(t * uses.get(s, 0.0) for t, s in zip(part, world.sources, strict=True)) / total
    kept = exp(-total / float(str(world.formats[n]["tokens"])))
    return share + (state - share) * kept


def _shift(world: World, n: int, j: int) -> float:
    return _table(world, n, "scores").get(world.capabilities[j], 0.0)


def _late(world: World, total: float, part: float) -> float:
    """The share of a substep that lies behind the drift."""
    if not world.drift or part == 0.0:
        return 0.0
    return min(max((total + part - float(str(world.drift["after_tokens"]))) / part, 0.0), 1.0)


def _help(world: World, i: int, j: int, late: float) -> float:
    before = float(world.help[i, j])
    rows = world.drift.get("help")
    return before if not isinstance(rows, list) else before + late * (rows[i][j] - before)


def _fade(world: World, j: int, part: Numbers) -> float:
    column = [float(v) for v in world.help[:, j]]
    best = max(column)
    idle = sum(
        t * (1.0 - (h / best if best > 0 else 0.0)) for t, h in zip(part, column, strict=True)
    )
    tokens = float(world.forgetting_tokens[j])
    return 1.0 if tokens == inf else exp(-idle / tokens)


def _gate(world: World, j: int, p: Numbers) -> float:
    for gate in world.gates:
        if gate["capability"] == world.capabilities[j]:
            needed = p[world.capabilities.index(str(gate["needs"]))]
            y = (needed - float(str(gate["threshold"]))) / float(str(gate.get("width", 0.02)))
            low = float(str(gate.get("low", 0.0)))
            return low + (1.0 - low) / (1.0 + exp(min(-y, 700.0)))
    return 1.0


def artifact(world: World, schedule: Sequence[Numbers]) -> list[float]:
    """Profile after the intervals of `schedule` (T, S) by the public demo's formula, without noise."""
    p = [float(v) for v in world.start]
    for tokens in schedule:
        w = [t / float(c) for t, c in zip(tokens, world.scale_tokens, strict=True)]
        net = [
            sum(w[i] * float(world.help[i, j] - world.harm[i, j]) for i in range(len(w)))
            for j in range(len(p))
        ]
        p = [min(max(v + n * max(0.05, 1.0 - v), 0.0), 1.0) for v, n in zip(p, net, strict=True)]
    return p


PROFILES: dict[str, Callable[[World, Sequence[Numbers]], list[float]]] = {
    "separable": lambda world, schedule: potential(
        world, [sum(c) for c in zip(*schedule, strict=True)]
    ),
    "potential": lambda world, schedule: potential(
        world, [sum(c) for c in zip(*schedule, strict=True)]
    ),
    "flow": flow,
    "artifact": artifact,
}


def close(a: Array | Numbers, b: Array | Numbers, tolerance: float = 1e-12) -> bool:
    """Equal up to rounding; negated losses can be large numbers."""
    return bool(np.allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance))


def binomial_sd(p: float, items: float) -> float:
    """Standard deviation of a score p over `items` items; 0 items measure exactly."""
    return sqrt(max(p * (1.0 - p), 0.0) / items) if items else 0.0
