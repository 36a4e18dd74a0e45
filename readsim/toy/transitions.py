"""The offline pool of a toy pair: random-policy runs of another student (decision D17)."""

from typing import TYPE_CHECKING

import numpy as np

from readsim.env import DistillEnv
from readsim.offline import Pool, random_allocations
from readsim.setting import Setting
from readsim.streams import seed_sequence

if TYPE_CHECKING:
    from readsim.toy.backend import ToyBackend


def collect(student: "ToyBackend", setting: Setting, size: int, seed: int) -> Pool:
    """Exactly `size` transitions of whole runs of `student`, which belongs to nobody else."""
    env = DistillEnv(
        backend=student,
        task=setting.task,
        budget=setting.budget,
        steps=setting.steps,
        history=setting.history,
        reward=setting.reward,
    )
    children = seed_sequence(seed, "data").generate_state(-(-size // setting.steps) + 1)
    rng = np.random.default_rng(int(children[-1]))
    rows: list[tuple[np.ndarray, ...]] = []
    for child in children[:-1]:
        seen, _ = env.reset(seed=int(child))
        for _ in range(setting.steps):
            (action,) = random_allocations(rng, 1, len(setting.sources))
            after, _, _, _, info = env.step(action)
            history = seen.get("history", np.zeros(0))
            tokens = np.array(float(info["tokens"]))
            left = np.array(seen["budget_left"][0])
            rows.append(
                (seen["profile"], left, history, info["allocation"], info["change"], tokens)
            )
            seen = after
    return Pool(*(np.array([row[n] for row in rows[:size]]) for n in range(6)))
