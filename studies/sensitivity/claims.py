"""What ReAD's settings should do, written down before the runs.

Every statistic is the final utility with the first named setting minus that with the second, paired by
seed, mean over the case's two tasks, at 150M tokens.
"""

from studies.common.claim import Claim
from studies.common.worlds import ISOLATED
from studies.sensitivity.sweep import EXACT

CLAIMS = (
    Claim(
        id="exploration",
        source="S6 (R49, R111)",
        text="Weighing uncertainty pays: kappa = 1 beats kappa = 0",
        statistic="default minus kappa=0; with exact probes the pool tells all, exploring only costs",
        unit="points",
        holds=("read8-llama", "gateway", "conflict"),
        fails=(EXACT,),
    ),
    Claim(
        id="more-exploration",
        source="S3.3 (R49)",
        text="More exploration pays more where something is to be found",
        statistic="kappa=2 minus default; reasoning opens the gate of `gateway`",
        unit="points",
        holds=("gateway",),
        fails=("read8-llama",),
    ),
    Claim(
        id="decay",
        source="S3.3 (R50, D16)",
        text="Exploring less when development stagnates pays",
        statistic="default (0.7) minus kappa_decay=1.0; in `gateway` giving up leaves the gate closed",
        unit="points",
        holds=("read8-llama",),
        fails=("gateway",),
    ),
    Claim(
        id="price",
        source="Figure 4 (R44, R89)",
        text="The spillover price pays where harm is strong",
        statistic="default minus interaction=false; without spillover it can only punish noise",
        unit="points",
        holds=("conflict", "read8-llama"),
        fails=(ISOLATED,),
    ),
    Claim(
        id="history",
        source="Eq. (8) (D6)",
        text="The history in the context pays where the state is more than the profile",
        statistic="default minus history=false; in `read8-llama` the profile is the state",
        unit="points",
        holds=("gateway",),
        fails=("read8-llama",),
    ),
    Claim(
        id="steps",
        source="S5 (R46, D5)",
        text="More decisions pay where order matters",
        statistic="20 steps minus 5; where order does not matter the same noise meets smaller steps",
        unit="points",
        holds=("gateway",),
        fails=("read8-llama",),
    ),
    Claim(
        id="pool",
        source="S3.3 (R48, D17)",
        text="The offline pool pays",
        statistic="default (3200 transitions) minus pool=0",
        unit="points",
        holds=("read8-llama", "gateway"),
    ),
)
