"""Rates of voting: EM, silence, and the class balance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from labelkit.labelmodels import LabelModel, VoteRates
from labelkit.labelmodels.rate_fit import RateProblem, Rates, first_rates, fit_rates, rate_step
from labelkit.labelmodels.statistics import VoteStatistics, as_votes

SIDE = np.array([1, 1, 1, 1, 0, 0])
HIT = np.array([0.6, 0.5, 0.4, 0.3, 0.5, 0.4])
FALSE = np.array([0.01, 0.02, 0.005, 0.03, 0.05, 0.1])


def votes(seed: int, *, n: int = 4000, positive: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < positive).astype(int)
    rate = np.where(truth[:, None] == SIDE, HIT, FALSE)
    return np.where(rng.random(rate.shape) < rate, SIDE, -1).astype(np.int8), truth


def problem_of(L: np.ndarray, k: int = 2, balance: np.ndarray | None = None) -> RateProblem:
    statistics = VoteStatistics.of(as_votes(L, k))
    return RateProblem(statistics, balance, np.ones(statistics.m), 0.8, 2.0, 0.05)


def test_the_log_posterior_rises_at_every_step_even_at_the_edge(simulate) -> None:
    # One function against its class, so that the bound on it is met; one that votes both ways.
    L, truth = votes(0, n=600)
    wrong = np.where(np.random.default_rng(1).random(600) < np.where(truth == 1, 0.02, 0.3), 1, -1)
    both = np.where(np.random.default_rng(2).random(600) < 0.8, truth, 1 - truth)
    problem = problem_of(np.column_stack([L, wrong, both]).astype(np.int8))
    flat, heights = first_rates(problem).flat(), []
    for _ in range(200):
        height, flat = rate_step(problem, flat)
        heights.append(height)
    assert np.diff(heights).min() > -1e-7
    rates = Rates.of(flat, problem.statistics.m)
    assert rates.hit[6] == pytest.approx(problem.lowest_ratio * rates.false[6])
    fit = fit_rates(problem)
    assert fit.converged
    assert np.diff(fit.log_posterior).min() > -1e-7
    assert fit.log_posterior[-1] >= heights[-1] - 1e-4


def test_a_row_by_row_em_in_plain_numpy_ends_at_the_same_rates() -> None:
    L, _ = votes(1, n=1500)
    fit = fit_rates(problem_of(L), tolerance=1e-10, max_iter=5000)
    hit, false, balance = HIT.copy(), np.full(6, 0.05), np.array([0.5, 0.5])
    coverage = (L >= 0).mean(axis=0)
    first_hit = np.clip(2 * 0.8 * coverage, 1e-6, 0.95)
    first_false = first_hit * 0.2 / 0.8
    for _ in range(3000):
        joint = np.empty((len(L), 2))
        for y in (0, 1):
            rate = np.where(y == SIDE, hit, false)
            each = np.where(L >= 0, rate, 1 - rate)
            joint[:, y] = balance[y] * each.prod(axis=1)
        p = joint / joint.sum(axis=1, keepdims=True)
        own, other = p[:, SIDE], p[:, 1 - SIDE]
        hit = ((own * (L >= 0)).sum(0) + 2 * first_hit) / (own.sum(0) + 2)
        false = ((other * (L >= 0)).sum(0) + 2 * first_false) / (other.sum(0) + 2)
        balance = (p.sum(axis=0) + 2) / (len(L) + 4)
    np.testing.assert_allclose(fit.rates.hit, hit, atol=1e-5)
    np.testing.assert_allclose(fit.rates.false, false, atol=1e-5)
    np.testing.assert_allclose(fit.rates.balance, balance, atol=1e-5)


def test_silence_speaks_where_nobody_voted() -> None:
    L, truth = votes(2, n=20_000)
    model = VoteRates().fit(L)
    silent = (L == -1).all(axis=1)
    said = model.predict_proba(L[silent])[0, 1]
    assert said == pytest.approx(truth[silent].mean(), abs=0.01)
    assert truth[silent].mean() < 0.06  # far from the balance of 0.1
    assert model.class_balance_[1] == pytest.approx(truth.mean(), abs=0.01)


def test_a_balance_that_is_given_is_kept() -> None:
    L, _ = votes(3)
    model = LabelModel(method="rates").fit(L, class_balance=[0.7, 0.3])
    np.testing.assert_allclose(model.class_balance_, [0.7, 0.3])
    assert model.class_balance_table_["source"].unique().to_list() == ["given"]


def test_the_engine_expression_says_the_same(keyed_votes) -> None:
    L, _ = votes(4, n=300)
    model = VoteRates().fit(keyed_votes(L))
    import narwhals as nw

    frame = nw.from_native(pl.DataFrame({f"lf_{j}": L[:, j] for j in range(6)}))
    computed = frame.select(model.to_expression()).to_numpy()
    np.testing.assert_allclose(computed, model.predict_proba(L), atol=1e-12)


def test_functions_and_classes_may_come_in_any_order() -> None:
    L, _ = votes(5)
    order = np.array([3, 0, 5, 1, 4, 2])
    one, other = VoteRates().fit(L), VoteRates().fit(L[:, order])
    np.testing.assert_allclose(one.rates_.hit[order], other.rates_.hit, atol=1e-5)
    flipped = VoteRates().fit(np.where(L >= 0, 1 - L, -1).astype(np.int8))
    np.testing.assert_allclose(one.class_balance_, flipped.class_balance_[::-1], atol=1e-5)


def test_copies_share_one_vote_and_change_little() -> None:
    L, _ = votes(6)
    alone = VoteRates().fit(L)
    thrice = VoteRates().fit(np.column_stack([L, L[:, 0], L[:, 0]]))
    np.testing.assert_allclose(thrice.discount_[[0, 6, 7]], 1 / 3)
    np.testing.assert_allclose(
        thrice.predict_proba(np.column_stack([L, L[:, 0], L[:, 0]])),
        alone.predict_proba(L),
        atol=0.01,
    )


def test_saved_and_loaded_it_says_the_same_of_the_balance(tmp_path) -> None:
    L, _ = votes(7)
    model = LabelModel().fit(L)
    assert model.method_ == "rates"
    model.save(tmp_path / "model.json")
    again = LabelModel.load(tmp_path / "model.json")
    assert again.class_balance_table_.equals(model.class_balance_table_)
    assert again.class_balance_reason_ == model.class_balance_reason_
    np.testing.assert_array_equal(again.predict_proba(L), model.predict_proba(L))


def test_a_given_balance_is_no_parameter() -> None:
    L, _ = votes(8, n=200)
    free = problem_of(L)
    assert free.n_parameters == 13
    assert replace(free, balance=np.array([0.9, 0.1])).n_parameters == 12
