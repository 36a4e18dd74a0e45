"""ReAD: a contextual bandit that picks allocations by an ensemble's upper confidence bound."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from readsim.allocators.base import Allocator, Context, Setup, Transition
from readsim.allocators.read import calibration, ensemble
from readsim.allocators.read.config import ReADConfig, provenance_table, read_config
from readsim.arrays import Array
from readsim.envs.candidates import candidate_set
from readsim.envs.offline_pool import Pool
from readsim.envs.reward import proxy_reward, spill_prices
from readsim.errors import CapabilityMissingError


def context_features(
    config: ReADConfig,
    requirement: Array,
    profile: Array,
    budget_left: Array,
    history: Array,
    allocation: Array,
) -> Array:
    """Rows [r ; p_hat ; rho ; h ; alpha] of Eq. (8) and the action: (n, d).

    profile (n, V), budget_left (n,), history (n, H W), allocation (n, S).
    """
    n = len(allocation)
    parts = [np.broadcast_to(requirement, (n, len(requirement))), profile]
    if config.budget:
        parts.append(budget_left[:, None])
    if config.history:
        parts.append(history)
    return np.concatenate([*parts, allocation], axis=1)


def upper_confidence(mu: Array, sigma: Array, kappa: float) -> Array:
    """mu + kappa sigma, Eq. (11)."""
    return mu + kappa * sigma


def affine_calibration(proxy: Array, utility: Array) -> tuple[float, float]:
    """Least squares (a, b) of utility ~ a proxy + b over the dev checkpoints; (1, 0) below two.

    For a > 0 it cannot change a choice; a <= 0 says that the proxy points the wrong way.
    """
    if len(proxy) < 2 or np.ptp(proxy) == 0:
        return 1.0, 0.0
    a, b = np.polyfit(proxy, utility, 1)
    return float(a), float(b)


class ReAD(Allocator):
    """ReAD: argmax over candidates of mu + kappa sigma, an ensemble's reward prediction (Eqs. 8-11).

    Paper: "ReAD: Reinforcement-Guided Capability Distillation for Large Language Models", arXiv
    2605.11290, S3.3. The ensemble is fitted to an offline pool and to the run's own transitions, which
    are scored with Eq. (9). At dev checkpoints without improvement kappa shrinks.

    `variant`: full, greedy (kappa 0, no budget or history in the context) or an ablation (Figure 4):
    no-identification, no-adaptation, no-interaction, no-history. Any field of `ReADConfig` can be
    given as a keyword, also one of its parts (`read+ensemble.members=10`).

    The run log's `report` has mu, sigma and reward of the last choice (proxy validation),
    kappa, and the calibration slope.
    """

    needs = frozenset({"transitions"})

    def __init__(self, variant: str = "full", **settings: Any) -> None:
        self.config = read_config(variant, **settings)
        if not self.config.pool:
            self.needs = frozenset()

    def settings(self) -> list[tuple[str, str, str]]:
        return provenance_table(self.config)

    def init(self, setup: Setup) -> Any:
        config = self.config
        if config.pool:
            if setup.transitions is None:
                raise CapabilityMissingError(
                    "ReAD with pool > 0 needs an offline pool of transitions"
                )
            pool = setup.transitions(config.pool)
            x, y = self._pool_rows(setup, pool)
            parent = np.arange(len(y)) if pool.parent is None else pool.parent
        else:
            v, s = len(setup.capabilities), len(setup.sources)
            none = (np.zeros((0, n)) for n in (v, setup.history * (s + v + 2), s))
            profile, history, shares = none
            x = self._features(setup, profile, np.zeros(0), history, shares)
            y = np.zeros(0)
            pool, parent = None, np.arange(0)
        first = 0  # parents that the ensemble does not see
        if config.repair != "none":
            first = max(1, int(calibration.HELD_OUT * (int(parent.max()) + 1)))
        held = parent < first
        groups = None if pool is None or pool.parent is None else parent[~held] - first
        fitted = ensemble.fit_ensemble(config.ensemble, x[~held], y[~held], setup.seed, groups)
        kappa, lacking = config.kappa, 0.0
        if first:
            mu, sigma = ensemble.predict_reward(fitted, x[held])
            if config.repair == "residual":
                lacking = calibration.residual_variance(y[held] - mu, sigma)
            else:
                covering = calibration.conformal_kappa(y[held] - mu, sigma, config.delta)
                kappa = covering if np.isfinite(covering) else kappa  # too few rows to know
        return {
            "ensemble": fitted,
            "kappa": kappa,
            "lacking": lacking,
            "kept": None,
            "proxy": 0.0,
            "checkpoints": [],
            "report": {},
        }

    def select(self, state: Any, context: Context) -> Array:
        if state["kept"] is not None:
            kept: Array = state["kept"]
            return kept
        candidates, mu, sigma = self.outlook(state, context)
        chosen: Array = candidates[int(np.argmax(upper_confidence(mu, sigma, state["kappa"])))]
        return chosen

    def outlook(self, state: Any, context: Context) -> tuple[Array, Array, Array]:
        """The candidates (A, S), and mu (A,) and sigma (A,) that are predicted for them, Eq. (10)."""
        candidates = self._candidates(context)
        return candidates, *self._predict(state, self._rows(context, candidates))

    def _predict(self, state: Any, rows: Array) -> tuple[Array, Array]:
        mu, sigma = ensemble.predict_reward(state["ensemble"], rows)
        lacking = state["lacking"]
        return mu, calibration.with_residual(sigma, lacking) if lacking else sigma

    def update(self, state: Any, transition: Transition) -> Any:
        context, setup = transition.context, transition.context.setup
        x = self._rows(context, transition.allocation[None])
        mu, sigma = self._predict(state, x)
        reward = float(self._rewards(setup, transition.change, np.array(float(transition.tokens))))
        new = {
            **state,
            "ensemble": ensemble.add_row(self.config.ensemble, state["ensemble"], x[0], reward),
            "proxy": state["proxy"] + reward,
        }
        if not self.config.adaptation:
            new["kept"] = transition.allocation
        if transition.dev_profile is not None:
            self._checkpoint(new, float(self._requirement(setup) @ transition.dev_profile))
        slope, _ = affine_calibration(*np.array(new["checkpoints"]).reshape(-1, 2).T)
        new["report"] = {
            "mu": float(mu[0]),
            "sigma": float(sigma[0]),
            "reward": reward,
            "kappa": state["kappa"],
            "calibration": slope,
            "proxy_misaligned": slope <= 0,
        }
        return new

    def report(self, state: Any) -> Mapping[str, Any]:
        report: Mapping[str, Any] = state["report"]
        return report

    def _checkpoint(self, state: dict[str, Any], utility: float) -> None:
        """Note (sum of proxy rewards, dev utility); without improvement explore less."""
        earlier = state["checkpoints"]
        if earlier and utility <= earlier[-1][1]:
            state["kappa"] = state["kappa"] * self.config.kappa_decay
        state["checkpoints"] = [*earlier, [state["proxy"], utility]]

    def _requirement(self, setup: Setup) -> Array:
        v = len(setup.requirement)
        return setup.requirement if self.config.identification else np.full(v, 1.0 / v)

    def _candidates(self, context: Context) -> Array:
        prior, previous = context.setup.prior, context.previous
        if not self.config.identification:
            s = len(prior)
            prior = np.full(s, 1.0 / s)
            previous = previous if context.step else prior
        return candidate_set(prior, previous, self.config.candidates)

    def _rewards(self, setup: Setup, change: Array, tokens: Array) -> Array:
        requirement = self._requirement(setup)
        factor = self.config.price * float(self.config.interaction)
        prices = spill_prices(requirement, setup.reward) * factor
        return proxy_reward(change, requirement, prices, setup.reward.cost * tokens / setup.budget)

    def _features(
        self, setup: Setup, profile: Array, left: Array, history: Array, allocation: Array
    ) -> Array:
        rows = self._rescore(setup, history)
        return context_features(
            self.config, self._requirement(setup), profile, left, rows, allocation
        )

    def _rescore(self, setup: Setup, history: Array) -> Array:
        """History (n, H W) with its rewards by this variant's own Eq. (9): r stays out of an ablation."""
        s, v = len(setup.sources), len(setup.capabilities)
        rows = np.array(history).reshape(len(history), setup.history, s + v + 2)
        tokens = np.array(setup.budget / setup.steps)
        rows[..., -2] = self._rewards(setup, rows[..., s:-2], tokens) * rows[..., -1]
        return rows.reshape(history.shape)

    def _rows(self, context: Context, allocations: Array) -> Array:
        n = len(allocations)
        return self._features(
            context.setup,
            np.broadcast_to(context.profile, (n, len(context.profile))),
            np.full(n, context.budget_left),
            np.broadcast_to(context.history, (n, *context.history.shape)),
            allocations,
        )

    def _pool_rows(self, setup: Setup, pool: Pool) -> tuple[Array, Array]:
        x = self._features(setup, pool.profile, pool.budget_left, pool.history, pool.allocation)
        return x, self._rewards(setup, pool.change, pool.tokens)
