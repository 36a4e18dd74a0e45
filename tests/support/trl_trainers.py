"""What TRL's trainers need of themselves to compute a loss: no model, given log-probabilities."""

from types import SimpleNamespace
from typing import Any

ALONE = SimpleNamespace(
    device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x, reduce=lambda x, **_: x
)


class Metrics(dict[str, Any]):
    """Takes whatever is noted."""

    def __missing__(self, key: str) -> Any:
        return self.setdefault(key, Metrics() if key in ("train", "eval") else [])


def trl_grpo(logp: Any, beta: float = 0.0, **arguments: Any) -> Any:
    """A GRPOTrainer for `_compute_loss` whose model gives these log-probabilities (B, T)."""
    return SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *a, **k: (logp, logp.detach() * 0, None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level="token",
        beta=beta,
        loss_type="bnpo",
        epsilon_low=0.2,
        epsilon_high=0.2,
        args=SimpleNamespace(delta=None, **arguments),
        use_vllm=False,
        model=SimpleNamespace(training=False),
        _entropy_bonus_enabled=False,
        accelerator=ALONE,
        _metrics=Metrics(),
    )
