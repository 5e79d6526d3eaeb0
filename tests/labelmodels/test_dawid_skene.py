"""Dawid–Skene: the mathematics against direct references, and what the priors promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.errors import ConvergenceWarning, LabelModelError
from labelkit.labelmodels import DawidSkene, OneCoin
from labelkit.labelmodels.confusion import constrained_rows

label_matrices = arrays(
    np.int8, st.tuples(st.integers(3, 80), st.integers(2, 6)), elements=st.integers(-1, 2)
)


def em_on_rows(
    L: np.ndarray, k: int, *, imagined: float, centre: float, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Dawid and Skene's EM, row by row: the confusion matrices and P(Y | row)."""
    n, m = L.shape
    expected = np.full((k, k), (1 - centre) / (k - 1))
    np.fill_diagonal(expected, centre)
    confusion = np.repeat(expected[None], m, axis=0)
    for _ in range(steps):
        proba = np.empty((n, k))
        for i in range(n):
            p = np.full(k, 1 / k)
            for j in range(m):
                if L[i, j] >= 0:
                    p = p * confusion[j, :, L[i, j]]
            proba[i] = p / p.sum()
        for j in range(m):
            counts = imagined * expected
            for i in range(n):
                if L[i, j] >= 0:
                    counts[:, L[i, j]] += proba[i]
            confusion[j] = counts / counts.sum(axis=1, keepdims=True)
    return confusion, proba


@pytest.mark.parametrize("k", [2, 3])
def test_the_fit_is_where_em_on_single_rows_ends(k, simulate) -> None:
    L = simulate(120, balance=(1 / k,) * k, coverage=0.7).L
    confusion, proba = em_on_rows(L, k, imagined=5.0, centre=0.7, steps=400)
    model = DawidSkene(
        k, strength=0.0, imagined_votes=5.0, centre=0.7, margin=0.0, redundancy=None, tolerance=1e-9
    ).fit(L)
    assert model.converged_
    np.testing.assert_allclose(model.conditional_, confusion, atol=2e-6)
    np.testing.assert_allclose(model.predict_proba(L), proba, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(label_matrices, st.sampled_from([0.0, 0.5]), st.sampled_from([0.0, 20.0]))
@pytest.mark.parametrize("abstentions", ["ignored", "informative"])
def test_the_log_posterior_never_falls(abstentions, L, strength, imagined) -> None:
    model = DawidSkene(
        3,
        strength=strength,
        imagined_votes=imagined,
        abstentions=abstentions,
        redundancy=None,
        tolerance=1e-4,
        max_iter=20_000,
    ).fit(L)
    steps = np.diff(model.log_posterior_)
    assert (steps >= -1e-9 * max(1, np.abs(model.log_posterior_[0]))).all()
    np.testing.assert_allclose(model.conditional_.sum(axis=2), 1)
    assert (model.conditional_ > 0).all()


@settings(max_examples=25, deadline=None)
@given(arrays(np.float64, (1, 3, 3), elements=st.floats(0.5, 50)), st.sampled_from([1.0, 1.1, 1.5]))
def test_rows_are_the_best_whose_accuracies_sum_to_enough(amount, lowest) -> None:
    from scipy.optimize import minimize

    found = constrained_rows(amount, lowest)[0]
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.trace(found) >= lowest - 1e-9

    def negative(flat: np.ndarray) -> float:
        return -float((amount[0].ravel() * np.log(flat)).sum()) / amount.sum()

    start = np.full((3, 3), (1 - 0.6) / 2)
    np.fill_diagonal(start, 0.6)
    best = minimize(
        negative,
        start.ravel(),
        jac=lambda flat: -amount[0].ravel() / flat / amount.sum(),
        method="SLSQP",
        bounds=[(1e-6, 1)] * 9,
        constraints=[
            {"type": "eq", "fun": lambda flat: flat.reshape(3, 3).sum(axis=1) - 1},
            {"type": "ineq", "fun": lambda flat: np.trace(flat.reshape(3, 3)) - lowest},
        ],
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert negative(found.ravel()) <= best.fun + 1e-7


def biased_votes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Five LFs that rarely say 1, two that rarely say 0."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    right = np.where(truth[:, None] == 1, [0.55] * 5 + [0.95] * 2, [0.95] * 5 + [0.55] * 2)
    votes = np.where(rng.random((n, 7)) < right, truth[:, None], 1 - truth[:, None])
    return np.where(rng.random((n, 7)) < 0.7, votes, -1).astype(np.int8), truth


def test_lfs_that_err_towards_one_class_are_understood() -> None:
    L, truth = biased_votes(3000, 0)
    model, one_coin = DawidSkene().fit(L), OneCoin().fit(L)
    np.testing.assert_allclose(model.conditional_[:5, 0, 0], 0.95, atol=0.09)
    assert (model.conditional_[:5, 1, 1] < 0.75).all()
    right, usual = ((m.predict(L) == truth).mean() for m in (model, one_coin))
    assert right > usual + 0.01


def test_an_infinite_strength_is_the_one_coin_model(simulate) -> None:
    L = simulate(800).L
    firm = DawidSkene(strength=np.inf).fit(L).predict_proba(L)
    one_coin = OneCoin(strength=0.02).fit(L)
    np.testing.assert_allclose(firm, one_coin.predict_proba(L), atol=1e-6)


def test_one_sided_lfs_keep_one_accuracy(simulate) -> None:
    L = simulate(1500).L
    L[:, 0] = np.where(L[:, 0] == 1, 1, -1)
    model = DawidSkene().fit(L)
    np.testing.assert_allclose(model.conditional_[0, 0, 0], model.conditional_[0, 1, 1])
    assert model.conditional_[0, 1, 1] == pytest.approx(model.centre_[0])
    assert abs(model.conditional_[1, 0, 0] - model.conditional_[1, 1, 1]) > 1e-4


def test_silence_is_evidence_where_it_is_told_to_be() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random(4000) < 0.3).astype(int)
    # Each function votes 1, nine times as often where it is true, or says nothing.
    rate = np.where(truth[:, None] == 1, 0.45, 0.05)
    L = np.where(rng.random((4000, 6)) < rate, 1, -1).astype(np.int8)
    balance = [0.7, 0.3]
    ignored = DawidSkene().fit(L, class_balance=balance).predict_proba(L)
    model = DawidSkene(abstentions="informative").fit(L, class_balance=balance)
    told = model.predict_proba(L)
    silent = (L == -1).all(axis=1)
    np.testing.assert_allclose(ignored[silent], [balance] * silent.sum())
    assert told[silent, 1].max() < 0.06
    assert abs(told[silent, 1].mean() - truth[silent].mean()) < 0.03
    assert (told.argmax(axis=1) == truth).mean() > (ignored.argmax(axis=1) == truth).mean()
    assert (model.voting_rate_[:, 1] > 3 * model.voting_rate_[:, 0]).all()
    assert DawidSkene().fit(L).voting_rate_ is None


def test_published_votes_are_labeled_as_well_as_by_one_accuracy(vote_set) -> None:
    # Plain Dawid–Skene: 83.2 on YouTube, 44.8 on TREC, an F1 of 0 on SMS.
    at_least = {"ws_youtube": 88.0, "ws_trec_questions": 64.5, "ws_sms": 32.0}
    model = DawidSkene(vote_set.cardinality).fit(vote_set.train)
    quality = vote_set.quality(model.predict_proba(vote_set.test))
    assert quality >= at_least[vote_set.name]


def test_confusions_come_as_a_table_with_intervals(simulate) -> None:
    L = simulate(400, balance=(0.3, 0.3, 0.4)).L
    L[:, 2] = -1
    table = DawidSkene(3).fit(L).confusion_
    assert table.columns == ["lf", "class", "vote", "probability", "low", "high"]
    assert len(table) == 6 * 9
    silent = table["lf"].to_numpy() == table["lf"][2 * 9]
    assert table["probability"].is_null().to_numpy()[silent].all()
    rows = table["probability"].to_numpy().reshape(6, 3, 3)
    np.testing.assert_allclose(np.delete(rows, 2, axis=0).sum(axis=2), 1)
    known = table.drop_nulls()
    assert (known["low"] <= known["probability"]).all()
    assert (known["probability"] <= known["high"]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strength": -0.1}, "strength=-0.1 is a share"),
        ({"strength": float("nan")}, "strength=nan"),
        ({"imagined_votes": -1.0}, "imagined_votes=-1.0"),
        ({"centre": 0.4}, r"centre=0.4 is an accuracy between chance \(0.5\)"),
        ({"margin": 1.0}, "margin=1.0"),
        ({"abstentions": "kept"}, "neither 'ignored' nor 'informative'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message, simulate) -> None:
    with pytest.raises(LabelModelError, match=message):
        DawidSkene(**settings).fit(simulate(100).L)


def test_too_few_iterations_are_reported(simulate) -> None:
    with pytest.warns(ConvergenceWarning, match="had not settled after 3"):
        model = DawidSkene(max_iter=3).fit(simulate().L)
    assert not model.converged_
