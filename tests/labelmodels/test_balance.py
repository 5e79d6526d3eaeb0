"""Shares of the classes from gold: intervals, and labels corrected by gold's confusion."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.labelmodels import LabelModel, OneCoin
from labelkit.labelmodels.balance import balance_by_confusion, balance_from_gold
from labelkit.labelmodels.statistics import GoldSample, VoteStatistics, as_votes, gold_sample


def test_a_share_from_gold_is_a_beta_posterior() -> None:
    from scipy import stats

    label = np.repeat([0, 1], [90, 10])
    gold = GoldSample(np.zeros(100, dtype=np.intp), label, np.full(100, 7.0))
    balance = balance_from_gold(gold, 2)
    expected = stats.beta(11, 91)
    assert balance.share[1] == pytest.approx(expected.mean())
    assert (balance.low[1], balance.high[1]) == pytest.approx(expected.interval(0.95))


def test_gold_chosen_class_by_class_still_tells_the_shares_of_the_classes(simulate) -> None:
    # Half of the gold is of a class that one example in ten has: its own shares mislead.
    simulated = simulate(6000, balance=(0.9, 0.1), coverage=0.8)
    L, truth = simulated.L, simulated.truth
    gold = np.full(6000, -1)
    for y in (0, 1):
        gold[np.flatnonzero(truth == y)[:200]] = y
    statistics = VoteStatistics.of(as_votes(L, 2))
    proba = OneCoin().fit(L).posterior_.proba(statistics)
    sample = gold_sample(as_votes(L, 2), gold)
    assert balance_from_gold(sample, 2).share[1] == pytest.approx(0.5, abs=0.01)
    corrected = balance_by_confusion(statistics, sample, proba)
    assert corrected.low[1] <= truth.mean() <= corrected.high[1]
    assert corrected.high[1] - corrected.low[1] < 0.12
    assert corrected.share.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("L", "reason"),
    [
        (np.array([[0, 1], [1, 1]] * 20), "only 2 labeling functions vote"),
        (
            np.where(np.random.default_rng(0).random((900, 3)) < 0.3, 1, -1),
            "3 pairs of votes cannot check a model of 7 parameters",
        ),
        (np.array([[0, 1, 1, 0], [1, 1, 0, 1]] * 20), "40 examples are too few for"),
    ],
)
def test_the_balance_is_not_estimated_where_votes_cannot_tell_it(L, reason) -> None:
    model = LabelModel().fit(L)
    assert reason in model.class_balance_reason_
    assert "not estimated" in model.class_balance_reason_
    np.testing.assert_allclose(model.class_balance_, 0.5)
    assert model.class_balance_table_["low"].null_count() == 2
