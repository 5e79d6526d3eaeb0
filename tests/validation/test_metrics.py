"""Metrics against scikit-learn and ir-measures."""

from __future__ import annotations

import math

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import nDCG
from sklearn import metrics as sk

from labelkit.validation import metrics

EXACT = {"rel": 1e-12, "abs": 1e-12}


@st.composite
def scored(draw, classes: int = 2):
    """Truth with every class in it, probabilities with ties, labels, weights."""
    n = draw(st.integers(2 * classes, 40))
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.arange(classes), rng.integers(classes, size=n - classes)])
    p = rng.dirichlet(np.ones(classes), size=n)
    if draw(st.booleans()):
        p = p[rng.integers(max(n // 3, 1), size=n)]  # ties
    label = rng.integers(classes, size=n)
    weight = rng.exponential(size=n) + 0.01
    return y, p, label, weight


@given(scored())
@settings(max_examples=150, deadline=None)
def test_binary_metrics_are_scikit_learns_with_and_without_weights(data):
    y, p, label, weight = data
    for w in (None, weight):
        given_ = {"sample_weight": w}
        assert metrics.accuracy(y, label, w) == pytest.approx(
            sk.accuracy_score(y, label, **given_), **EXACT
        )
        assert metrics.recall(y, label, w) == pytest.approx(
            sk.recall_score(y, label, **given_), **EXACT
        )
        assert metrics.f1(y, label, w) == pytest.approx(sk.f1_score(y, label, **given_), **EXACT)
        assert metrics.auc(y, p[:, 1], w) == pytest.approx(
            sk.roc_auc_score(y, p[:, 1], **given_), **EXACT
        )
        assert metrics.log_loss(y, p, w) == pytest.approx(sk.log_loss(y, p, **given_), **EXACT)
        assert metrics.log_loss(y, p[:, 1], w) == pytest.approx(
            sk.log_loss(y, p[:, 1], **given_), **EXACT
        )
        if (label == 1).any():
            assert metrics.precision(y, label, w) == pytest.approx(
                sk.precision_score(y, label, **given_), **EXACT
            )


@given(scored(classes=4))
@settings(max_examples=60, deadline=None)
def test_multi_class_log_loss_is_scikit_learns(data):
    y, p, _, weight = data
    for w in (None, weight):
        assert metrics.log_loss(y, p, w) == pytest.approx(
            sk.log_loss(y, p, sample_weight=w), **EXACT
        )


@given(scored(), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_many_sets_of_weights_give_what_each_gives_alone(data, seed):
    y, p, label, _ = data
    many = np.random.default_rng(seed).exponential(size=(3, len(y)))
    for one in (metrics.accuracy, metrics.precision, metrics.recall, metrics.f1):
        alone = [one(y, label, w) for w in many]
        np.testing.assert_allclose(one(y, label, many), alone, rtol=1e-12)
    np.testing.assert_allclose(
        metrics.auc(y, p[:, 1], many), [metrics.auc(y, p[:, 1], w) for w in many], rtol=1e-12
    )
    np.testing.assert_allclose(
        metrics.log_loss(y, p, many), [metrics.log_loss(y, p, w) for w in many], rtol=1e-12
    )


@given(scored(), st.lists(st.integers(1, 4), min_size=40, max_size=40))
@settings(max_examples=60, deadline=None)
def test_a_weight_of_three_is_a_row_three_times(data, times):
    y, p, label, _ = data
    w = np.array(times[: len(y)])
    again = np.repeat(np.arange(len(y)), w)
    assert metrics.f1(y, label, w) == pytest.approx(metrics.f1(y[again], label[again]), **EXACT)
    assert metrics.auc(y, p[:, 1], w) == pytest.approx(metrics.auc(y[again], p[again, 1]), **EXACT)


def test_what_is_undefined_is_nan_and_not_zero():
    assert math.isnan(metrics.precision([0, 1], [0, 0]))
    assert math.isnan(metrics.recall([0, 0], [0, 1]))
    assert math.isnan(metrics.auc([1, 1], [0.2, 0.3]))
    assert math.isnan(metrics.ndcg([0, 0], [0.2, 0.3]))


# NDCG


@st.composite
def rankings(draw, *, ties: bool):
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 15, size=4)
    query = np.repeat(np.arange(4), sizes)
    grade = rng.integers(0, 4, size=len(query))
    grade[np.r_[0, np.cumsum(sizes)[:-1]]] = 2  # each query has a relevant item
    score = rng.integers(0, 4, size=len(query)) if ties else rng.permutation(len(query))
    return query, grade, score.astype(float)


@given(rankings(ties=True), st.integers(1, 12))
@settings(max_examples=80, deadline=None)
def test_ndcg_with_ties_is_scikit_learns(data, k):
    query, grade, score = data
    expected = np.mean(
        [
            sk.ndcg_score([2.0 ** grade[query == q] - 1], [score[query == q]], k=k)
            for q in np.unique(query)
        ]
    )
    assert metrics.ndcg(grade, score, query, k=k) == pytest.approx(expected, **EXACT)


@given(rankings(ties=False), st.sampled_from([1, 5, 10]))
@settings(max_examples=40, deadline=None)
def test_ndcg_without_ties_is_ir_measures(data, k):
    query, grade, score = data
    qrels = [
        ir_measures.Qrel(f"q{q}", f"d{i}", int(g))
        for i, (q, g) in enumerate(zip(query, grade, strict=True))
    ]
    run = [
        ir_measures.ScoredDoc(f"q{q}", f"d{i}", s)
        for i, (q, s) in enumerate(zip(query, score, strict=True))
    ]
    # pytrec_eval's gain is the grade itself; 2^grade − 1 as a grade gives the exponential gain.
    gains = [ir_measures.Qrel(r.query_id, r.doc_id, 2**r.relevance - 1) for r in qrels]
    expected = ir_measures.calc_aggregate([nDCG @ k], gains, run)[nDCG @ k]
    assert metrics.ndcg(grade, score, query, k=k) == pytest.approx(expected, **EXACT)


def test_row_order_does_not_decide_between_tied_items():
    grade, score = np.array([3, 0, 0, 1]), np.array([0.5, 0.5, 0.5, 0.1])
    values = {
        round(metrics.ndcg(grade[order], score[order], k=2), 14)
        for order in ([0, 1, 2, 3], [1, 2, 0, 3], [3, 2, 1, 0])
    }
    assert len(values) == 1


# Calibration


def test_scores_that_are_off_by_a_tenth_have_an_error_of_a_tenth():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.15, 0.85, size=100_000)
    y = rng.random(len(p)) < p - 0.1
    assert metrics.calibration_error(y, p) == pytest.approx(0.1, abs=0.005)


def test_calibrated_scores_have_no_error_on_average_although_bins_are_noisy():
    """Squared error is what is unbiased: noisy bins without the correction would read 0.09."""
    squared, naive = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        p = rng.random(300)
        y = rng.random(300) < p
        gap, share = metrics.binned_gap(y, p, metrics.bins(p), np.ones(300))
        naive.append(np.sqrt((share * gap**2).sum()))
        squared.append(metrics.calibration_error(y, p))
    assert np.mean(naive) > 0.06
    assert np.median(squared) < 0.03


def test_equal_scores_share_a_bin():
    which = metrics.bins([0.1] * 50 + [0.9] * 3 + [0.2] * 47, n_bins=10)
    assert len({*which[:50]}) == len({*which[50:53]}) == len({*which[53:]}) == 1
    assert which.max() <= 9
