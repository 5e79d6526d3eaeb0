"""Gold as observed truth in EM."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.labelmodels import GoldAssisted, OneCoin
from labelkit.labelmodels.gold_assisted import gold_tallies, shrunk_accuracies
from labelkit.labelmodels.statistics import VoteStatistics, as_votes, gold_sample


def test_without_gold_it_is_one_coin(simulate) -> None:
    L = simulate(500).L
    np.testing.assert_array_equal(
        GoldAssisted().fit(L).predict_proba(L), OneCoin().fit(L).predict_proba(L)
    )


def test_with_all_rows_known_em_counts_what_is_right(simulate) -> None:
    simulated = simulate(1500)
    model = GoldAssisted(strength=0.0, redundancy=None).fit(simulated.L, gold=simulated.truth)
    voted = simulated.L >= 0
    share = ((simulated.truth[:, None] == simulated.L) & voted).sum(axis=0) / voted.sum(axis=0)
    np.testing.assert_allclose(model.expected_accuracy_, share, atol=1e-6)
    np.testing.assert_allclose(model.accuracy_, share, atol=1e-3)


def test_gold_finds_the_function_that_is_wrong_more_often_than_right(simulate) -> None:
    simulated = simulate(3000, accuracy=(0.85, 0.8, 0.75, 0.8, 0.25), coverage=0.7)
    gold = np.where(np.arange(3000) < 150, simulated.truth, -1)
    model = GoldAssisted().fit(simulated.L, gold=gold)
    assert OneCoin().fit(simulated.L).accuracy_[4] > 0.5
    assert model.accuracy_[4] < 0.45
    assert model.gold_strength_ < 300
    table = model.lf_accuracies_
    assert (table["low"] < table["high"]).all()


def test_the_unsupervised_fit_is_kept_where_gold_agrees_with_it() -> None:
    expected = np.array([0.9, 0.8, 0.7])
    few, tau = shrunk_accuracies(expected, np.array([9.0, 8, 7]), np.array([1.0, 2, 3]))
    np.testing.assert_allclose(few, expected, atol=0.01)
    assert tau > 1e3
    moved, tau = shrunk_accuracies(expected, np.array([10.0, 30, 90]), np.array([30.0, 10, 10]))
    assert moved[0] < 0.5
    assert tau < 100


def test_tallies_are_weighted_by_inclusion_probability_and_worth_what_they_are(simulate) -> None:
    simulated = simulate(300, coverage=1.0)
    votes = as_votes(simulated.L, 2)
    sample = gold_sample(votes, simulated.truth)
    right, wrong = gold_tallies(VoteStatistics.of(votes), sample)
    share = (simulated.truth[:, None] == simulated.L).mean(axis=0)
    np.testing.assert_allclose(right / (right + wrong), share)
    np.testing.assert_allclose(right + wrong, 300)
    weight = np.where(np.arange(300) < 30, 10.0, 1.0)
    weighted = type(sample)(sample.pattern, sample.label, weight)
    right, wrong = gold_tallies(VoteStatistics.of(votes), weighted)
    expected = weight @ (simulated.truth[:, None] == simulated.L) / weight.sum()
    np.testing.assert_allclose(right / (right + wrong), expected)
    np.testing.assert_allclose(right + wrong, weighted.effective_n)


@pytest.mark.parametrize("k", [2, 3])
def test_it_is_saved_and_loaded_to_the_last_bit(simulate, tmp_path, k) -> None:
    simulated = simulate(400, balance=(1 / k,) * k)
    gold = np.where(np.arange(400) < 60, simulated.truth, -1)
    model = GoldAssisted(k).fit(simulated.L, gold=gold)
    model.save(tmp_path / "model.json")
    again = GoldAssisted.load(tmp_path / "model.json").predict_proba(simulated.L)
    np.testing.assert_array_equal(again, model.predict_proba(simulated.L))
