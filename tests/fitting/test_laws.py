"""The laws that a fit averages over: each against an independent reference, and its own limits."""

from typing import Any

import numpy as np
import pytest

from readsim.arrays import Array
from readsim.fitting.laws.features import ScaledColumns, amounts, blocks, logs
from readsim.fitting.laws.gaussian_process import KERNELS, GaussianProcess
from readsim.fitting.laws.guided import Guided, common_shares
from readsim.fitting.laws.log_ridge import log_ridge
from readsim.fitting.laws.sparse import FOLDS, sparse
from tests.support.made_fits import additive_truth, mixtures


def drawn(n: int, noise: float, seed: int = 0) -> tuple[Array, Array]:
    """Runs (n, 4) of the additive truth with three capabilities."""
    x = mixtures(n, seed, 4)
    return x, additive_truth(1)(x) + noise * np.random.default_rng(seed).standard_normal((n, 3))


@pytest.mark.extra("sklearn")
def test_log_ridge_is_scikit_learns_with_leave_one_out() -> None:
    from sklearn.linear_model import Ridge

    x, y = drawn(14, 0.02)
    z = ScaledColumns.of(logs(amounts(x))).scaled(logs(amounts(x)))
    unseen = mixtures(9, 5, 4)
    at = ScaledColumns.of(logs(amounts(x))).scaled(logs(amounts(unseen)))
    made = log_ridge(x, y, np.ones_like(y))(unseen)
    from readsim.fitting.laws.log_ridge import PENALTIES

    for j in range(3):
        errors = []
        for penalty in PENALTIES:
            own = 0.0
            for i in range(len(x)):
                kept = np.arange(len(x)) != i
                # the closed form holds for one and the same centring: columns as over all runs
                fit = Ridge(alpha=penalty).fit(z[kept], y[kept, j])
                own += (fit.predict(z[[i]])[0] - y[i, j]) ** 2
            errors.append(own)
        best = Ridge(alpha=PENALTIES[int(np.argmin(errors))]).fit(z, y[:, j])
        assert made[:, j] == pytest.approx(best.predict(at), abs=2e-3)


@pytest.mark.extra("sklearn")
def test_sparse_is_scikit_learns_lasso_at_the_penalty_that_folds_choose() -> None:
    from sklearn.linear_model import LassoCV

    x, y = drawn(60, 0.05)
    unseen, weight = mixtures(9, 5, 4), np.random.default_rng(1).uniform(0.5, 2.0, 60)
    table, at = (np.hstack([amounts(v), logs(amounts(v))]) for v in (x, unseen))
    columns = ScaledColumns.of(table)
    fold = blocks(x, FOLDS)
    splits = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(FOLDS)]
    made = sparse(x, y, np.tile(weight[:, None], 3))(unseen)
    for j in range(3):
        lasso = LassoCV(alphas=30, cv=splits, max_iter=100_000, tol=1e-8)
        lasso.fit(columns.scaled(table), y[:, j], sample_weight=weight)
        assert (lasso.coef_ == 0.0).any()
        assert made[:, j] == pytest.approx(lasso.predict(columns.scaled(at)), abs=1e-4)


@pytest.mark.parametrize("law", [log_ridge, sparse, GaussianProcess])
def test_a_law_learns_and_leaves_out_what_is_missing(law: Any) -> None:
    x, y = drawn(80, 0.01)
    unseen = mixtures(200, 7, 4)
    holes = y.copy()
    holes[::4, 1] = np.nan
    made = law(x, holes, np.ones_like(y))(unseen)
    truth = additive_truth(1)(unseen)
    assert (np.sqrt(((made - truth) ** 2).mean(axis=0)) < 0.35 * truth.std(axis=0)).all()


@pytest.mark.parametrize("law", [log_ridge, GaussianProcess])
def test_a_cell_of_weight_zero_is_as_if_it_were_not_there(law: Any) -> None:
    x, y = drawn(40, 0.02)
    spoilt, weight, holes = y.copy(), np.ones_like(y), y.copy()
    spoilt[:10, 2], weight[:10, 2], holes[:10, 2] = 9.0, 0.0, np.nan
    unseen = mixtures(5, 3, 4)
    one, two = law(x, spoilt, weight)(unseen), law(x, holes, np.ones_like(y))(unseen)
    assert one == pytest.approx(two)


@pytest.mark.parametrize("law", [log_ridge, sparse, GaussianProcess])
def test_runs_that_measure_the_same_predict_it(law: Any) -> None:
    x = mixtures(12, 0, 4)
    y = np.full((12, 3), 0.3)
    assert law(x, y, np.ones_like(y))(mixtures(4, 1, 4)) == pytest.approx(0.3)


@pytest.mark.extra("sklearn")
def test_the_gaussian_process_is_the_textbook_one_where_one_kernel_has_all_weight() -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct

    x, y = drawn(25, 0.02)
    process = GaussianProcess(x, y[:, :1], np.ones((25, 1)))
    [part, *_] = sorted(process.parts, key=lambda p: -float(p.weight[0]))
    at = mixtures(6, 2, 4)
    k, cross = (list(process._kernels(a, x))[part.kernel] for a in (x, at))
    noisy = k + part.noise * np.eye(25)
    mean, sd = y[:, 0].mean(), y[:, 0].std()
    expected = mean + sd * cross @ np.linalg.solve(noisy, (y[:, 0] - mean) / sd)
    joint = process.joint(at)
    assert joint.mean[:, 0] == pytest.approx(expected)
    own = np.diagonal(list(process._kernels(at, at))[part.kernel])
    left = own - np.einsum("mn,nm->m", cross, np.linalg.solve(noisy, cross.T))
    assert np.diagonal(joint.covariance[0]) == pytest.approx(part.size[0] * sd**2 * left)
    # the first kernel is linear: scikit-learn's DotProduct over the same columns
    assert KERNELS[0] == (1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0)
    z = np.hstack(process._views(x))
    linear = DotProduct(sigma_0=0.0, sigma_0_bounds="fixed") * ConstantKernel(
        1 / z.shape[1], "fixed"
    )
    regressor = GaussianProcessRegressor(linear, alpha=0.1, optimizer=None).fit(z, y[:, 0])
    assert np.isfinite(regressor.log_marginal_likelihood_value_)
    assert linear(z) == pytest.approx(next(iter(process._kernels(x, x))))


def test_its_standard_deviation_holds_what_is_measured() -> None:
    hits = []
    for seed in range(6):
        x, y = drawn(60, 0.05, seed)
        at = mixtures(200, 50 + seed, 4)
        seen = additive_truth(1)(at) + 0.05 * np.random.default_rng(90 + seed).standard_normal(
            (200, 3)
        )
        made = GaussianProcess(x, y, np.ones_like(y)).posterior(at)
        hits.append(float((np.abs(made.mean - seen) < 1.96 * made.measured_sd).mean()))
    assert 0.92 < np.mean(hits) < 0.98


def test_it_is_surer_where_runs_are() -> None:
    x, y = drawn(60, 0.02)
    posterior = GaussianProcess(x, y, np.ones_like(y)).posterior(
        np.vstack([x[:5], 30.0 * np.eye(4)])
    )
    assert posterior.sd[:5].max() < posterior.sd[5:].min()


def test_blocks_keep_runs_of_one_mixture_together() -> None:
    x = np.repeat(mixtures(12), 3, axis=0) * np.tile([0.2, 0.5, 1.0], 12)[:, None]
    block = blocks(x, 4)
    assert (block.reshape(12, 3) == block.reshape(12, 3)[:, :1]).all()
    assert set(block) == {0, 1, 2, 3}


def test_a_guide_that_is_right_is_believed_and_helps_and_one_that_is_permuted_does_no_harm() -> (
    None
):
    errors: dict[str, list[float]] = {"none": [], "right": [], "permuted": []}
    trust: dict[str, list[float]] = {"right": [], "permuted": []}
    truth = additive_truth(1)
    for seed in range(5):
        x, y = drawn(16, 0.05, seed)
        unseen = mixtures(200, 70 + seed, 4)
        guides = {
            "right": lambda at: 4.0 * truth(at) - 1.0,  # another level, another size
            "permuted": lambda at: truth(at[:, [2, 3, 1, 0]])[:, [1, 2, 0]],
        }
        weight, wanted = np.ones_like(y), truth(unseen)
        made = {"none": GaussianProcess(x, y, weight)(unseen)}
        for word, guide in guides.items():
            guided = Guided(x, y, weight, guide)
            made[word] = guided(unseen)
            assert guided.posterior(unseen).mean == pytest.approx(made[word])
            trust[word].append(float(guided.trust.mean()))
        for word, predicted in made.items():
            errors[word].append(float((((predicted - wanted) / wanted.std(axis=0)) ** 2).mean()))
    mean = {word: float(np.mean(e)) for word, e in errors.items()}
    assert mean["right"] < 0.6 * mean["none"]
    assert mean["permuted"] < 1.15 * mean["none"]
    assert np.mean(trust["right"]) > np.mean(trust["permuted"]) + 0.2


def test_the_trust_that_capabilities_share_decides_where_one_says_little() -> None:
    sure = np.array([[0.0, 5.0], [0.0, 6.0], [0.0, 4.0], [0.0, 0.0]])
    trusts, known = np.array([0.0, 1.0]), np.ones(4, dtype=np.bool_)
    share = common_shares(sure, known, trusts)
    assert share[3, 1] > 0.7  # its own runs say nothing
    assert common_shares(-sure, known, trusts)[3, 1] < 0.3
    assert share.sum(axis=1) == pytest.approx(1.0)
