"""What objectives by policy gradient share: advantages, returns, and the clipped importance weight.

The student's samples are older than its weights by as many replies as were waiting. Each token y_t keeps
log mu(y_t), its log-probability when it was drawn (`old`), and rho_t = pi(y_t) / mu(y_t) corrects for the
difference. Advantages are constants: gradients flow through rho alone.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from readsim.errors import TrainingError
from readsim_hf.objectives.base import Targets
from readsim_hf.objectives.divergences import token_cross_entropy
from readsim_hf.objectives.sampling import constant

CLIP = 0.2  # PPO's


def clipped_gain(advantage: Tensor, ratio: Tensor, clip: float) -> Tensor:
    """min(rho A, clip(rho, 1 - clip, 1 + clip) A) (N,): PPO (1707.06347), Eq. 7.

    Its gradient at rho = 1 is A grad log pi; it is 0 where rho has left the range to the side that A favours.
    """
    near = ratio.clamp(1.0 - clip, 1.0 + clip)
    return torch.minimum(ratio * advantage, near * advantage)


def importance_ratio(targets: Targets, logits: Tensor) -> Tensor:
    """rho (N,) = pi(y_t) / mu(y_t), the student now over the student that wrote the tokens; at most e^20."""
    now = -token_cross_entropy(targets.tokens, logits)
    return (now - constant(targets, "old")).clamp_max(20.0).exp()


def group_advantages(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R - mean) / sd of the rewards (n,) of one prompt's replies: GRPO (2402.03300); sd with n - 1.

    0 where all are equal, also where there is one reply. TrainingError for rewards that are not finite.
    """
    rewards = np.asarray(rewards, dtype=np.float64)
    if not np.isfinite(rewards).all():
        raise TrainingError(f"rewards are {rewards.tolist()}: each must be a finite number")
    spread = rewards.std(ddof=1) if len(rewards) > 1 else 0.0
    if spread <= 1e-9 * max(1.0, float(np.abs(rewards).max(initial=0.0))):
        return np.zeros(len(rewards))
    out: NDArray[np.float64] = (rewards - rewards.mean()) / spread
    return out


def later_ratios(teacher: NDArray[np.float32], old: NDArray[np.float32]) -> NDArray[np.float32]:
    """R_t = mean over t' > t of log p_T(y_t') - log mu(y_t') (L,): MiniLLM (2306.08543), Eq. 8, whose
    length-normalised long part it is. 0 for the last token."""
    ratio = teacher.astype(np.float64) - old
    after = np.cumsum(ratio[::-1])[::-1] - ratio
    left = np.arange(len(ratio) - 1, -1, -1)
    return np.where(left > 0, after / np.maximum(left, 1), 0.0).astype(np.float32)
