"""Triplets: exact moments give exact accuracies, and too little support is admitted."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.errors import LabelModelError
from labelkit.labelmodels import MajorityVote, Triplets
from labelkit.labelmodels.triplets import (
    PairMoments,
    agreement_pairs,
    class_pairs,
    triplet_strengths,
)
from labelkit.lfs import Moments

INDEPENDENT = np.eye(4, dtype=bool)


def exact_moments(conditional: np.ndarray, balance: np.ndarray, n: int = 10**12) -> Moments:
    """Expected counts of pairs of votes for P(λ_j = v | Y = y) (m, v, y)."""
    m, k, _ = conditional.shape
    mu = conditional.reshape(m * k, k)
    O = (mu * balance) @ mu.T  # noqa: E741
    own = np.arange(m * k).reshape(m, k)
    O[own[:, :, None], own[:, None, :]] = np.eye(k) * (mu @ balance).reshape(m, k)[:, :, None]
    return Moments(np.rint(O * n).astype(np.int64), n, k)


@pytest.mark.parametrize("balance", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.5, 0.3)])
def test_exact_agreements_give_exact_accuracies_whatever_the_class_balance(balance) -> None:
    k = len(balance)
    accuracy = np.array([0.9, 0.8, 0.7, 0.65])
    coverage = np.array([0.9, 0.5, 0.3, 0.6])
    conditional = np.empty((4, k, k))
    conditional[:] = (coverage * (1 - accuracy) / (k - 1))[:, None, None]
    conditional[:, np.arange(k), np.arange(k)] = (coverage * accuracy)[:, None]
    moments = exact_moments(conditional, np.array(balance))
    strength, number = triplet_strengths(agreement_pairs(moments, INDEPENDENT))
    np.testing.assert_allclose((1 + (k - 1) * strength) / k, accuracy, atol=1e-6)
    np.testing.assert_array_equal(number, 3)


def test_exact_covariances_give_what_one_sided_lfs_say_of_each_class() -> None:
    balance = np.array([0.8, 0.2])
    # P(vote 1 | Y = 0), P(vote 1 | Y = 1); none of them ever votes 0.
    hit = np.array([[0.02, 0.6], [0.05, 0.5], [0.01, 0.3], [0.1, 0.7]])
    conditional = np.zeros((4, 2, 2))
    conditional[:, 1, :] = hit
    pairs = class_pairs(exact_moments(conditional, balance), balance, INDEPENDENT, 1)
    strength, _ = triplet_strengths(pairs)
    np.testing.assert_allclose(strength, hit[:, 1] - hit[:, 0], atol=1e-6)


def test_a_ratio_against_the_model_counts_as_no_strength() -> None:
    product = np.full((3, 3), 0.25)
    product[0, 1] = product[1, 0] = -0.2
    pairs = PairMoments(product, np.full((3, 3), 0.01), ~np.eye(3, dtype=bool))
    strength, number = triplet_strengths(pairs)
    np.testing.assert_array_equal(number, 1)
    np.testing.assert_array_equal(strength, 0)


def test_a_pair_that_may_be_zero_is_no_denominator() -> None:
    product = np.full((3, 3), 0.25)
    product[1, 2] = product[2, 1] = 0.015
    pairs = PairMoments(product, np.full((3, 3), 0.01), ~np.eye(3, dtype=bool))
    strength, number = triplet_strengths(pairs)
    np.testing.assert_array_equal(number, [0, 1, 1])
    assert np.isnan(strength[0])


@pytest.mark.parametrize("k", [2, 3, 6])
def test_accuracies_are_found_from_votes_with_abstentions(k, simulate) -> None:
    simulated = simulate(20_000, balance=(1 / k,) * k, coverage=0.5)
    model = Triplets(k).fit(simulated.L)
    np.testing.assert_allclose(model.accuracy_, simulated.accuracy, atol=0.03)
    assert (model.n_triplets_ == 10).all()


def test_one_sided_lfs_are_told_apart_by_class() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random(20_000) < 0.2).astype(int)
    hit = np.array([[0.02, 0.6], [0.05, 0.5], [0.01, 0.3], [0.1, 0.7]])
    L = np.where(rng.random((20_000, 4)) < hit[:, truth].T, 1, -1).astype(np.int8)
    model = Triplets(contrast="by_class").fit(L, class_balance=[0.8, 0.2])
    np.testing.assert_allclose(model.mu_[:, 1, :], hit, atol=0.03)
    assert model.accuracy_ is None
    # Their votes agree always, and tell nothing by agreement.
    assert Triplets().fit(L).accuracy_.min() > 0.95


def test_an_lf_in_no_triplet_has_the_expected_accuracy(simulate) -> None:
    L = simulate(2000).L
    L[10:, 3] = -1
    model = Triplets(centre=0.75).fit(L)
    assert model.n_triplets_[3] == 0
    assert model.accuracy_[3] == pytest.approx(0.75)


def test_copies_never_stand_in_one_triplet(simulate) -> None:
    simulated = simulate(10_000, accuracy=(0.85, 0.75, 0.7, 0.6))
    copied = np.column_stack([simulated.L, simulated.L[:, 3], simulated.L[:, 3]])
    model = Triplets().fit(copied)
    np.testing.assert_allclose(model.accuracy_[:4], simulated.accuracy, atol=0.05)
    np.testing.assert_allclose(model.discount_, [1, 1, 1, 1 / 3, 1 / 3, 1 / 3])
    assert Triplets(redundancy=None).fit(copied).accuracy_[3] > 0.9


def test_a_good_lf_outvotes_poor_ones(simulate) -> None:
    simulated = simulate(accuracy=(0.95, 0.6, 0.6, 0.7, 0.7))
    right = Triplets().fit(simulated.L).predict(simulated.L) == simulated.truth
    majority = MajorityVote().fit(simulated.L).predict(simulated.L) == simulated.truth
    assert right.mean() > majority.mean() + 0.02


def test_what_cannot_be_fitted_is_refused(simulate) -> None:
    with pytest.raises(LabelModelError, match=r"need 3 .* there are 2"):
        Triplets().fit(np.array([[0, 1], [1, 1]]))
    with pytest.raises(LabelModelError, match="neither 'agreement' nor 'by_class'"):
        Triplets(contrast="both").fit(simulate(50).L)
