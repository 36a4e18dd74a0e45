"""Losses by source, from those that training computes anyway; and KL beside any objective."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from readsim_hf.objectives.base import Objective, Targets
from readsim_hf.objectives.baselines import ForwardKL
from readsim_hf.objectives.estimators import token_log_probs
from readsim_hf.objectives.vocabulary import Cut
from readsim_hf.training.batch import Batch, Example


class Listening:
    """An objective that remembers the losses of the positions it was asked for, in their order."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self._heard: list[Tensor] = []

    @property
    def needs_soft(self) -> bool:
        return self.objective.needs_soft

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        losses = self.objective(logits, targets)
        self._heard.append(losses.detach())
        return losses

    def take(self) -> Tensor:
        """Losses (N,) of all positions since the last time, unweighted."""
        heard, self._heard = self._heard, []
        return torch.cat(heard) if heard else torch.zeros(0)


class LogRatio:
    """`token_log_ratio` (N,): not an objective to train with."""

    needs_soft = True

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        logp, logq = token_log_probs(logits, targets)
        return logp - logq


class BesideKL:
    """An objective that also sums KL(teacher || student) over the positions that it is asked for.

    The sum is in `total`; it is None where the targets hold no distributions. `ratios` holds the log-ratios
    of the tokens, a tensor a call; it stays empty where distributions are draws.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        whole = ForwardKL()
        self._kl = replace(objective, objective=whole) if isinstance(objective, Cut) else whole
        ratio = LogRatio()
        self._ratio = replace(objective, objective=ratio) if isinstance(objective, Cut) else ratio
        self.total: Tensor | None = None
        self.ratios: list[Tensor] = []

    @property
    def needs_soft(self) -> bool:
        return self.objective.needs_soft

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        if targets.soft is not None:
            with torch.no_grad():
                found = self._kl(logits, targets).sum()
                if targets.soft.kind != "sampled":
                    self.ratios.append(self._ratio(logits, targets).float())
            self.total = found if self.total is None else self.total + found
        return self.objective(logits, targets)


class SourceLosses:
    """Sums of weighted losses by source (S',), on the device where they are made."""

    def __init__(self, sources: Sequence[str], device: torch.device) -> None:
        self.sources = tuple(sources)
        self._place = {name: place for place, name in enumerate(self.sources)}
        self.sums = torch.zeros(len(self.sources), device=device)

    def add(self, part: Sequence[Example], batch: Batch, losses: Tensor) -> None:
        """The losses (N,) of a micro-batch's positions, each times its weight in the step."""
        if batch.targets.weights is not None:
            losses = losses * batch.targets.weights
        codes = torch.tensor([self._place[e.record.source] for e in part], device=self.sums.device)
        self.sums.index_add_(0, codes[batch.rows], losses.float())

    def table(self) -> Mapping[str, float]:
        """The sum of each source."""
        return dict(zip(self.sources, self.sums.tolist(), strict=True))


def sources_in(examples: Sequence[Example]) -> tuple[str, ...]:
    """Each source of the examples once, in the order in which they first appear."""
    return tuple(dict.fromkeys(example.record.source for example in examples))


def by_source(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """The examples of each source."""
    return {s: [e for e in examples if e.record.source == s] for s in sources_in(examples)}
