"""The network of `trained`: tokens (source x capability) in, shares of the sources out, for N runs at once.

Every layer treats all sources alike and all capabilities alike (exchangeable matrices: Hartford et al. 2018,
arXiv 1803.02879), so one network plays any S and K, and permuted names give permuted shares. Means over
capabilities are taken twice, plain and weighted by what each counts for in the utility now.

    h <- h + silu(h A + [sum_j g_j h] B + [mean_j h] C + [mean_i h] D + [mean_ij h] E + b)
    shares = softmax(log(requirement as shares) + head([sum_j g_j h, mean_j h]))

With a head of zeros it is `task-static`. All functions take the array module `xp`, numpy or torch.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from readsim.allocators.trained.belief import PRIOR, Belief, Known, scale
from readsim.arrays import Array

Tensor = Any  # an array of `xp`
WIDTH, LAYERS, HEAD = 32, 3, 32
FEATURES = (
    "match",
    "weight",
    "weight over the mean",
    "effect over the gap",
    "its sd",
    "effect that counts",
    "its sd that counts",
    "gap left",
    "gap left that counts",
    "moved",
    "sd of the level",
    "level",
    "share required",
    "trained so far",
    "last share",
    "pool",
    "passes over the pool",
    "worth of the source",
    "its sd",
    "worth over the mixture's",
    "done",
    "pace left",
    "pace now",
    "steps left",
    "steps",
    "teacher known",
    "sources",
    "capabilities",
)
LEAST_SHARE = 0.02  # spread over all sources before the logarithm


def marginal(xp: Any, known: Known, level: Tensor) -> Tensor:
    """What each capability counts for in the utility now (N, V), summing to 1: r where it is linear."""
    safe = xp.clip(level, 0.02, None)
    powers = xp.exp((known.exponent - 1.0) * xp.log(safe))
    weight = known.requirement * powers * (0.02 + 0.98 * (level <= known.cap))
    return weight / weight.sum(-1)[:, None]


def policy_features(
    xp: Any, known: Known, belief: Belief, trained: Tensor, last: Tensor, step: int
) -> Any:
    """Tokens (N, S, V, F), and the weights (N, V) of the capabilities.

    `trained` (N, S) shares of the budget so far, `last` (N, S) the last shares, `step` decisions made.
    """
    n, s, v = known.match.shape
    weight = marginal(xp, known, belief.level)
    unit = scale(xp, known)
    left = known.teacher - belief.level
    whole = (weight * (unit - 0.05)).sum(-1)[:, None] + 0.02
    effect = xp.swapaxes(belief.effect, 1, 2)
    variance = xp.swapaxes(xp.diagonal(belief.effect_cov, 0, -2, -1), 1, 2)
    sd = xp.sqrt(xp.clip(variance, 1e-12, None))
    counts = weight[:, None, :] / whole[:, :, None]
    worth = (effect * counts).sum(-1)
    doubt = xp.sqrt((variance * counts**2).sum(-1) + 1e-12)
    mixture = (worth * last).sum(-1)[:, None]
    steps = known.paces.shape[1]
    ahead = known.paces[:, step:].sum(-1) / known.paces.sum(-1)

    def by_capability(value: Tensor) -> Tensor:
        return xp.broadcast_to(value[:, None, :], (n, s, v))

    def by_source(value: Tensor) -> Tensor:
        return xp.broadcast_to(value[:, :, None], (n, s, v))

    def alone(value: Tensor | float) -> Tensor:
        zeros = xp.zeros_like(known.match)
        return zeros + (value if isinstance(value, float) else value[:, None, None])

    level = belief.level * (1.0 - known.losses) + known.losses * xp.exp(
        xp.clip(belief.level, -30.0, 0.0)
    )
    columns = [
        known.match,
        by_capability(weight),
        by_capability(xp.tanh(weight * v / 3.0)),
        xp.tanh(effect / unit[:, None, :] / 2.0),
        xp.tanh(sd / unit[:, None, :]),
        xp.tanh(effect * counts),
        xp.tanh(sd * counts),
        by_capability(xp.tanh(left / unit)),
        by_capability(xp.tanh(left * weight / whole)),
        by_capability(xp.tanh((belief.level - known.start) / unit / 2.0)),
        by_capability(xp.tanh(xp.sqrt(xp.clip(belief.level_var, 1e-12, None)) / unit * 3.0)),
        by_capability(level),
        by_source(xp.log(known.shares * s + 0.05) / 3.0),
        by_source(xp.tanh(trained * s / 3.0)),
        by_source(last),
        by_source(known.pools / 10.0),
        by_source(xp.tanh(trained / known.pools / 3.0)),
        by_source(xp.tanh(worth)),
        by_source(xp.tanh(doubt)),
        by_source(xp.tanh(2.0 * (worth - mixture))),
        alone(step / steps),
        alone(ahead),
        alone(known.paces[:, step]),
        alone(float(np.log(steps - step)) / 4.0),
        alone(float(np.log(steps)) / 4.0),
        alone(known.teacher_known[:, 0]),
        alone(float(np.log(s)) / 4.0),
        alone(float(np.log(v)) / 4.0),
    ]
    return xp.stack(columns, -1), weight


def shares(
    xp: Any, weights: Mapping[str, Tensor], known: Known, tokens: Tensor, weight: Tensor
) -> Tensor:
    """The allocation (N, S) of tokens (N, S, V, F)."""
    by = weight[:, None, :, None]
    h = silu(xp, tokens @ weights["in.w"] + weights["in.b"])
    for n in range(LAYERS):
        name = f"layer{n}"
        inner = h @ weights[f"{name}.self"]
        inner = inner + ((h * by).sum(2) @ weights[f"{name}.counts"])[:, :, None]
        inner = inner + (h.mean(2) @ weights[f"{name}.row"])[:, :, None]
        inner = inner + (h.mean(1) @ weights[f"{name}.column"])[:, None]
        whole = (h * by).sum(2).mean(1) @ weights[f"{name}.all"] + weights[f"{name}.b"]
        h = h + silu(xp, inner + whole[:, None, None])
    pooled = xp.concatenate([(h * by).sum(2), h.mean(2)], -1)
    hidden = silu(xp, pooled @ weights["head.w"] + weights["head.b"])
    anchor = xp.log((1.0 - LEAST_SHARE) * known.shares + LEAST_SHARE / known.shares.shape[1])
    logits = anchor + (hidden @ weights["head.out"])[..., 0]
    return to_shares(xp, logits)


def to_shares(xp: Any, logits: Tensor) -> Tensor:
    """Over the last axis."""
    top = xp.amax(logits, -1)[..., None]
    powers = xp.exp(logits - top)
    return powers / powers.sum(-1)[..., None]


def silu(xp: Any, x: Tensor) -> Tensor:
    """x sigmoid(x)."""
    return 0.5 * x * (1.0 + xp.tanh(0.5 * x))


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """The arrays of a policy and their shapes."""
    out: dict[str, tuple[int, ...]] = {
        "prior": (len(PRIOR),),
        "in.w": (len(FEATURES), WIDTH),
        "in.b": (WIDTH,),
    }
    for n in range(LAYERS):
        for part in ("self", "counts", "row", "column", "all"):
            out[f"layer{n}.{part}"] = (WIDTH, WIDTH)
        out[f"layer{n}.b"] = (WIDTH,)
    return out | {"head.w": (2 * WIDTH, HEAD), "head.b": (HEAD,), "head.out": (HEAD, 1)}


def fresh_weights(rng: np.random.Generator) -> dict[str, Array]:
    """Weights before training: `task-static` with a belief."""
    out: dict[str, Array] = {}
    for name, shape in weight_shapes().items():
        if name == "prior":
            out[name] = np.log([value for _, value in PRIOR])
        elif len(shape) == 1 or name == "head.out":
            out[name] = np.zeros(shape)
        else:
            out[name] = rng.normal(0.0, (1.0 / shape[0]) ** 0.5, shape) * (
                0.5 if "layer" in name else 1.0
            )
    return out
