"""Majority vote."""

from __future__ import annotations

import numpy as np

from labelkit.labelmodels import MajorityVote


def test_probabilities_are_the_shares_of_the_votes_cast() -> None:
    L = np.array([[0, 0, 1, -1], [1, 1, 1, 1], [0, 1, -1, -1], [-1, -1, -1, -1]])
    proba = MajorityVote().fit(L, class_balance=[0.9, 0.1]).predict_proba(L)
    np.testing.assert_allclose(proba, [[2 / 3, 1 / 3], [0, 1], [0.5, 0.5], [0.9, 0.1]])


def test_the_winner_is_snorkels_winner(vote_set) -> None:
    from snorkel.labeling.model import MajorityLabelVoter

    theirs = MajorityLabelVoter(vote_set.cardinality).predict_proba(vote_set.test)
    ours = MajorityVote(vote_set.cardinality).fit(vote_set.train).predict_proba(vote_set.test)
    tied = ours >= ours.max(axis=1, keepdims=True) - 1e-9
    np.testing.assert_array_equal(tied, theirs > 0)


def test_gold_calibrates_the_shares_and_keeps_who_is_ahead(simulate) -> None:
    simulated = simulate(2000, accuracy=(0.65,) * 5)
    gold = np.where(np.arange(2000) < 200, simulated.truth, -1)
    plain = MajorityVote().fit(simulated.L)
    calibrated = MajorityVote().fit(simulated.L, gold=gold)
    rest = np.arange(200, 2000)

    def log_loss(model: MajorityVote) -> float:
        proba = model.predict_proba(simulated.L)[rest, simulated.truth[rest]]
        return float(-np.log(np.maximum(proba, 1e-9)).mean())

    assert log_loss(calibrated) < 0.65 < log_loss(plain)
