"""What several tests need: episodes, comparison, and a backend that is no simulator."""

import gymnasium as gym
import numpy as np

from readsim.backend import Final, Outcome

ENV = "readsim/Distill-v0"


def play(env: gym.Env, seed: int, actions: np.random.Generator):
    """All (observation, reward, ended, info) of one episode with random actions."""
    size = env.action_space.shape[0]
    observation, _ = env.reset(seed=seed)
    out = [(observation, 0.0, False, {})]
    while not out[-1][2]:
        observation, reward, ended, _, info = env.step(actions.random(size))
        out.append((observation, reward, ended, info))
    return out


def same(a: object, b: object) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(np.array_equal(a, b))


class FakeBackend:
    """A backend whose probe fails on the second interval."""

    sources = ("a", "b")
    capabilities = ("a", "b")
    hidden = ()

    def reset(self, seed):
        self.calls = 0
        return np.zeros(2)

    def run_interval(self, step, weights, tokens):
        self.calls += 1
        profile = np.array([0.1, np.nan]) if self.calls == 2 else np.full(2, 0.1)
        return Outcome(profile, {"student": tokens, "probe": 12})

    def dev_eval(self):
        return np.zeros(2)

    def final_eval(self):
        return Final(np.zeros(2), np.zeros(2), np.zeros(2))

    def snapshot(self):
        return {"calls": self.calls}

    def restore(self, saved):
        self.calls = saved["calls"]
