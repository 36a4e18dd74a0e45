"""What allocators are claimed to be worth on a real pair, written down before any of these runs.

Known beforehand, of nano at 60K tokens with six decisions and the task math (`sim_to_real.game`, five seeds):
target-first is 1.2 points above task-static, uniform 8.3 below it. Known of older code with other settings:
ReAD 4.2 and a trained policy 4.9 points below, `level` with 24 full runs in its pool 2.2 below. Nobody had
run `level` without a pool, gap-proportional, the shipped `trained`, or any of them on the other two tasks.
"""

from studies.common.claim import Claim

BASELINE = "task-static"
METHODS = ("uniform", "target-first", "gap-proportional", "read", "level", "trained")
TASKS = ("math", "average", "conflict")

_ABOVE = "measured utility on the test split minus task-static's, same pair, task and seed"


def _claim(method: str, text: str, source: str, holds: tuple[str, ...]) -> Claim:
    fails = tuple(task for task in TASKS if task not in holds)
    return Claim(f"{method}-above", source, text, _ABOVE, "points", holds, fails)


CLAIMS = (
    _claim(
        "target-first",
        "The static split in the order target first beats the static split",
        "ours: order is worth points on nano; on the average task the two are one",
        ("math", "conflict"),
    ),
    _claim("read", "ReAD beats the static split", "the paper, Table 2", TASKS),
    _claim("level", "The posterior over levels beats it", "ours: the use it is for", TASKS),
    _claim(
        "gap-proportional",
        "Tokens in proportion to what is missing beat it",
        "ours: the best simple rule of the suite",
        TASKS,
    ),
    _claim("trained", "The shipped policy beats it", "ours: it is called experimental", ()),
    _claim("uniform", "Uniform beats it", "ours: on the average task the two are one", ()),
)
