"""Names of signals and objectives as help says them, without loading what they are."""

from readsim_hf.methods.table import METHODS

SIGNAL_NAMES = ", ".join(sorted({m.signal for m in METHODS.values() if m.signal}))
OBJECTIVE_NAMES = (
    "sft, soft-sft, kd, fkl, rkl, jsd, gjsd, skew-fkl, skew-rkl, k1, k2, k3, hidden, uld, shared, span, "
    "mopd, mopd-kl, kdrl, minillm, contrast, dpo, dpkd, plad, rrhf, pro"
)
