"""Soft labels as weighted rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from labelkit.endmodels.expansion import Expansion, expand, harden, resample


def test_each_example_keeps_its_weight() -> None:
    rng = np.random.default_rng(0)
    proba, weight = rng.dirichlet(np.full(5, 0.2), 300), rng.uniform(0.5, 3, 300)
    made = expand(proba, weight, min_proba=0.02)
    assert np.bincount(made.row, weights=made.weight) == pytest.approx(weight, rel=1e-12)
    assert len(made) == (proba >= 0.02).sum()


def test_the_weighted_log_loss_is_the_cross_entropy_of_the_soft_labels() -> None:
    rng = np.random.default_rng(1)
    p, q = rng.dirichlet(np.ones(3), 50), rng.dirichlet(np.ones(3), 50)
    weight = rng.uniform(0, 2, 50)
    made = expand(p, weight)
    loss = -(made.weight * np.log(q[made.row, made.y])).sum()
    assert loss == pytest.approx(-(weight[:, None] * p * np.log(q)).sum(), rel=1e-12)


def test_one_hot_labels_are_not_copied() -> None:
    proba = np.eye(5)[np.random.default_rng(2).integers(5, size=1000)]
    soft, hard = expand(proba, np.ones(1000), min_proba=1e-4), harden(proba, np.ones(1000))
    for part in ("row", "y", "weight"):
        np.testing.assert_array_equal(getattr(soft, part), getattr(hard, part))
    np.testing.assert_array_equal(soft.weight, 1.0)


def test_ties_and_weightless_examples_are_not_hardened() -> None:
    proba = np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [0.5 + 1e-7, 0.5 - 1e-7]])
    made = harden(proba, np.array([1.0, 1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(made.row, [1])
    np.testing.assert_array_equal(made.y, [0])


def test_the_fit_to_soft_labels_is_that_of_newton_on_their_cross_entropy() -> None:
    """Against a second implementation: gradient of the soft cross entropy at the fit is zero."""
    rng = np.random.default_rng(3)
    X, p = rng.normal(size=(500, 3)), rng.uniform(size=500)
    made = expand(np.column_stack([1 - p, p]), np.ones(500))
    model = LogisticRegression(solver="newton-cholesky", tol=1e-12, C=2.0)
    model.fit(X[made.row], made.y, sample_weight=made.weight)
    q = model.predict_proba(X)[:, 1]
    gradient = X.T @ (q - p) + model.coef_[0] / 2.0
    assert np.abs(gradient).max() < 1e-8
    assert abs((q - p).sum()) < 1e-8


@settings(max_examples=60, deadline=None)
@given(
    weights=st.lists(st.floats(0.01, 10), min_size=1, max_size=40),
    n=st.integers(1, 200),
    seed=st.integers(0, 5),
)
def test_resampling_gives_each_row_its_share_to_within_one(
    weights: list[float], n: int, seed: int
) -> None:
    m = len(weights)
    weight = np.array(weights)
    made = resample(Expansion(np.arange(m), np.arange(m), weight), n, seed=seed)
    times = np.bincount(made.row, minlength=m)
    assert times.sum() == n == len(made)
    assert (np.abs(times - n * weight / weight.sum()) < 1 + 1e-9).all()


def test_resampling_is_without_bias() -> None:
    weight = np.array([0.2, 0.3, 1.7, 2.8])
    rows = Expansion(np.arange(4), np.zeros(4, dtype=np.int64), weight)
    times = [np.bincount(resample(rows, 3, seed=s).row, minlength=4) for s in range(4000)]
    assert np.mean(times, axis=0) == pytest.approx(3 * weight / weight.sum(), abs=0.03)


def test_even_weights_resample_to_each_row_once() -> None:
    rows = Expansion(np.arange(9), np.arange(9) % 2, np.full(9, 0.7))
    for seed in range(20):
        np.testing.assert_array_equal(resample(rows, 9, seed=seed).row, np.arange(9))
