"""What a rule believed and what was true, at every decision of simulated runs.

The belief is mu and sigma of every candidate before the step. The truth q(x_t, alpha) = E[R_t | x_t, alpha]
is the expected proxy reward, Eq. (9): of the change that the probes will show, so that its hinge charges
their noise. `noise-free` is Eq. (9) of the change itself; where drops are priced the two differ, and so
does their best candidate.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup, State, Transition
from readsim.arrays import Array
from readsim.backend import OffersOutlook, OffersProxyOutlook
from readsim.envs.env import DistillEnv
from readsim.envs.reward import proxy_reward
from readsim.envs.simplex import as_allocation
from readsim.errors import ConfigError, ReadsimError, unknown
from readsim.runs.identity import allocator_name
from readsim.runs.loop import Row, rollout
from readsim.theory.result import PaperStatement, needs

TRUTHS = ("proxy", "noise-free")
STATED = ("kappa", "alpha")  # what a rule may call the factor of its deviation


class Decision(NamedTuple):
    """One decision over A candidates. `q` (A,) is NaN nowhere; `chosen` is an index.

    `kappa` explains the choice: mu + kappa sigma is largest there. NaN where no kappa >= 0 does.
    `stated` is what the rule says that its kappa is, see `stated_kappa`; NaN where it does not.
    """

    seed: int
    step: int
    mu: Array
    sigma: Array
    q: Array
    chosen: int
    kappa: float
    stated: float = np.nan


@runtime_checkable
class OffersBeliefs(Protocol):
    """An allocator that says what it believes of its candidates: ReAD, LinUCB, Thompson, anybody's."""

    def outlook(self, state: State, context: Context) -> tuple[Array, Array, Array]:
        """Candidates (A, S), mean (A,) and deviation (A,) of the reward of each."""
        ...


def expected_drop(mean: Array, sd: Array) -> Array:
    """E[min(X, 0)], X normal: mean Phi(-mean / sd) - sd phi(mean / sd); min(mean, 0) for sd = 0."""
    from scipy.special import ndtr

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = np.where(sd > 0, mean / sd, 0.0)
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return np.where(sd > 0, mean * ndtr(-z) - sd * density, np.minimum(mean, 0.0))


def true_rewards(env: DistillEnv, candidates: Array, tokens: float, q: str = "proxy") -> Array:
    """q (A,) of one interval at each candidate (A, S), from the true state.

    "proxy": the expected reward, over the noise of the two probes around the interval. "noise-free": the
    reward of the true change; the same for a backend whose probes have no noise. Raises UnknownNameError
    for another word, CapabilityMissingError for a backend that cannot look ahead.
    """
    if q not in TRUTHS:
        raise unknown("q", q, TRUTHS)
    backend, episode = env.backend, env.episode
    needs(PaperStatement.CALIBRATED, backend, "a noise-free reward (OffersOutlook)", OffersOutlook)
    assert isinstance(backend, OffersOutlook)
    cost = episode.reward.cost * tokens / episode.budget
    if q == "noise-free" or not isinstance(backend, OffersProxyOutlook):
        change = backend.outlook(candidates, tokens)
        return proxy_reward(change, episode.task.requirement, episode.prices, cost)
    mean, sd = backend.proxy_outlook(candidates, tokens)
    dropped = expected_drop(mean, sd) @ episode.prices
    out: Array = mean @ episode.task.requirement + dropped - cost
    return out


def explaining_kappa(mu: Array, sigma: Array, chosen: int, said: float = np.nan) -> float:
    """A kappa >= 0 for which mu + kappa sigma is largest at `chosen`: `said` if it is one, else the least.

    NaN where there is none: the choice was not made by an upper confidence bound.
    """
    slack = 1e-12 * max(float(np.abs(mu).max()), float(sigma.max()), 1e-300)
    gain, width = mu - mu[chosen], sigma[chosen] - sigma  # gain <= kappa width for all
    if said >= 0 and (gain <= said * width + slack * (1 + said)).all():
        return said
    if (gain[np.abs(width) <= slack] > slack).any():
        return float(np.nan)
    more, less = width > slack, width < -slack
    low = max(0.0, float(np.max(gain[more] / width[more], initial=0.0)))
    high = float(np.min(gain[less] / width[less], initial=np.inf))
    return low if low <= high * (1 + 1e-9) + slack else float(np.nan)


class Witness(Allocator):
    """A rule that writes down its beliefs next to the truth; what it chooses is not changed."""

    def __init__(
        self, inner: Allocator, envs: Sequence[DistillEnv], seeds: Sequence[int], q: str = "proxy"
    ) -> None:
        self.inner, self.needs = inner, inner.needs
        self._envs = dict(zip(seeds, envs, strict=True))
        self._true_rewards = partial(true_rewards, q=q)
        self.decisions: list[Decision] = []

    def init(self, setup: Setup) -> State:
        return self.inner.init(setup)

    def check_setup(self, setup: Setup) -> None:
        self.inner.check_setup(setup)

    def select(self, state: State, context: Context) -> Array:
        seed, step = context.setup.seed, context.step
        chosen = as_allocation(
            np.asarray(self.inner.select(state, context), dtype=np.float64), strict=False
        )
        candidates, mu, sigma = self._beliefs(state, context)
        apart = np.abs(candidates - chosen).sum(axis=1)
        index = int(np.argmin(apart))
        if apart[index] > 1e-9:
            raise ConfigError(
                f"{type(self.inner).__name__} chose {chosen.round(3).tolist()} at step {step}, which is none "
                "of the candidates of its outlook: only a choice among them has a mean and a deviation"
            )
        env = self._envs[seed]
        q = self._true_rewards(env, candidates, float(env.episode.schedule[step]))
        stated = stated_kappa(self.inner, state)
        kappa = explaining_kappa(mu, sigma, index, stated)
        self.decisions.append(Decision(seed, step, mu, sigma, q, index, kappa, stated))
        return chosen

    def _beliefs(self, state: State, context: Context) -> tuple[Array, Array, Array]:
        """The rule's outlook. Raises ConfigError for one that raises, or is no mean and deviation."""
        assert isinstance(self.inner, OffersBeliefs)
        backend = self._envs[context.setup.seed].backend
        world = getattr(backend, "world", None)
        name = f"{type(self.inner).__name__}: its outlook"
        place = type(backend).__name__ if world is None else f"world {world.name!r}"
        where = f"at step {context.step} in {place}"
        try:
            found = [np.asarray(v, dtype=np.float64) for v in self.inner.outlook(state, context)]
        except ReadsimError:
            raise
        except Exception as error:
            raise ConfigError(f"{name} raised {type(error).__name__} {where}: {error}") from error
        shapes = tuple(v.shape for v in found)
        size = len(context.setup.sources)
        a = shapes[0][0] if shapes and shapes[0] else 0
        if not a or shapes != ((a, size), (a,), (a,)):
            raise ConfigError(
                f"{name} returned shapes {shapes} {where}: expected candidates (A, {size}), mean (A,) and "
                "deviation (A,)"
            )
        if not all(np.isfinite(v).all() for v in found) or (found[2] < 0).any():
            raise ConfigError(
                f"{name} returned NaN, an infinity or a negative deviation {where}: expected finite numbers"
            )
        candidates, mu, sigma = found
        return candidates, mu, sigma

    def update(self, state: State, transition: Transition) -> State:
        return self.inner.update(state, transition)

    def report(self, state: State) -> Mapping[str, Any]:
        return self.inner.report(state)


def stated_kappa(rule: Allocator, state: State) -> float:
    """What a rule says that its kappa is: its state's `kappa` or `alpha`, else its own; NaN for neither.

    The rule's own is an attribute of its class or a setting: ReAD's state has `kappa`, LinUCB has `alpha`.
    """
    held = state if isinstance(state, Mapping) else {}
    said = [*(held.get(name) for name in STATED), *(getattr(rule, name, None) for name in STATED)]
    numbers = [float(v) for v in said if isinstance(v, Real) and not isinstance(v, bool)]
    return numbers[0] if numbers else float(np.nan)


def kappa_text(decisions: Sequence[Decision]) -> str:
    """In words, which kappa was stated, which was inferred, and how many choices no kappa explains."""
    stated = np.array([d.stated for d in decisions])
    used = np.array([d.kappa for d in decisions])
    other = np.isfinite(used) & (used != stated)  # a NaN is no number's equal
    told = bool(np.isfinite(stated).any())
    parts = [f"stated {_range(stated)}" if told else "not stated"]
    if other.any():
        which = f" for the {other.mean():.0%} of choices that it does not explain" if told else ""
        parts.append(f"inferred {_range(used[other])}{which}")
    if np.isnan(used).any():
        parts.append(f"none explains {np.isnan(used).mean():.0%} of the choices")
    return ", ".join(parts)


def _range(values: Array) -> str:
    """`2.0`, or `0.3 to 1.2`."""
    low, high = (
        f"{v:.3g}" if v % 1 else f"{v:.1f}" for v in (np.nanmin(values), np.nanmax(values))
    )
    return low if low == high else f"{low} to {high}"


def watch(
    envs: Sequence[DistillEnv], allocator: Allocator, seeds: Sequence[int], q: str = "proxy"
) -> tuple[list[Decision], list[Row]]:
    """Run `allocator` on every env: its decisions next to the truth `q`, and the rows of the run log.

    Raises CapabilityMissingError for a backend that cannot look ahead, or a rule without `outlook`.
    """
    needs(
        PaperStatement.CALIBRATED,
        allocator,
        "a mean and a deviation of each candidate (outlook(state, context))",
        OffersBeliefs,
    )
    for env in envs:
        needs(
            PaperStatement.CALIBRATED,
            env.backend,
            "a noise-free reward (OffersOutlook)",
            OffersOutlook,
        )

    class Named(Witness):
        """An error in the run names the class of its allocator, which is to be the rule's."""

    Named.__name__ = allocator_name(allocator)
    witness = Named(allocator, envs, seeds, q)
    rows, _ = rollout(envs, witness, seeds)
    return witness.decisions, rows
