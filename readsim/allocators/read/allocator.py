"""ReAD: a contextual bandit that picks allocations by an ensemble's upper confidence bound."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from readsim.allocators.base import Allocator, Context, Setup, Transition
from readsim.allocators.read import calibration, ensemble
from readsim.allocators.read.config import ReADConfig, provenance_table, read_config
from readsim.arrays import Array
from readsim.envs.candidates import candidate_set
from readsim.envs.offline_pool import Pool
from readsim.envs.reward import proxy_reward, spill_prices
from readsim.errors import CapabilityMissingError

ENOUGH = 0.5  # share of the budget that a pool's runs should reach where levels are learned


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


def lower_improvement(gains: Array, kappa: float) -> Array:
    """Mean over the members of gains (M, A) over an anchor, less kappa deviations: (A,)."""
    out: Array = gains.mean(axis=0) - kappa * gains.std(axis=0, ddof=1)
    return out


def predicted_harm(change: Array, price: float) -> Array:
    """price x sum_j [-E dp_j]_+ over all capabilities, of members' changes (M, A, V): (A,)."""
    out: Array = price * np.maximum(-change.mean(axis=0), 0.0).sum(axis=-1)
    return out


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

    `variant`: full, greedy (kappa 0, no budget or history in the context), an ablation (Figure 4):
    no-identification, no-adaptation, no-interaction, no-history; or mended: levels learned from runs that
    keep their allocation, and the surest improvement over the requirement. Any field of `ReADConfig` can be
    given as a keyword, also one of its parts (`read+ensemble.members=10`).

    The run log's `report` has mu, sigma and reward of the last choice (proxy validation),
    kappa, and the calibration slope.
    """

    needs = frozenset({"transitions"})

    def __init__(self, variant: str = "full", **settings: Any) -> None:
        self.config = read_config(variant, **settings)
        if not self.config.pool:
            self.needs = frozenset()

    def whole_runs(self, steps: int) -> int:
        return -(-self.config.pool // steps) if self.config.persistent else 0

    def settings(self) -> list[tuple[str, str, str]]:
        return provenance_table(self.config)

    def init(self, setup: Setup) -> Any:
        config = self.config
        pool = self._pool(setup)
        x, y = self._pool_rows(setup, pool)
        parent = np.arange(len(y)) if pool.parent is None else pool.parent
        first = 0  # parents that the ensemble does not see
        if config.repair != "none":
            first = max(1, int(calibration.HELD_OUT * (int(parent.max()) + 1)))
        held = parent < first
        groups, weight = row_groups(pool, by_run=config.target == "level")
        fitted = ensemble.fit_ensemble(
            config.ensemble,
            x[~held],
            y[~held],
            setup.seed,
            None if groups is None else groups[~held] - first,
            weight[~held],
            anew=self._of_one_moment(setup, pool),
        )
        kappa, lacking = config.kappa, 0.0
        if first:
            mu, sigma = ensemble.predict_reward(fitted, x[held])
            missed = (y[held] if y.ndim == 1 else y[held, 0]) - mu
            if config.repair == "residual":
                lacking = calibration.residual_variance(missed, sigma)
            else:
                covering = calibration.conformal_kappa(missed, sigma, config.delta)
                kappa = covering if np.isfinite(covering) else kappa  # too few rows to know
        return {
            "ensemble": fitted,
            "kappa": kappa,
            "lacking": lacking,
            "kept": None,
            "proxy": 0.0,
            "rescale": 1.0,
            "spent": np.zeros(len(setup.sources)),
            "start": None,
            "checkpoints": [],
            "report": {},
        }

    def _pool(self, setup: Setup) -> Pool:
        """The offline pool; an empty one where none is asked for."""
        if not self.config.pool:
            v, s = len(setup.capabilities), len(setup.sources)
            profile, history, share = (
                np.zeros((0, n)) for n in (v, setup.history * (s + v + 2), s)
            )
            none = np.zeros(0)
            return Pool(profile, none, history, share, profile, none, run=np.arange(0))
        if setup.transitions is None:
            raise CapabilityMissingError("ReAD with pool > 0 needs an offline pool of transitions")
        if self.config.persistent:
            return setup.transitions(self.config.pool, persistent=True)
        return setup.transitions(self.config.pool)

    def _of_one_moment(self, setup: Setup, pool: Pool) -> bool:
        """Whether the pool shows one point of the budget only, as short trainings at a start do.

        Columns of the context that say where in a run one is are then constant in it: nothing learned
        from it alone can use them.
        """
        timed = self.config.budget or self.config.history or self.config.shares
        one = len(pool.budget_left) > 0 and np.ptp(pool.budget_left) == 0
        return bool(timed and one and setup.steps > 1 and self.config.target == "reward")

    def select(self, state: Any, context: Context) -> Array:
        if state["kept"] is not None:
            kept: Array = state["kept"]
            return kept
        if self.config.rule == "improvement":
            anchor = self._prior(context.setup)[None]
            candidates = np.concatenate([anchor, self._candidates(context)])
            gains = self._gains(state, context, candidates)
            bound = lower_improvement(gains - gains[:, :1], state["kappa"])
        else:
            candidates, mu, sigma = self.outlook(state, context)
            bound = upper_confidence(mu, sigma, state["kappa"])
        chosen: Array = candidates[int(np.argmax(bound))]
        return chosen

    def outlook(self, state: Any, context: Context) -> tuple[Array, Array, Array]:
        """The candidates (A, S), and mu (A,) and sigma (A,) that are predicted for them, Eq. (10)."""
        candidates = self._candidates(context)
        return candidates, *self._predict(state, context, candidates)

    def _predict(self, state: Any, context: Context, allocations: Array) -> tuple[Array, Array]:
        """mu and sigma (A,) of a step with each of the allocations (A, S)."""
        if self.config.target == "level" or self.config.penalty == "predicted":
            gains = self._gains(state, context, allocations)
            floor = state["ensemble"]["floor"]
            if self.config.target == "level":
                floor = floor / context.setup.steps
            return gains.mean(axis=0), np.maximum(gains.std(axis=0, ddof=1), floor)
        rows = self._rows(context, allocations, state["spent"])
        mu, sigma = ensemble.predict_reward(state["ensemble"], rows)
        lacking = state["lacking"]
        return mu, calibration.with_residual(sigma, lacking) if lacking else sigma

    def _gains(self, state: Any, context: Context, allocations: Array) -> Array:
        """What each member says that a step with each allocation (A, S) is worth: (M, A)."""
        rows = self._rows(context, allocations, state["spent"])
        said = ensemble.predict_members(state["ensemble"], rows)
        if self.config.target == "level":
            said = said - ensemble.predict_members(state["ensemble"], state["spent"][None])
        if self.config.penalty == "measured":
            return said[..., 0]
        price = self.config.price * self.config.interaction * context.setup.reward.spill
        gains: Array = said[..., 0] - predicted_harm(said[..., 1:], price)
        return gains

    def update(self, state: Any, transition: Transition) -> Any:
        context, setup = transition.context, transition.context.setup
        allocation = transition.allocation[None]
        mu, sigma = self._predict(state, context, allocation)
        tokens = np.array([float(transition.tokens)])
        reward = float(self._rewards(setup, transition.change, tokens[0]))
        start = context.profile if state["start"] is None else state["start"]
        x = self._rows(context, allocation, state["spent"], tokens)
        y = self._outputs(setup, transition.change[None], tokens, (context.profile - start)[None])
        (y if y.ndim == 1 else y[:, 0])[:] *= state["rescale"]
        new = {
            **state,
            "ensemble": ensemble.add_row(self.config.ensemble, state["ensemble"], x[0], y[0]),
            "proxy": state["proxy"] + reward,
            "spent": state["spent"] + transition.allocation * (transition.tokens / setup.budget),
            "start": start,
        }
        if not self.config.adaptation:
            new["kept"] = transition.allocation
        if transition.dev_profile is not None:
            self._checkpoint(new, float(self._requirement(setup) @ transition.dev_profile))
        slope, _ = affine_calibration(*np.array(new["checkpoints"]).reshape(-1, 2).T)
        if self.config.rescale and slope > 0:
            new["rescale"] = slope
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
        """Note (sum of proxy rewards, dev utility); without improvement, be it by noise, explore less."""
        earlier = state["checkpoints"]
        if earlier and utility <= earlier[-1][1] and self.config.rule == "upper":
            state["kappa"] = state["kappa"] * self.config.kappa_decay
        state["checkpoints"] = [*earlier, [state["proxy"], utility]]

    def _requirement(self, setup: Setup) -> Array:
        v = len(setup.requirement)
        return setup.requirement if self.config.identification else np.full(v, 1.0 / v)

    def _prior(self, setup: Setup) -> Array:
        """The requirement as shares of the sources (S,)."""
        s = len(setup.sources)
        return setup.prior if self.config.identification else np.full(s, 1.0 / s)

    def _candidates(self, context: Context) -> Array:
        prior, previous = self._prior(context.setup), context.previous
        if not self.config.identification:
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

    def _rows(
        self,
        context: Context,
        allocations: Array,
        spent: Array | None = None,
        tokens: Array | None = None,
    ) -> Array:
        """Inputs (A, d) of a step with each allocation (A, S), after shares `spent` (S,) of the budget."""
        n, setup = len(allocations), context.setup
        before = np.zeros_like(allocations) if spent is None else np.tile(spent, (n, 1))
        if self.config.target == "level":
            step = 1.0 / setup.steps if tokens is None else tokens[:, None] / setup.budget
            return before + allocations * step
        x = self._features(
            setup,
            np.broadcast_to(context.profile, (n, len(context.profile))),
            np.full(n, context.budget_left),
            np.broadcast_to(context.history, (n, *context.history.shape)),
            allocations,
        )
        return np.concatenate([x, before], axis=1) if self.config.shares else x

    def _outputs(self, setup: Setup, change: Array, tokens: Array, before: Array | None) -> Array:
        """What is learned of steps with changes (n, V), at levels `before` (n, V): rewards (n,), or
        (n, 1 + V) with each capability's own change or level."""
        requirement = self._requirement(setup)
        if self.config.target == "level":
            assert before is not None
            change = before + change
            value = change @ requirement
        elif self.config.penalty == "predicted":
            none, cost = np.zeros(len(requirement)), setup.reward.cost * tokens / setup.budget
            value = proxy_reward(change, requirement, none, cost)
        else:
            value = self._rewards(setup, change, tokens)
        if self.config.penalty == "measured":
            return value
        return np.concatenate([value[:, None], change], axis=1)

    def _pool_rows(self, setup: Setup, pool: Pool) -> tuple[Array, Array]:
        before = spent = None
        if self.config.shares or self.config.target == "level":
            before, tokens = pool.since_start()
            spent = tokens / setup.budget
        y = self._outputs(setup, pool.change, pool.tokens, before)
        if self.config.target == "level":
            assert spent is not None
            reached = spent + pool.allocation * pool.tokens[:, None] / setup.budget
            if len(reached) and reached.sum(axis=1).max() < ENOUGH:
                warnings.warn(
                    f"the pool's runs end after {reached.sum(axis=1).max():.0%} of the budget: levels "
                    "beyond that are extrapolated, which is unsafe; let them run longer",
                    stacklevel=2,
                )
            return reached, y
        x = self._features(setup, pool.profile, pool.budget_left, pool.history, pool.allocation)
        return (x if spent is None else np.concatenate([x, spent], axis=1)), y


def row_groups(pool: Pool, *, by_run: bool) -> tuple[NDArray[np.int64] | None, Array]:
    """Which rows of a pool are bootstrapped together, None for each by itself, and each row's weight (n,).

    Measurements of one training again count together as one. Levels of one run share the error of its
    first probe: `by_run` keeps them together.
    """
    n = len(pool.tokens)
    if pool.parent is None:
        return (pool.run if by_run else None), np.ones(n)
    starts = np.arange(n) if pool.run is None else np.unique(pool.run, return_index=True)[1]
    return pool.parent, 1.0 / np.bincount(pool.parent[starts])[pool.parent]
