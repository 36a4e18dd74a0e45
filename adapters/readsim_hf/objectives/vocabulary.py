"""One vocabulary for both sides: models of a family pad their output to different sizes.

Qwen2.5 has 151936 logits at one size and 152064 at another, for the same tokens. Both are cut to what
they share before any loss; whether the tokens are the same is another check.
"""

from dataclasses import dataclass

from torch import Tensor

from readsim.errors import ConfigError
from readsim_hf.objectives.objective import Objective, Targets


def shared_size(student: int, teacher: int, tokens: int | None = None) -> int:
    """How many ids count: the tokenizer's `tokens` where given, else the smaller number of logits.

    `student` and `teacher` are the models' `config.vocab_size`. Raises ConfigError when one is no
    positive integer or a model has fewer logits than there are tokens.
    """
    sizes = {"student": student, "teacher": teacher, "tokens": tokens}
    for name, size in sizes.items():
        if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
            raise ConfigError(f"{name} is {size!r}: a vocabulary size is an integer of at least 1")
    if tokens is None:
        return min(student, teacher)
    for name, size in (("student", student), ("teacher", teacher)):
        if size < tokens:
            raise ConfigError(
                f"the {name} has {size} logits for {tokens} tokens: resize its embeddings first"
            )
    return tokens


def cut_logits(logits: Tensor, size: int) -> Tensor:
    """The first `size` logits (..., size), a view. Raises ConfigError when there are fewer."""
    if logits.shape[-1] < size:
        raise ConfigError(f"there are {logits.shape[-1]} logits, fewer than the {size} shared ones")
    return logits[..., :size]


def cut_log_probs(logp: Tensor, size: int) -> Tensor:
    """Log-probabilities (..., size) given that the token is one of the first `size`."""
    return cut_logits(logp, size).log_softmax(-1)


@dataclass(frozen=True)
class Cut:
    """An objective on the first `size` logits: the student's others have no effect."""

    objective: Objective
    size: int

    @property
    def needs_soft(self) -> bool:
        return self.objective.needs_soft

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        return self.objective(cut_logits(logits, self.size), targets)
