"""Training the identifier on interventions, and what is known of it afterwards."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from readsim.arrays import Array
from readsim.errors import ConfigError, TrainingError
from readsim.streams import generator
from readsim_hf.requirement.config import IdentifierConfig
from readsim_hf.requirement.network import CardEncoder, Identifier, SentenceFeatures
from readsim_hf.training.lora import fixed_torch_seed

LEAST_SCALE = 0.05  # of standardised changes


class Evidence(NamedTuple):
    """What N interventions did to M tasks: changes of the profile, Eq. (5), and of the utilities.

    The interventions are the same for all tasks: one short training is measured under every utility.
    """

    change: Tensor  # (N, K) Dp, from the probe split
    utility: Tensor  # (M, N) DU, from the dev split


def entropy(log_r: Tensor) -> Tensor:
    """H(r) in nats over (..., K) log-requirements."""
    return -(log_r.exp() * log_r).sum(-1)


def standardised(evidence: Evidence) -> Evidence:
    """Dp over its root mean square, DU over that of its task: lambda_H means the same everywhere.

    One scale for all capabilities: a scale for each would turn slopes into contributions
    (`readsim.theory.lemmas.entropy.standardise`). Changes that are all 0 stay 0.
    """
    size = evidence.change.square().mean().sqrt()
    sizes = evidence.utility.square().mean(-1, keepdim=True).sqrt()
    tiny = torch.finfo(size.dtype).tiny
    return Evidence(
        evidence.change / size.clamp(min=tiny), evidence.utility / sizes.clamp(min=tiny)
    )


def standardised_loss(log_r: Tensor, evidence: Evidence, weight: float) -> Tensor:
    """Eq. (6), of standardised evidence: mean over tasks and n of (DU - s r . Dp)^2, + lambda_H H(r).

    The positive scale s of a task is what minimises its loss, sum DU (r . Dp) / sum (r . Dp)^2, at least
    LEAST_SCALE: at 0 no r would be better than another. By the envelope theorem no gradient flows
    through it.
    """
    predicted = log_r.exp() @ evidence.change.T
    top = (predicted * evidence.utility).sum(-1, keepdim=True)
    below = predicted.square().sum(-1, keepdim=True).clamp(min=torch.finfo(predicted.dtype).tiny)
    scale = (top / below).clamp(min=LEAST_SCALE).detach()
    wrong = (evidence.utility - scale * predicted).square().mean(-1)
    return (wrong + weight * entropy(log_r)).mean()


def raw_loss(log_r: Tensor, evidence: Evidence, weight: float) -> Tensor:
    """Eq. (6) as printed: sum over tasks and interventions of (DU - r . Dp)^2, + lambda_H sum of H(r).

    It finds a projection, not [g]_+ normalised, and its lambda_H depends on the units
    (`readsim.theory.lemmas.requirement`).
    """
    wrong = (evidence.utility - log_r.exp() @ evidence.change.T).square()
    return wrong.sum() + weight * entropy(log_r).sum()


NULLS = 200  # permutations
RATE = 2e-3  # of AdamW, falling to 0 over the second half
BATCH = 16  # cards a step


def train_identifiers(
    config: IdentifierConfig, texts: Sequence[str], change: Array, utility: Array, seed: int
) -> list[Identifier]:
    """Identifiers fitted to cards `texts` (M), `change` (N, K) and `utility` (M, N): `members` of them.

    Deterministic given the seed. Raises ConfigError for shapes that do not fit, TrainingError where the
    loss is not finite.
    """
    m, (n, k) = len(texts), change.shape
    if utility.shape != (m, n) or n < 2:
        raise ConfigError(
            f"utility of shape {utility.shape}: expected ({m} cards, {n} interventions), at least 2 of each"
        )
    both = (torch.from_numpy(np.asarray(a, dtype=np.float32)) for a in (change, utility))
    evidence, loss = Evidence(*both), raw_loss
    if config.loss == "standardised":
        evidence, loss = standardised(evidence), standardised_loss
    members = []
    for member in range(config.members):
        with fixed_torch_seed(int(generator(seed, "bootstrap", 2, member).integers(2**31))):
            made = Identifier(
                SentenceFeatures(config.encoder) if config.encoder else CardEncoder(), k
            )
        cards = made.encoder.read(texts)
        steps = [p for p in made.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(steps, lr=2e-3, weight_decay=1e-4)
        rng = generator(seed, "bootstrap", 4, member)
        for step in range(config.steps):
            optimizer.param_groups[0]["lr"] = RATE * min(1.0, 2.0 * (1 - step / config.steps))
            optimizer.zero_grad(set_to_none=True)
            some = torch.from_numpy(rng.permutation(m)[:BATCH])
            part = Evidence(evidence.change, evidence.utility[some])
            value = loss(made(cards[some]), part, config.entropy)
            if not torch.isfinite(value):
                raise TrainingError(f"the identifier's loss is {float(value)}: look at the changes")
            value.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(steps, 1.0)
            optimizer.step()
        made.eval()
        members.append(made)
    return members


def explained(requirements: Array, change: Array, utility: Array) -> float:
    """Share of the tasks' variance of DU (M, N) that s r . Dp explains, best s >= 0 a task, over zero."""
    predicted = requirements @ change.T
    below = np.maximum((predicted**2).sum(-1), np.finfo(float).tiny)
    scale = np.maximum((predicted * utility).sum(-1) / below, 0.0)
    wrong = ((utility - scale[:, None] * predicted) ** 2).sum(-1)
    total = np.maximum((utility**2).sum(-1), np.finfo(float).tiny)
    return float(np.mean(1.0 - wrong / total))


def explained_and_null(
    requirements: Array, change: Array, utility: Array, seed: int
) -> Mapping[str, float]:
    """`explained`, its mean where interventions are permuted, and the permutation p-value."""
    rng = generator(seed, "bootstrap", 3)
    found = explained(requirements, change, utility)
    nulls = [
        explained(requirements, change, utility[:, rng.permutation(utility.shape[1])])
        for _ in range(NULLS)
    ]
    above = sum(null >= found for null in nulls)
    return {"r2": found, "null": float(np.mean(nulls)), "p": (1 + above) / (1 + NULLS)}
