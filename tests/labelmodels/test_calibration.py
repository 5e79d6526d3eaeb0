"""What gold changes, and what it must not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelkit.labelmodels import LabelModel, OneCoin
from labelkit.labelmodels.calibration import CalibrationPrior, calibrate


def test_without_rows_it_is_logistic_regression_with_priors() -> None:
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    rng = np.random.default_rng(0)
    scores = rng.normal(size=(60, 3)) * 2
    labels = rng.integers(0, 3, 60)

    def loss(theta: np.ndarray) -> float:
        logp = log_softmax(theta[0] * scores + theta[1:], axis=1)[np.arange(60), labels]
        return float(-logp.sum() + (theta[0] - 1) ** 2 / 2 + (theta[1:] ** 2).sum() / 2)

    expected = minimize(loss, np.array([1.0, 0, 0, 0]), tol=1e-10).x
    found = calibrate(scores, labels, priors=[CalibrationPrior(1.0, 0.0, 1.0, 1e6)])
    np.testing.assert_allclose([found.scale, *found.shift], expected, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.booleans())
def test_a_little_gold_never_blows_up(seed, g, one_class) -> None:
    rng = np.random.default_rng(seed)
    scores = np.zeros((g, 2))
    scores[:, 1] = rng.normal(size=g) * 50
    labels = np.zeros(g, int) if one_class else rng.integers(0, 2, g)
    rows = rng.integers(-1, 2, (g, 5)).astype(np.int8)
    found = calibrate(scores, labels, rows)
    assert 0.019 <= found.scale <= 3
    assert np.abs(found.shift).max() < 5
    assert np.abs(found.trust).max() < 2


@pytest.mark.parametrize("k", [2, 4])
def test_overconfident_labels_become_honest(simulate, k) -> None:
    simulated = simulate(accuracy=(0.7,) * 4, balance=(1 / k,) * k, coverage=0.8)
    # Noisy copies, too different to be found out, make the unsupervised model overconfident.
    rng = np.random.default_rng(1)
    copies = np.where(rng.random(simulated.L.shape) < 0.85, simulated.L, -1)
    L = np.column_stack([simulated.L, copies]).astype(np.int8)
    gold = np.where(np.arange(4000) < 100, simulated.truth, -1)
    rest = np.arange(100, 4000)

    def log_loss(gold: np.ndarray | None) -> float:
        proba = OneCoin(k, redundancy=None).fit(L, gold=gold).predict_proba(L)
        return float(-np.log(proba[rest, simulated.truth[rest]]).mean())

    assert log_loss(gold) < log_loss(None) - 0.1


def test_imbalance_that_gold_proves_is_learned_where_gold_was_chosen_in_doubt(simulate) -> None:
    simulated = simulate(accuracy=(0.75, 0.7, 0.7, 0.8), balance=(0.8, 0.2))
    without = LabelModel(method="onecoin").fit(simulated.L)
    margin = np.abs(np.diff(without.predict_proba(simulated.L))[:, 0])
    rng = np.random.default_rng(0)
    doubtful = np.argsort(margin, kind="stable")[:50]
    audit = rng.choice(np.setdiff1d(np.arange(4000), doubtful), 50, replace=False)
    gold = np.full(4000, -1)
    gold[doubtful], gold[audit] = simulated.truth[doubtful], simulated.truth[audit]
    rest = gold < 0

    def measures(model: LabelModel) -> tuple[float, float]:
        p = model.predict_proba(simulated.L)[rest, 1]
        y = simulated.truth[rest]
        log_loss = -np.log(np.where(y == 1, p, 1 - p)).mean()
        return float(log_loss), float(abs(p.mean() - y.mean()))

    before, after = (
        measures(without),
        measures(LabelModel(method="onecoin").fit(simulated.L, gold=gold)),
    )
    assert after[0] < before[0] - 0.05
    assert after[1] < before[1] / 2


def test_gold_does_not_change_what_the_votes_were_fitted_to(simulate) -> None:
    simulated = simulate(balance=(0.8, 0.2))
    gold = np.where(np.arange(4000) < 80, simulated.truth, -1)
    without, with_gold = OneCoin().fit(simulated.L), OneCoin().fit(simulated.L, gold=gold)
    np.testing.assert_array_equal(without.accuracy_, with_gold.accuracy_)
    assert with_gold.posterior_.calibration.scale > 0


def test_examples_without_votes_learn_from_gold_of_their_own(simulate) -> None:
    simulated = simulate(2000, balance=(0.5, 0.5))
    L, truth = simulated.L.copy(), simulated.truth.copy()
    L[:1000], truth[:1000] = -1, 0  # silence means class 0
    gold = np.full(2000, -1)
    gold[:200], gold[1000:1100] = truth[:200], truth[1000:1100]
    model = LabelModel().fit(L, gold=gold)
    assert model.predict_proba(L[:1])[0, 0] > 0.85
