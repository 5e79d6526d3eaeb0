"""Label sets are compared on the same examples and the same bootstrap draws."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss, ndcg_score, roc_auc_score

from labelkit.demo import compare


@pytest.fixture
def truth() -> compare.Truth:
    rng = np.random.default_rng(1)
    grade = rng.integers(0, 5, 600)
    return compare.Truth(np.repeat(np.arange(40), 15), grade, (grade >= 2).astype(np.int64))


@pytest.fixture
def scores(truth) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    close = np.clip(truth.grade / 5 + 0.2 * rng.standard_normal(600), 0.01, 0.99)
    return {"blind": rng.random(600), "close": close, "closer": (close + truth.grade / 5) / 2}


def test_estimates_are_scikit_learns(truth, scores):
    measured = compare.measure(scores, truth, n_draws=10)
    for name, score in scores.items():
        assert measured["auc"][name].estimate == pytest.approx(roc_auc_score(truth.relevant, score))
        assert measured["log_loss"][name].estimate == pytest.approx(
            log_loss(truth.relevant, np.clip(score, 0.001, 0.999))
        )
        by_query = [
            ndcg_score([2.0 ** truth.grade[i] - 1], [score[i]], k=10)
            for i in np.split(np.arange(600), 40)
        ]
        assert measured["ndcg@10"][name].estimate == pytest.approx(np.mean(by_query))


def test_a_label_set_does_not_differ_from_itself_and_paired_intervals_are_narrow(truth, scores):
    measured = compare.measure({**scores, "again": scores["close"]}, truth, n_draws=200)
    for by_name in measured.values():
        assert (by_name["again"] - by_name["close"]).interval() == (0.0, 0.0)
    by_name = measured["auc"]
    low, high = (by_name["closer"] - by_name["close"]).interval()
    alone = np.subtract(*by_name["closer"].interval()[::-1])
    assert 0 < low < high
    assert high - low < alone + np.subtract(*by_name["close"].interval()[::-1])


def test_steps_go_from_the_first_to_each_and_from_each_to_the_next(truth, scores):
    measured = compare.measure(scores, truth, n_draws=20)
    steps = compare.steps(measured, ["blind", "close", "closer"], first="blind")
    assert steps.filter(metric="auc").select("labels", "less").rows() == [
        ("close", "blind"),
        ("closer", "blind"),
        ("closer", "close"),
    ]
    wide = compare.wide(steps, ["auc", "log_loss"])
    assert wide.columns[2:5] == ["auc", "auc_low", "auc_high"]
    assert wide["log_loss"].to_list() == steps.filter(metric="log_loss")["estimate"].to_list()


@pytest.mark.statistics
def test_intervals_over_queries_cover_the_true_difference():
    rng = np.random.default_rng(3)
    covered = 0
    for seed in range(60):
        # In each query 10 items; the better score sees the truth through less noise.
        grade = rng.integers(0, 2, 400)
        truth = compare.Truth(np.repeat(np.arange(40), 10), grade, grade)
        scores = {
            name: grade + spread * rng.standard_normal(400)
            for name, spread in (("better", 1.0), ("worse", 2.0))
        }
        auc = {
            name: compare._auc(
                score,
                truth,
                np.arange(40),
                np.empty(0),
                np.random.default_rng(seed).standard_exponential((200, 40))[:, truth.query],
            )
            for name, score in scores.items()
        }
        low, high = (auc["better"] - auc["worse"]).interval()
        # AUC of a normal shift of 1 under noise s is Φ(1 / (s √2)).
        covered += low <= 0.7602 - 0.6382 <= high
    assert covered >= 51  # 95 % of 60 is 57; fewer than 51 has probability below 0.01
