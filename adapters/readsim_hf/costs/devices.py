"""Accelerators as their data sheets state them, and the time that operations and bytes take on one."""

from dataclasses import dataclass

from readsim.errors import ConfigError

GB = 1e9
USABLE = 0.9  # of the memory: the rest is the allocator's and the driver's
# Assumed share of the peak, where operations bind: training and reading. Chowdhery et al. 2022 report 0.46;
# on an H200 (2026-11-29) training in float32 reached .56 at an 8B's widths and .37 at 101M parameters.
MFU = 0.4
# Assumed, while a token at a time is written: the share of what binds that, nearly always the bandwidth.
MFU_GENERATION = 0.5
# Seconds that Python and launches take for one layer of a micro-batch, forward and backward, with its share
# of head and optimiser. On an H200 (PyTorch 2.11, transformers 5.17, 2026-11-29), both in bfloat16: all
# weights, 12 layers; and LoRA, 4 layers. Gradient checkpointing, which takes more, was not measured.
TRAINING_LAUNCH, LORA_LAUNCH = 4.3e-3, 8.8e-3
# What each of the two shares may be on other machines.
RANGES = {"mfu": (0.25, 0.55), "mfu_generation": (0.3, 0.7)}


@dataclass(frozen=True)
class Device:
    """One accelerator: FLOP/s dense (no sparsity), memory in bytes, its bandwidth in bytes/s, what an
    hour of it costs (None: not known).

    `bf16` matrix products with float32 sums, `fp32` without TF32.
    """

    name: str
    bf16: float
    fp32: float
    memory: float
    bandwidth: float
    source: str
    price: float | None = None

    def peak(self, precision: str) -> float:
        """FLOP/s at a precision: fp32, or bf16 and fp16, which are equal on all of these."""
        return self.fp32 if precision == "fp32" else self.bf16


DEVICES = (
    Device("H100", 989e12, 67e12, 80 * GB, 3.35e12, "NVIDIA H100 data sheet, SXM"),
    Device("H200", 989e12, 67e12, 141 * GB, 4.8e12, "NVIDIA H200 data sheet, SXM"),
    Device("A100-80G", 312e12, 19.5e12, 80 * GB, 2.039e12, "NVIDIA A100 80GB data sheet, SXM"),
    Device("L40S", 362e12, 91.6e12, 48 * GB, 0.864e12, "NVIDIA L40S data sheet"),
    Device(
        "RTX 4090", 165.2e12, 82.6e12, 24 * GB, 1.008e12, "NVIDIA Ada GPU architecture, table 2"
    ),
)


def compute_seconds(flops: float, device: Device, precision: str, mfu: float) -> float:
    """FLOPs over the share `mfu` of the peak. Raises ConfigError unless 0 < mfu <= 1."""
    if not 0.0 < mfu <= 1.0:
        raise ConfigError(f"utilisation {mfu!r}: expected a number above 0, at most 1")
    return flops / (mfu * device.peak(precision))


def decoding_seconds(steps: float, moved: float, device: Device) -> float:
    """At least: each of `steps` decode steps reads `moved` bytes (weights, cache) from memory once.

    Pope et al. 2022 (arXiv 2211.05102, section 2): decoding of small batches is bound by that.
    """
    return steps * moved / device.bandwidth


def devices_needed(total: float, device: Device) -> int:
    """How many of them hold `total` bytes, USABLE of each, if it can be split evenly."""
    return max(1, int(-(-total // (USABLE * device.memory))))
