"""A backend of somebody else's, behind the protocol and nothing more: what `--backend` is given."""

import os
from typing import Any

import numpy as np

from readsim.arrays import Array
from readsim.backend import Final, Measurement
from tests.support.processes import hold

HOLD = "READSIM_TEST_HOLD"  # the interval that never ends, or "stop N": ctrl-C there


class Learner:
    """Skills that grow with the tokens trained on them; measured with noise. `c` is hidden."""

    sources = ("a", "b")
    capabilities = ("a", "b", "c")
    hidden = ("c",)

    def __init__(self, rate: float = 0.4) -> None:
        self.rate = rate

    def manifest(self) -> dict[str, Any]:
        return {"kind": "learner", "rate": self.rate}

    def reset(self, seed: int | None) -> Measurement:
        self.rng = np.random.default_rng(seed)
        self.skill = np.array([0.2, 0.3, 0.1])
        return Measurement(self._measured(), {})

    def _measured(self) -> Array:
        return self.skill[:2] + 0.01 * self.rng.standard_normal(2)

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        what, _, at = os.environ.get(HOLD, "").rpartition(" ")
        if at == str(step):
            if what == "stop":
                raise KeyboardInterrupt
            hold()
        gain = 1.0 - np.exp(-self.rate * weights * tokens / 1000.0)
        self.skill = self.skill + (0.9 - self.skill) * np.array([*gain, 0.1 * gain.mean()])
        return Measurement(self._measured(), {"student": tokens, "probe": 10})

    def dev_eval(self) -> Measurement:
        return Measurement(self._measured(), {})

    def final_eval(self) -> Final:
        change = self.skill - np.array([0.2, 0.3, 0.1])
        return Final(self.skill.copy(), change, np.full(3, 0.01), {})

    def snapshot(self) -> dict[str, Any]:
        return {"skill": self.skill.copy(), "rng": self.rng.bit_generator.state}

    def restore(self, saved: dict[str, Any]) -> None:
        self.rng = np.random.default_rng()
        self.rng.bit_generator.state = saved["rng"]
        self.skill = np.array(saved["skill"])


def slower() -> Learner:
    """A factory that is a function."""
    return Learner(rate=0.2)


class Half:
    """Names, and a training that cannot be resumed."""

    sources = capabilities = ("a",)
    hidden = ()

    def reset(self, seed: int | None) -> Measurement:
        return Measurement(np.zeros(1), {})


nothing = None
