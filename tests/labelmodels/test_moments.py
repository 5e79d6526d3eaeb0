"""Snorkel's model from moments, solved to its optimum. Snorkel's own numbers: see tests/peers."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.errors import ConvergenceWarning, LabelModelError, WeakEvidenceWarning
from labelkit.labelmodels import SnorkelMoments
from labelkit.labelmodels.moments import expected_mu, moment_loss, solve_optimum
from labelkit.labelmodels.statistics import VoteStatistics, as_votes


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    from scipy.optimize import check_grad

    rng = np.random.default_rng(0)
    L = rng.integers(-1, 3, (50, 4))
    O = VoteStatistics.of(as_votes(L, 3)).moments().O  # noqa: E741
    balance = np.array([0.5, 0.3, 0.2])
    centre = rng.random((12, 3))

    def loss(flat: np.ndarray) -> float:
        return moment_loss(flat.reshape(12, 3), O, balance, centre, 0.7)[0]

    def gradient(flat: np.ndarray) -> np.ndarray:
        return moment_loss(flat.reshape(12, 3), O, balance, centre, 0.7)[1].ravel()

    assert check_grad(loss, gradient, rng.random(36)) < 1e-5


def test_the_centre_of_the_pull_agrees_with_how_often_each_lf_votes() -> None:
    balance = np.array([0.2, 0.5, 0.3])
    diagonal = np.linspace(0.05, 0.2, 6)
    mu = expected_mu(diagonal, balance, np.array([0.7, 0.9]))
    np.testing.assert_allclose(mu @ balance, diagonal)
    # P(Y = 1 | LF 1 votes 1) is its precision.
    np.testing.assert_allclose(mu[4, 1] * balance[1] / diagonal[4], 0.9)


def test_exact_moments_give_the_true_conditional_probabilities_back() -> None:
    rng = np.random.default_rng(1)
    balance = np.array([0.6, 0.4])
    truth = np.vstack([[0.5 * a, 0.5 * (1 - a)] for a in (0.9, 0.8, 0.7, 0.85)]).repeat(1, axis=0)
    mu = np.empty((8, 2))
    mu[0::2, 0], mu[0::2, 1] = truth[:, 0], truth[:, 1]
    mu[1::2, 0], mu[1::2, 1] = truth[:, 1], truth[:, 0]
    O = (mu * balance) @ mu.T  # noqa: E741
    np.fill_diagonal(O, mu @ balance)
    start = np.clip(mu + rng.normal(scale=0.03, size=mu.shape), 0.01, 0.99)
    fit = solve_optimum(O, balance, start, l2=1e-9, mu_eps=1e-4, start=start)
    assert fit.converged
    np.testing.assert_allclose(fit.mu, mu, atol=2e-3)


def test_the_optimum_does_not_depend_on_the_seed_and_sgd_does(youtube) -> None:
    optimum = [SnorkelMoments(seed=s).fit(youtube.train).mu_ for s in (0, 1)]
    np.testing.assert_array_equal(*optimum)
    steps = [SnorkelMoments(solver="sgd", seed=s).fit(youtube.train).mu_ for s in (0, 1)]
    assert np.abs(steps[0] - steps[1]).max() > 1e-3


def test_the_optimum_is_no_worse_than_majority_on_published_votes(vote_set) -> None:
    majority = {"ws_youtube": 82.0, "ws_trec_questions": 60.8, "ws_sms": 33.0}
    model = SnorkelMoments(vote_set.cardinality).fit(vote_set.train)
    assert model.converged_
    quality = vote_set.quality(model.predict_proba(vote_set.test))
    assert quality >= majority[vote_set.name] - 0.5


def test_fewer_than_three_lfs_are_refused_with_what_would_help() -> None:
    with pytest.raises(LabelModelError, match=r'needs 3 .* there are 2.* method="majority"'):
        SnorkelMoments().fit(np.array([[0, 1], [1, 1]]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"solver": "newton"}, "neither 'optimum' nor 'sgd'"),
        ({"solver": "sgd", "optimizer": "rmsprop"}, "none of Snorkel's"),
        ({"solver": "sgd", "lr_scheduler": "cosine"}, "none of Snorkel's"),
        ({"solver": "sgd", "lr": 1e6}, "choose a smaller one"),
        ({"prec_init": [0.7, 0.8]}, "prec_init"),
        (
            {"solver": "sgd", "optimizer_config": {"sgd_config": {"nesterov": True}}},
            r"optimizer_config\['sgd_config'\] has no option 'nesterov'; it has momentum",
        ),
        (
            {"solver": "sgd", "lr_scheduler_config": {"warmup_steps": 5}},
            "warmup_unit='batches'.* 'epochs' alone",
        ),
        (
            {"solver": "sgd", "lr_scheduler_config": {"warmup_percentage": 1.0}},
            "A warm-up of 100 of 100 epochs",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message, simulate) -> None:
    with pytest.raises(LabelModelError, match=message):
        SnorkelMoments(**settings).fit(simulate(200).L)


def rare_positives(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """5 % positives; three functions that vote for them, two that vote against."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(4000) < 0.05).astype(int)
    columns = [
        np.where(rng.random(4000) < np.where(truth == vote, hit, false), vote, -1)
        for vote, hit, false in (
            (1, 0.6, 0.01),
            (1, 0.5, 0.02),
            (1, 0.4, 0.005),
            (0, 0.5, 0.05),
            (0, 0.4, 0.1),
        )
    ]
    return np.column_stack(columns).astype(np.int8), truth


def test_a_start_that_decides_the_rare_class_is_told() -> None:
    L, truth = rare_positives(0)
    f1 = []
    for seed in range(12):
        model = SnorkelMoments(solver="sgd", seed=seed)
        with pytest.warns(WeakEvidenceWarning, match=r"the rarest class has 5.0%: another seed"):
            model.fit(L, class_balance=[0.95, 0.05])
        f1.append(model.score(L, truth, ["f1"])["f1"])
    # What the warning is about: nothing but the seed has changed.
    assert max(f1) - min(f1) > 0.2


def test_the_optimum_and_balanced_votes_need_no_such_warning(youtube) -> None:
    # Warnings are errors here.
    L, truth = rare_positives(0)
    model = SnorkelMoments().fit(L, class_balance=[0.95, 0.05])
    assert model.score(L, truth, ["f1"])["f1"] > 0.5
    SnorkelMoments(solver="sgd").fit(youtube.train)


def test_an_early_stop_is_reported(youtube, monkeypatch) -> None:
    from labelkit.labelmodels import moments

    monkeypatch.setattr(moments, "MAX_ITER", 2)
    with pytest.warns(ConvergenceWarning, match="had not settled after 2"):
        model = SnorkelMoments().fit(youtube.train)
    assert not model.converged_


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 1000])
@pytest.mark.parametrize("k", [2, 5])
def test_moments_counted_in_bits_are_those_of_the_indicators(n, k, monkeypatch) -> None:
    from labelkit.lfs import moments

    L = np.random.default_rng(n).integers(-1, k, (n, 4)).astype(np.int8)
    hot = (L[:, :, None] == np.arange(k)).reshape(n, 4 * k).astype(np.int64)
    np.testing.assert_array_equal(moments.Moments.of_matrix(L, k).counts, hot.T @ hot)
    monkeypatch.setattr(moments, "_BITS_CHUNK", 70)
    np.testing.assert_array_equal(moments.Moments.of_matrix(L, k).counts, hot.T @ hot)
