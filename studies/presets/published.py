"""Public tables of training effects by others. All of it is pre-training, not distillation."""

import numpy as np

from readsim.arrays import Array

AUTOSCALE = (
    "arXiv 2407.20177 (AutoScale), repository feiyang-k/AutoScale (MIT badge, no licence file); "
    "derived from its measurements: pre-training, not distillation"
)
AUTOSCALE_DOMAINS = ("cc", "github", "books", "wiki", "c4", "stackex", "arxiv")

# Drop of the column's log-loss when the row's tokens are tripled.
AUTOSCALE_EFFECTS = (
    (0.241, -0.019, 0.039, 0.082, 0.090, -0.009, 0.015),
    (0.013, 0.193, 0.007, 0.015, 0.008, 0.005, 0.012),
    (0.049, -0.015, 0.218, 0.025, 0.052, 0.008, 0.005),
    (0.070, 0.004, 0.020, 0.254, 0.042, -0.007, 0.011),
    (0.107, -0.003, 0.053, 0.065, 0.213, 0.020, 0.019),
    (0.023, 0.030, 0.017, 0.025, 0.029, 0.203, 0.042),
    (0.024, 0.017, 0.008, 0.026, 0.020, 0.013, 0.195),
)

AIOLI = (
    "arXiv 2411.05735 (Aioli), repository HazyResearch/aioli (Apache-2.0); pre-training from "
    "scratch, not distillation"
)
AIOLI_SLICES = ("arxiv", "book", "stackexchange")

# Relative loss drop on the column slice after training on the row slice alone, for five seeds.
AIOLI_GRAPHS = (
    ((0.758, 0.428, 0.522), (0.423, 0.642, 0.480), (0.671, 0.499, 0.721)),
    ((0.759, 0.428, 0.528), (0.412, 0.638, 0.470), (0.669, 0.495, 0.720)),
    ((0.756, 0.425, 0.523), (0.415, 0.640, 0.478), (0.668, 0.493, 0.718)),
    ((0.757, 0.423, 0.519), (0.423, 0.641, 0.482), (0.670, 0.499, 0.721)),
    ((0.756, 0.420, 0.519), (0.423, 0.636, 0.478), (0.663, 0.488, 0.717)),
)

SKILL_IT = (
    "statistics of the 23 x 23 graph of arXiv 2307.14430 (Skill-It), repository "
    "HazyResearch/skill-it (Apache-2.0): fine-tuning on tasks, not distillation"
)

# Off-diagonal entries of that graph; 1 is the effect of training on the skill itself.
SKILL_IT_NEGATIVE = 0.551  # share below 0
SKILL_IT_HELP = 0.109  # mean of those above 0
SKILL_IT_HARM = 0.307  # mean size of those below 0
SKILL_IT_MIRROR = -0.21  # correlation of T_ij with T_ji
SKILL_IT_ROWS = 0.95  # sd of the row means over the sd of all: a source helps most skills or few

READ_DEMO = (
    "public demo of arXiv 2605.11290, repository LabRAI/ReAD, examples/toy_read_demo.py (MIT)"
)
DEMO_NAMES = ("general_knowledge", "reasoning", "math", "code")
DEMO_TRANSFER = (  # rows are trained, columns change
    (0.045, 0.004, 0.000, -0.002),
    (0.006, 0.065, 0.025, -0.010),
    (0.003, 0.030, 0.070, -0.006),
    (-0.002, 0.010, -0.004, 0.060),
)
DEMO_START = (0.25, 0.24, 0.20, 0.26)
DEMO_REQUIREMENT = (0.05, 0.40, 0.45, 0.10)
DEMO_NOISE_SD = 0.0015


def aioli_mean() -> Array:
    """The graph averaged over seeds, (3, 3)."""
    mean: Array = np.array(AIOLI_GRAPHS).mean(axis=0)
    return mean
