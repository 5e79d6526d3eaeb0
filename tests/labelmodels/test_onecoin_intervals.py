"""Accuracies of a one-coin model by likelihood: curvature against differences, what they say."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.labelmodels import LabelModel, OneCoin
from labelkit.labelmodels.onecoin import AccuracyPrior, OneCoinProblem, e_step
from labelkit.labelmodels.onecoin_intervals import curvature, likelihood_interval
from labelkit.labelmodels.statistics import VoteStatistics
from labelkit.lfs import Votes


def problem_of(L: np.ndarray, k: int, discount: np.ndarray | None = None) -> OneCoinProblem:
    statistics = VoteStatistics.of(Votes.from_matrix(L, cardinality=k))
    prior = AccuracyPrior(0.8, 0.0, 1 / k)
    share = np.ones(L.shape[1]) if discount is None else discount
    return OneCoinProblem(statistics, np.full(k, 1 / k), prior, share)


@pytest.mark.parametrize("k", [2, 4])
def test_the_information_is_minus_the_second_derivative_of_the_log_likelihood(k, simulate) -> None:
    L = simulate(800, balance=(1 / k,) * k, accuracy=(0.9, 0.8, 0.7, 0.65)).L
    problem = problem_of(L, k)
    theta = np.array([1.5, 0.9, 1.1, 0.3])

    def height(at: np.ndarray) -> float:
        return e_step(problem, 1 / (1 + np.exp(-at)))[1]

    step, steps = 1e-3, np.eye(4) * 1e-3
    numeric = np.empty((4, 4))
    for i in range(4):
        for j in range(4):
            corners = [
                height(theta + a * steps[i] + b * steps[j]) * a * b
                for a in (1, -1)
                for b in (1, -1)
            ]
            numeric[i, j] = -sum(corners) / (4 * step**2)
    bread = curvature(problem, 1 / (1 + np.exp(-theta))).bread
    np.testing.assert_allclose(bread, numeric, rtol=1e-3, atol=0.05)


def test_estimates_do_not_follow_the_prior_of_the_model(simulate) -> None:
    L = simulate(20_000, coverage=0.2, accuracy=(0.6, 0.65, 0.7, 0.9, 0.95, 0.9)).L
    weak, strong = (OneCoin(strength=s).fit(L) for s in (0.001, 0.2))
    assert np.abs(weak.accuracy_ - strong.accuracy_).max() > 0.05
    tables = [m.lf_accuracies_.select("accuracy", "low", "high").to_numpy() for m in (weak, strong)]
    np.testing.assert_allclose(tables[0], tables[1], atol=1e-4)


def test_chunks_change_no_interval_and_a_discount_widens_it(simulate, monkeypatch) -> None:
    from labelkit.labelmodels import onecoin_intervals

    L = simulate(2000).L
    problem = problem_of(L, 2)
    whole = likelihood_interval(problem)
    monkeypatch.setattr(onecoin_intervals, "_CHUNK", 37)
    np.testing.assert_allclose(likelihood_interval(problem), whole, atol=1e-9)
    copied = problem_of(np.column_stack([L, L[:, 0]]), 2, np.array([0.5, 1, 1, 1, 1, 1, 0.5]))
    one, two = likelihood_interval(problem), likelihood_interval(copied)
    # A copy is no second witness: neither the estimate nor the doubt may change by much.
    np.testing.assert_allclose(two[0][:6], one[0], atol=0.02)
    assert (two[2] - two[1])[0] > 0.9 * (one[2] - one[1])[0]


def test_an_lf_that_never_votes_has_no_accuracy_and_auto_passes_the_table_on(simulate) -> None:
    L = simulate(500).L.copy()
    L[:, 2] = -1
    table = OneCoin().fit(L).lf_accuracies_
    assert table["low"].null_count() == 1
    assert table.row(2)[1:] == (None, None, None)
    assert LabelModel(method="onecoin").fit(L).lf_accuracies_.equals(table)
