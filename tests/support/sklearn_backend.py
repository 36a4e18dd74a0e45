"""Somebody else's learner behind the `Backend` protocol, with nothing of readsim but the protocol.

A linear classifier (scikit-learn's SGDClassifier) is trained on groups of examples; a source is a group's
training examples, a capability the accuracy on its held-out ones. A token is one example.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.backend import Final, Measurement

Array = NDArray[np.float64]
Examples = tuple[Array, NDArray[np.int64]]

GROUPS = ("round", "long", "dark", "rare")
SIZES = {"pool": 400, "probe": 50, "dev": 50, "test": 100}
FEATURES = 12


def _group(number: int) -> dict[str, Examples]:
    """The splits of a group: clusters of its own, shifted so that one classifier can learn all."""
    from sklearn.datasets import make_classification

    x, y = make_classification(
        n_samples=sum(SIZES.values()),
        n_features=FEATURES,
        n_informative=4,
        class_sep=1.5,
        flip_y=0.05,
        random_state=number,
    )
    edges = np.cumsum(list(SIZES.values()))[:-1]
    parts = zip(SIZES, np.split(x, edges), np.split(y, edges), strict=True)
    return {split: (a, b) for split, a, b in parts}


def _classifier(**settings: Any) -> Any:
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(loss="log_loss", random_state=0, **settings)


class SklearnBackend:
    """One classifier for all groups; a seed draws the examples. The last group shows at the end only.

    Measurements are charged: each item that is classified is one probe token.
    """

    sources = GROUPS
    capabilities = GROUPS
    hidden = GROUPS[-1:]

    def __init__(self) -> None:
        self._data = [_group(n) for n in range(len(GROUPS))]
        self._place = [0, 0, 0]  # seed, run on the streams of that seed, intervals in that run
        self._model = self._untrained()

    def _untrained(self) -> Any:
        """A classifier that has seen two examples, one of each class."""
        model = _classifier(learning_rate="constant", eta0=0.01)
        x, y = self._data[0]["pool"]
        first = [int(np.flatnonzero(y == label)[0]) for label in (0, 1)]
        return model.partial_fit(x[first], y[first], classes=[0, 1])

    def _hits(self, split: str, model: Any) -> list[Array]:
        """For each group whether its items are classified right, (n,) of 0 and 1."""
        shown = self.capabilities if split == "test" else self.capabilities[: -len(self.hidden)]
        groups = [data[split] for data in self._data[: len(shown)]]
        return [(model.predict(x) == y).astype(np.float64) for x, y in groups]

    def _measure(self, split: str) -> Measurement:
        hits = self._hits(split, self._model)
        return Measurement(np.array([h.mean() for h in hits]), {"probe": sum(map(len, hits))})

    def reset(self, seed: int | None) -> Measurement:
        before, run, _ = self._place
        self._place = [before, run + 1, 0] if seed is None else [seed, 0, 0]
        self._model = self._untrained()
        return self._measure("probe")

    def run_interval(self, step: int, weights: Array, tokens: int) -> Measurement:
        rng = np.random.default_rng(self._place)
        self._place[2] += 1
        group = rng.choice(len(GROUPS), size=tokens, p=weights)
        row = rng.integers(SIZES["pool"], size=tokens)
        chosen = [self._data[g]["pool"] for g in group]
        x = np.array([a[r] for (a, _), r in zip(chosen, row, strict=True)])
        y = np.array([b[r] for (_, b), r in zip(chosen, row, strict=True)])
        self._model.partial_fit(x, y)
        profile, used = self._measure("probe")
        return Measurement(profile, {"student": tokens, **used})

    def dev_eval(self) -> Measurement:
        return self._measure("dev")

    def final_eval(self) -> Final:
        first, last = self._hits("test", self._untrained()), self._hits("test", self._model)
        moved = [b - a for a, b in zip(first, last, strict=True)]
        return Final(
            profile=np.array([hits.mean() for hits in last]),
            change=np.array([d.mean() for d in moved]),
            change_sd=np.array([d.std(ddof=1) / np.sqrt(len(d)) for d in moved]),
            token_usage={"probe": 2 * sum(map(len, last))},
        )

    def snapshot(self) -> dict[str, Any]:
        model = self._model
        return {
            "coef": model.coef_.copy(),
            "intercept": model.intercept_.copy(),
            "updates": float(model.t_),
            "place": list(self._place),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        self._model = self._untrained()
        self._model.coef_ = np.array(saved["coef"])
        self._model.intercept_ = np.array(saved["intercept"])
        self._model.t_ = float(saved["updates"])
        self._place = [int(n) for n in saved["place"]]

    def teacher_profile(self) -> Measurement:
        """What is offered beyond the contract: the accuracy of a classifier of each group alone."""
        scores = []
        for data in self._data[: -len(self.hidden)]:
            expert = _classifier().fit(*data["pool"])
            scores.append(float(expert.score(*data["probe"])))
        return Measurement(np.array(scores), {"probe": SIZES["probe"] * len(scores)})
