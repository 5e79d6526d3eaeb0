"""End models of text on published votes: better than what they learned from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from labelkit.endmodels import EndModel
from labelkit.labelmodels import LabelModel, MajorityVote, OneCoin

# The model of the votes is fixed, so that these tests watch the end model alone.


def test_on_youtube_it_beats_label_model_and_majority_vote(
    read_text_set: Callable[..., Any],
) -> None:
    data = read_text_set("ws_youtube", 2)
    votes = OneCoin(2).fit(data.votes)
    end = EndModel(LogisticRegression(C=10)).fit(data.X, votes.predict_proba(data.votes))
    by_end = end.predict(data.test_X) == data.truth
    for voter in (votes, MajorityVote(2).fit(data.votes)):
        by_votes = voter.predict(data.test_votes) == data.truth
        better = by_end.astype(int) - by_votes
        # Paired, on 250 test rows: the whole 95 % interval is above zero.
        assert better.mean() > 1.96 * better.std(ddof=1) / np.sqrt(len(better))
    assert by_end.mean() > 0.9


@pytest.mark.filterwarnings("ignore:The soft labels give class")
def test_uncalibrated_soft_labels_lose_on_youtube_and_gold_repairs_them(
    read_text_set: Callable[..., Any],
) -> None:
    """Why "hard" is the default: without gold the labels are surer of spam than of ham."""
    data = read_text_set("ws_youtube", 2)

    def accuracy(model: OneCoin, loss: Any) -> float:
        end = EndModel(LogisticRegression(max_iter=1000), loss=loss, cross_fit=0)
        end.fit(data.X, model.predict_proba(data.votes))
        return float((end.predict(data.test_X) == data.truth).mean())

    gold = np.full(len(data.votes), -1)
    chosen = np.random.default_rng(0).choice(len(gold), 100, replace=False)
    gold[chosen] = data.gold[chosen]
    plain, told = OneCoin(2).fit(data.votes), OneCoin(2).fit(data.votes, gold)
    assert accuracy(plain, "hard") > accuracy(plain, "expand") + 0.2
    assert accuracy(told, "expand") > 0.9


def test_on_sms_it_finds_spam_that_no_function_voted_on(
    read_text_set: Callable[..., Any],
) -> None:
    data = read_text_set("ws_sms", 2)
    votes = LabelModel(2, method="onecoin").fit(data.votes)
    covered = (data.votes >= 0).any(axis=1)
    end = EndModel(LogisticRegression(C=10)).fit(
        data.X[np.flatnonzero(covered)], votes.predict_proba(data.votes)[covered]
    )
    silent = (data.test_votes < 0).all(axis=1)
    spam = end.predict(data.test_X) == 1
    truth = data.truth == 1
    found = (spam & truth & silent).sum() / (truth & silent).sum()
    precise = (spam & truth & silent).sum() / (spam & silent).sum()
    assert found > 0.4
    assert precise > 0.6
