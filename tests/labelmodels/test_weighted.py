"""Weighted majority: the weights against a row-by-row reference, and what they are worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.errors import ConvergenceWarning
from labelkit.labelmodels import MajorityVote, OneCoin, WeightedMajority
from labelkit.labelmodels.statistics import VoteStatistics, as_votes
from labelkit.labelmodels.weighted import agreement_with_others, log_odds

WEIGHT = np.array([1.5, 0.7, 0.2, 1.1])


@settings(max_examples=40, deadline=None)
@given(arrays(np.int8, st.tuples(st.integers(1, 30), st.just(4)), elements=st.integers(-1, 2)))
def test_agreement_is_that_with_the_majority_of_the_others_row_by_row(L) -> None:
    # LFs 0 and 1 say the same, so that neither is among the others of the other.
    together = np.eye(4, dtype=bool)
    together[0, 1] = together[1, 0] = True
    statistics = VoteStatistics.of(as_votes(L, 3))
    agreeing, judged = agreement_with_others(statistics, WEIGHT, together)
    for j in range(4):
        expected, number = 0.0, 0
        for row in L:
            others = [i for i in range(4) if not together[j, i] and row[i] >= 0]
            if row[j] < 0 or not others:
                continue
            score = [sum(WEIGHT[i] for i in others if row[i] == v) for v in range(3)]
            best = [v for v in range(3) if score[v] >= max(score) - 1e-9]
            expected += (row[j] in best) / len(best)
            number += 1
        assert agreeing[j] == pytest.approx(expected)
        assert judged[j] == number


def test_weights_are_the_log_odds_of_the_smoothed_agreement(simulate) -> None:
    simulated = simulate(3000, balance=(0.3, 0.3, 0.4))
    model = WeightedMajority(3).fit(simulated.L)
    assert model.converged_
    np.testing.assert_allclose(
        model.weights_, np.log(2 * model.agreement_ / (1 - model.agreement_))
    )
    statistics = VoteStatistics.of(as_votes(simulated.L, 3))
    agreeing, judged = agreement_with_others(
        statistics, log_odds(model.agreement_, 3), np.eye(6, dtype=bool)
    )
    np.testing.assert_allclose(model.agreement_, (agreeing + 16) / (judged + 20))
    proba = model.predict_proba(simulated.L)
    scores = sum(model.weights_[j] * (simulated.L[:, j, None] == np.arange(3)) for j in range(6))
    expected = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(proba, expected, atol=1e-12)


def test_agreement_ranks_lfs_by_accuracy_and_stays_below_it(simulate) -> None:
    simulated = simulate(8000)
    agreement = WeightedMajority().fit(simulated.L).agreement_
    np.testing.assert_array_equal(np.argsort(agreement), np.argsort(simulated.accuracy))
    assert (agreement < simulated.accuracy + 0.02).all()


def test_a_good_lf_outvotes_poor_ones(simulate) -> None:
    simulated = simulate(accuracy=(0.95, 0.6, 0.6, 0.7, 0.7))
    right = WeightedMajority().fit(simulated.L).predict(simulated.L) == simulated.truth
    majority = MajorityVote().fit(simulated.L).predict(simulated.L) == simulated.truth
    assert right.mean() > majority.mean() + 0.02


def test_copies_do_not_vouch_for_each_other(simulate) -> None:
    simulated = simulate(accuracy=(0.8, 0.75, 0.7, 0.6))
    copied = np.column_stack([simulated.L, simulated.L[:, 3], simulated.L[:, 3]])
    model = WeightedMajority().fit(copied)
    alone = WeightedMajority().fit(simulated.L)
    np.testing.assert_allclose(model.agreement_[:4], alone.agreement_, atol=1e-12)
    np.testing.assert_allclose(
        model.predict_proba(copied), alone.predict_proba(simulated.L), atol=1e-9
    )
    assert WeightedMajority(redundancy=None).fit(copied).agreement_[3] > 0.8


def test_labels_are_humbler_than_those_of_the_one_coin_model(simulate) -> None:
    L = simulate().L
    sure, humble = (
        m().fit(L).predict_proba(L).max(axis=1).mean() for m in (OneCoin, WeightedMajority)
    )
    assert humble < sure


def test_published_votes_are_labeled_no_worse_than_by_majority(vote_set) -> None:
    majority = {"ws_youtube": 82.0, "ws_trec_questions": 60.8, "ws_sms": 33.0}
    model = WeightedMajority(vote_set.cardinality).fit(vote_set.train)
    assert vote_set.quality(model.predict_proba(vote_set.test)) >= majority[vote_set.name]


def test_too_few_rounds_are_reported(simulate) -> None:
    with pytest.warns(ConvergenceWarning, match="had not settled after 1 rounds"):
        WeightedMajority(max_iter=1).fit(simulate().L)
