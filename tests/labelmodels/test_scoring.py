"""Metrics on gold. Equality with Snorkel's: see tests/peers."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from labelkit.errors import GoldError, LabelModelError
from labelkit.labelmodels import MajorityVote, OneCoin, VoteModel

L = np.array([[1, 1, -1], [0, 0, 1], [1, 1, 1], [0, 1, -1], [-1, -1, -1], [0, 0, 0]])
GOLD = np.array([1, 1, 1, 0, 0, 0])


def majority() -> VoteModel:
    return MajorityVote().fit(L)


def test_every_gold_example_is_judged_by_default() -> None:
    # Predicted 1 0 1 0 0 0: the tie and the uncovered example go to the lowest class.
    metrics = ("accuracy", "coverage", "precision", "recall", "f1")
    assert majority().score(L, GOLD, metrics) == pytest.approx(
        {"accuracy": 5 / 6, "coverage": 1.0, "precision": 1.0, "recall": 2 / 3, "f1": 0.8}
    )


def test_ties_count_for_coverage_alone_where_they_abstain() -> None:
    got = majority().score(L, GOLD, ["accuracy", "coverage"], tie_break="abstain")
    assert got == pytest.approx({"accuracy": 3 / 4, "coverage": 4 / 6})


def test_examples_without_gold_are_left_out() -> None:
    gold = np.where(np.arange(6) < 2, GOLD, -1)
    assert majority().score(L, gold) == {"accuracy": 0.5}


def test_gold_is_weighted_by_its_inclusion_probability(keyed_votes) -> None:
    votes = keyed_votes(L)
    gold = votes.key_frame.to_native().with_columns(
        label=pl.Series(GOLD), inclusion_probability=pl.Series([1.0, 0.1, 1.0, 1.0, 1.0, 1.0])
    )
    # The one wrong prediction stands for ten.
    assert MajorityVote().fit(votes).score(votes, gold)["accuracy"] == pytest.approx(5 / 15)


def test_many_classes_have_averaged_f1_and_log_loss(simulate) -> None:
    from sklearn.metrics import f1_score, log_loss

    simulated = simulate(500, balance=(0.5, 0.3, 0.2))
    model = OneCoin(3).fit(simulated.L)
    got = model.score(simulated.L, simulated.truth, ["f1_macro", "log_loss"])
    proba = model.predict_proba(simulated.L)
    assert got["f1_macro"] == pytest.approx(
        f1_score(simulated.truth, model.predict(simulated.L), average="macro")
    )
    assert got["log_loss"] == pytest.approx(log_loss(simulated.truth, proba))


@pytest.mark.parametrize("name", ["f1", "precision", "recall", "roc_auc"])
def test_metrics_of_two_classes_are_refused_for_three(name, simulate) -> None:
    simulated = simulate(100, balance=(0.5, 0.3, 0.2))
    with pytest.raises(LabelModelError, match=f"'{name}' is for two classes and there are 3"):
        OneCoin(3).fit(simulated.L).score(simulated.L, simulated.truth, [name])


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(LabelModelError, match=r"no metric 'acc'; there are accuracy"):
        majority().score(L, GOLD, ["acc"])
    with pytest.raises(GoldError, match="no gold label"):
        majority().score(L, np.full(6, -1))
    tied = np.array([-1, -1, -1, 0, 0, -1])
    with pytest.raises(GoldError, match="All 2 gold examples are ties"):
        majority().score(L, tied, tie_break="abstain")


def test_the_area_under_the_curve_of_one_class_is_unknown() -> None:
    assert np.isnan(majority().score(L, np.where(GOLD == 1, 1, -1), ["roc_auc"])["roc_auc"])
