"""End points reported in arXiv 2605.11290, in points (0..100). Reported, not verified."""

from dataclasses import dataclass
from typing import NamedTuple

CAPABILITIES = (
    "general",
    "steerability",
    "reasoning",
    "math",
    "code",
    "tool_use",
    "long_context",
    "multilingual",
)

SMALL, LARGE = 20e6, 150e6  # the two budgets, tokens

Row = tuple[float, float, float, float, float, float, float, float]


@dataclass(frozen=True)
class Pair:
    """One teacher-student pair: scores by capability, before and after one-hot Logit-KD.

    The cell of capability j in a one-hot row is read as the score of the student trained on j alone
    (the diagonal-of-specialists reading).
    """

    teacher_name: str
    student_name: str
    teacher: Row
    student: Row
    small: Row
    large: Row


LLAMA = Pair(
    teacher_name="Llama-3.3-70B",
    student_name="Llama-3.1-8B",
    teacher=(48.13, 89.98, 10.51, 48.34, 88.40, 31.90, 36.20, 91.10),
    student=(31.09, 49.22, 8.72, 15.56, 72.60, 25.83, 30.40, 68.90),
    small=(34.02, 54.21, 9.25, 18.20, 74.62, 27.41, 31.72, 70.81),
    large=(40.18, 72.63, 9.95, 31.36, 80.57, 29.48, 33.73, 79.97),
)

QWEN = Pair(
    teacher_name="Qwen2.5-72B",
    student_name="Qwen2.5-14B",
    teacher=(55.27, 92.36, 14.28, 55.74, 90.12, 36.08, 40.23, 92.34),
    student=(40.07, 70.18, 11.47, 28.26, 81.96, 30.06, 34.17, 83.14),
    small=(43.06, 74.74, 12.04, 33.07, 84.55, 31.77, 35.73, 85.27),
    large=(49.37, 85.19, 13.62, 44.07, 87.63, 34.26, 38.33, 88.92),
)

# Standard deviation over three seeds of the method's scores, Llama pair.
SEED_SD_SMALL: Row = (0.41, 0.61, 0.12, 0.68, 0.97, 0.64, 0.49, 0.84)
SEED_SD_LARGE: Row = (0.45, 0.70, 0.10, 0.80, 1.00, 0.55, 0.55, 0.90)


class Spillover(NamedTuple):
    """One-hot distillation at 150M tokens, Llama pair: points, points, share of negative effects."""

    on_target: float
    off_target: float
    negative_rate: float


SPILLOVER = Spillover(on_target=4.79, off_target=-1.57, negative_rate=0.43)
