"""MAP one-coin: the mathematics, and what it is worth on published votes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.errors import ConvergenceWarning
from labelkit.labelmodels import MajorityVote, OneCoin
from labelkit.labelmodels.onecoin import (
    AccuracyPrior,
    OneCoinProblem,
    e_step,
    em_step,
    fit_one_coin,
    newton_matrix,
)
from labelkit.labelmodels.statistics import VoteStatistics, as_votes


def problem_of(L: np.ndarray, k: int = 2, discount: float = 1.0) -> OneCoinProblem:
    statistics = VoteStatistics.of(as_votes(L, k))
    prior = AccuracyPrior(0.8, 0.02 * len(L), lowest=1 / k + 0.05 * (1 - 1 / k))
    return OneCoinProblem(statistics, np.full(k, 1 / k), prior, np.full(statistics.m, discount))


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.int8, st.tuples(st.integers(3, 80), st.integers(2, 6)), elements=st.integers(-1, 2)),
    st.sampled_from([1.0, 0.5]),
)
def test_the_log_posterior_never_falls(L, discount) -> None:
    fit = fit_one_coin(problem_of(L, 3, discount), max_iter=60)
    steps = np.diff(fit.log_posterior)
    assert (steps >= -1e-9 * np.abs(fit.log_posterior[0])).all()


def test_the_fit_is_the_maximum_that_a_general_optimiser_finds(simulate) -> None:
    from scipy.optimize import minimize

    problem = problem_of(simulate(600).L)

    def negative(accuracy: np.ndarray) -> float:
        _, log_likelihood = e_step(problem, accuracy)
        return -(log_likelihood + problem.prior.log_density(accuracy, problem.discount))

    bounds = [(problem.prior.lowest, 1 - 1e-6)] * problem.statistics.m
    found = minimize(negative, np.full(6, 0.8), method="L-BFGS-B", bounds=bounds)
    fit = fit_one_coin(problem)
    assert fit.converged
    np.testing.assert_allclose(fit.accuracy, found.x, atol=1e-3)
    assert -negative(fit.accuracy) >= -found.fun - 1e-6


def test_the_expected_class_counts_of_one_row_follow_from_bayes_rule() -> None:
    problem = problem_of(np.array([[1, 0, -1]]))
    mass, log_likelihood = e_step(problem, np.array([0.9, 0.7, 0.6]))
    one, zero = 0.5 * 0.9 * 0.3, 0.5 * 0.1 * 0.7
    np.testing.assert_allclose(mass, [[zero / (one + zero), one / (one + zero)]])
    np.testing.assert_allclose(log_likelihood, np.log(one + zero))


def test_a_newton_step_lands_where_em_ends(simulate) -> None:
    problem = problem_of(simulate(3000).L)
    fit = fit_one_coin(problem)
    newton = newton_matrix(problem, fit.accuracy)
    near = fit.accuracy + 0.002
    one_step = em_step(problem, near)
    jumped = near + newton @ (one_step - near)
    assert np.abs(jumped - fit.accuracy).max() < 0.1 * np.abs(one_step - fit.accuracy).max()


def test_published_votes_are_labeled_as_well_as_the_method_page_says(vote_set) -> None:
    at_least = {"ws_youtube": 88.4, "ws_trec_questions": 64.6, "ws_sms": 32.1}
    k = vote_set.cardinality
    model = OneCoin(k, redundancy=None).fit(vote_set.train)
    assert vote_set.quality(model.predict_proba(vote_set.test)) >= at_least[vote_set.name]


def test_sharing_the_weight_of_redundant_lfs_does_not_cost_quality(vote_set) -> None:
    k = vote_set.cardinality
    independent, shared = (
        vote_set.quality(OneCoin(k, redundancy=r).fit(vote_set.train).predict_proba(vote_set.test))
        for r in (None, 0.9)
    )
    assert shared >= independent


def test_one_sided_lfs_do_not_end_in_a_single_class(vote_set) -> None:
    proba = OneCoin(vote_set.cardinality).fit(vote_set.train).predict_proba(vote_set.test)
    voted = (vote_set.test >= 0).any(axis=1)
    best = proba[voted].argmax(axis=1)
    # The rarest true class of the three sets has 2 % of the examples.
    share = np.bincount(best, minlength=vote_set.cardinality) / voted.sum()
    assert (share > 0.005).all()


def test_copies_of_an_lf_weigh_as_much_as_the_lf(simulate) -> None:
    simulated = simulate(accuracy=(0.8, 0.75, 0.7, 0.6))
    copied = np.column_stack([simulated.L, simulated.L[:, 3], simulated.L[:, 3]])
    alone = OneCoin().fit(simulated.L).predict_proba(simulated.L)
    together = OneCoin().fit(copied)
    np.testing.assert_allclose(together.discount_, [1, 1, 1, 1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(together.predict_proba(copied), alone, atol=1e-5)
    credulous = OneCoin(redundancy=None).fit(copied).predict_proba(copied)
    assert np.abs(credulous - alone).max() > 0.1


def test_nested_thresholds_of_one_signal_keep_labels_humble(simulate) -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(3000) < 0.3
    signal = truth + rng.normal(size=3000)
    graded = [np.where(signal > t, 1, -1) for t in (0.4, 0.8, 1.2)]
    graded += [np.where(signal < t, 0, -1) for t in (0.2, -0.2, -0.6)]
    others = simulate(3000, accuracy=(0.65, 0.65)).L
    L = np.column_stack([*graded, others]).astype(np.int8)

    def log_loss(redundancy: float | None) -> float:
        proba = OneCoin(redundancy=redundancy).fit(L).predict_proba(L)
        return float(-np.log(proba[np.arange(3000), truth.astype(int)]).mean())

    assert log_loss(0.9) < 0.75 * log_loss(None)


def test_honest_witnesses_are_not_taken_for_copies(simulate) -> None:
    L = simulate(accuracy=(0.95,) * 5, coverage=1.0).L
    np.testing.assert_array_equal(OneCoin().fit(L).discount_, 1)


def test_a_good_lf_gets_more_weight_than_a_poor_one(simulate) -> None:
    simulated = simulate(accuracy=(0.95, 0.6, 0.6, 0.7, 0.7))
    model = OneCoin().fit(simulated.L)
    assert model.accuracy_.argmax() == 0
    right = model.predict(simulated.L) == simulated.truth
    majority = MajorityVote().fit(simulated.L).predict(simulated.L) == simulated.truth
    assert right.mean() > majority.mean() + 0.02


def test_too_few_iterations_are_reported(simulate) -> None:
    with pytest.warns(ConvergenceWarning, match="had not settled after 3"):
        model = OneCoin(max_iter=3).fit(simulate().L)
    assert not model.converged_
