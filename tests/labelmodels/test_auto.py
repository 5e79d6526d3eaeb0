"""What auto picks, and what it says."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.errors import LabelModelError
from labelkit.labelmodels import LabelModel, MajorityVote
from labelkit.labelmodels.model import METHODS


def test_never_more_than_a_point_below_majority_on_published_votes(vote_set) -> None:
    k = vote_set.cardinality
    auto = LabelModel(k).fit(vote_set.train)
    majority = MajorityVote(k).fit(vote_set.train)
    ours = vote_set.quality(auto.predict_proba(vote_set.test))
    assert ours >= vote_set.quality(majority.predict_proba(vote_set.test)) - 1
    bars = {"ws_youtube": 88.0, "ws_trec_questions": 64.5, "ws_sms": 32.0}
    assert ours >= bars[vote_set.name]


@pytest.mark.parametrize("seed", range(4))
def test_nor_when_fitted_to_two_hundred_examples(vote_set, seed) -> None:
    k = vote_set.cardinality
    few = np.random.default_rng(seed).permutation(vote_set.train)[:200]
    auto, majority = LabelModel(k).fit(few), MajorityVote(k).fit(few)
    ours, theirs = (vote_set.quality(m.predict_proba(vote_set.test)) for m in (auto, majority))
    assert ours >= theirs - 1


def test_a_fit_that_writes_off_one_side_is_not_believed(youtube) -> None:
    # On the test votes alone one-coin EM declares the functions for spam worthless (accuracy
    # 67 % where majority has 82 %): all functions are one-sided, and agreement cannot tell.
    onecoin = LabelModel(method="onecoin").fit(youtube.test)
    auto = LabelModel().fit(youtube.test)
    assert youtube.quality(onecoin.predict_proba(youtube.test)) < 75
    assert auto.method_ == "majority"
    assert "one-sided" in auto.reason_
    assert youtube.quality(auto.predict_proba(youtube.test)) > 80


@pytest.mark.parametrize(
    ("L", "reason"),
    [
        (np.array([[0, 1], [1, 1]] * 20), "only 2 labeling functions vote"),
        (np.array([[0, -1, -1, -1], [-1, 1, -1, -1]] * 20), "only 2 labeling functions vote"),
        (np.tile(np.where(np.eye(3) > 0, 1, -1), (20, 1)), "on only 0.0% of the examples"),
    ],
)
def test_majority_where_agreement_says_nothing(L, reason) -> None:
    model = LabelModel().fit(L)
    assert model.method_ == "majority"
    assert reason in model.reason_


def test_a_method_asked_for_is_the_method_used(simulate) -> None:
    L = simulate(300).L
    for method in METHODS:
        model = LabelModel(method=method).fit(L)
        assert (model.method_, model.reason_) == (method, "asked for by name")
    with pytest.raises(LabelModelError, match="method='best' is none of 'auto'"):
        LabelModel(method="best").fit(L)


def test_gold_chooses_by_what_it_did_not_see_and_says_the_figures(simulate) -> None:
    # One LF is always right, the others guess alike: agreement trusts the crowd, gold does not.
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 3000)
    crowd = np.where(rng.random(3000) < 0.5, truth, 1 - truth)
    votes = [np.where(rng.random(3000) < 0.85, crowd, 1 - crowd) for _ in range(3)]
    L = np.column_stack([*votes, truth])
    gold = np.where(np.arange(3000) < 200, truth, -1)
    without, model = LabelModel().fit(L), LabelModel().fit(L, gold=gold)
    assert "held-out gold labels" in model.reason_
    rest = slice(200, None)

    def accuracy(fitted: LabelModel) -> float:
        return float((fitted.predict(L)[rest] == truth[rest]).mean())

    assert accuracy(model) > accuracy(without) + 0.2


def test_a_handful_of_gold_is_too_little_to_choose_by(simulate) -> None:
    simulated = simulate()
    gold = np.where(np.arange(4000) < 10, simulated.truth, -1)
    model = LabelModel().fit(simulated.L, gold=gold)
    assert model.method_ == LabelModel().fit(simulated.L).method_ == "rates"
    assert "too few to choose by" in model.reason_


def test_silence_is_believed_only_where_it_explains_what_functions_do_together(vote_set) -> None:
    # On published votes functions fall silent together for other reasons than the class.
    model = LabelModel(vote_set.cardinality).fit(vote_set.train)
    assert model.method_ == "onecoin"
    assert "the classes explain only" in model.class_balance_reason_
    assert model.class_balance_table_["source"].to_list() == ["assumed"] * vote_set.cardinality
    assert model.class_balance_table_["low"].null_count() == vote_set.cardinality
