"""Prediction sets: the promise, the rule behind it, and what is refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from labelkit.errors import GoldError, LabelModelError
from labelkit.labelmodels import OneCoin, labels_needed, prediction_sets
from labelkit.labelmodels.sets import conformal_scores, conformal_threshold


def test_equal_weights_give_the_order_statistic_of_split_conformal_prediction() -> None:
    rng = np.random.default_rng(0)
    for g in (9, 19, 100, 101):
        scores = rng.random(g)
        for alpha in (0.1, 0.2, 0.5):
            rank = int(np.ceil((1 - alpha) * (g + 1) - 1e-9))
            expected = np.sort(scores)[rank - 1] if rank <= g else np.inf
            assert conformal_threshold(scores, np.ones(g), alpha) == expected


def test_equally_probable_classes_are_equally_strange() -> None:
    scores = conformal_scores(np.array([[0.25, 0.5, 0.25], [1 / 3, 1 / 3, 1 / 3]]))
    np.testing.assert_allclose(scores, [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize("score", ["aps", "threshold"])
def test_without_enough_gold_no_class_is_ruled_out(score) -> None:
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(3), 50)
    few = labels_needed(0.1) - 1
    found = prediction_sets(proba, proba[:few], np.zeros(few, int), score=score)
    assert found.member.all()
    assert found.threshold == np.inf
    right = np.eye(3)[np.zeros(few + 1, int)] * 0.97 + 0.01
    enough = prediction_sets(proba, right, np.zeros(few + 1, int), score=score)
    assert not enough.member.all()


def test_the_number_of_labels_needed_is_the_published_one() -> None:
    assert [labels_needed(a) for a in (0.5, 0.1, 0.05)] == [1, 9, 19]
    # Beta(l, g + 1 - l): in 9 of 10 draws of so much gold the coverage is above 85 %.
    g = labels_needed(0.1, within=0.05)
    rank = int(np.ceil(0.9 * (g + 1) - 1e-9))
    draws = np.sort(np.random.default_rng(0).random((4000, g)), axis=1)[:, rank - 1]
    assert (draws >= 0.85).mean() == pytest.approx(0.9, abs=0.03)
    assert 40 < g < 90


def test_the_best_class_is_in_every_set_and_sizes_grow_with_the_promise(simulate) -> None:
    simulated = simulate(balance=(1 / 3, 1 / 3, 1 / 3))
    gold = np.where(np.arange(4000) < 300, simulated.truth, -1)
    model = OneCoin(3).fit(simulated.L)
    proba = model.predict_proba(simulated.L)
    sizes = []
    for alpha in (0.4, 0.2, 0.05):
        found = model.predict_sets(simulated.L, gold, alpha=alpha)
        assert found.member[np.arange(4000), proba.argmax(axis=1)].all()
        sizes.append(found.size.mean())
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_gold_that_was_fitted_to_is_refused_in_arrays_and_in_tables(simulate, keyed_votes) -> None:
    simulated = simulate(400)
    row = np.arange(400)
    fitted = np.where(row < 50, simulated.truth, -1)
    others = np.where((row >= 50) & (row < 100), simulated.truth, -1)
    model = OneCoin().fit(simulated.L, gold=fitted)
    assert model.predict_sets(simulated.L, others).n_gold == 50
    overlapping = np.where(row < 60, simulated.truth, -1)
    with pytest.raises(GoldError, match="50 of 60 gold labels for prediction sets"):
        model.predict_sets(simulated.L, overlapping)

    votes = keyed_votes(simulated.L)
    table = pl.DataFrame(
        {
            "query": [f"q{i // 10:05d}" for i in range(100)],
            "item": [f"i{i % 10}" for i in range(100)],
            "label": simulated.truth[:100],
        }
    )
    model = OneCoin().fit(votes, gold=table[:50])
    assert model.predict_sets(votes, table[50:]).n_gold == 50
    with pytest.raises(GoldError, match="first: query 'q00004', item 'i0'"):
        model.reliability(votes, table[40:])


def test_bad_levels_and_no_gold_are_refused() -> None:
    proba = np.full((4, 2), 0.5)
    with pytest.raises(LabelModelError, match=r"alpha=1 is not in \(0, 1\)"):
        prediction_sets(proba, proba, np.zeros(4, int), alpha=1)
    with pytest.raises(GoldError, match="needs 19 gold labels"):
        prediction_sets(proba, proba[:0], np.zeros(0, int), alpha=0.05)
    with pytest.raises(LabelModelError, match="neither 'aps' nor 'threshold'"):
        prediction_sets(proba, proba, np.zeros(4, int), score="lac")  # type: ignore[arg-type]
