"""The loop with a scripted annotator: nothing leaks, and the better strategy wins."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from labelkit.errors import SelectionError
from labelkit.selection import simulate_rounds
from labelkit.selection.simulation.annotator import script
from labelkit.selection.simulation.learner import METRICS, believe, default_learner


def world(n=600, seed=0):
    """Two interleaved half-planes; uninformative weak labels, two features, one of which tells."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    y = (x[:, 0] + 0.3 * rng.normal(size=n) > 0).astype(int)
    labels = pl.DataFrame(
        {"query": np.arange(n) // 4, "item": np.arange(n), "p_0": 0.5, "p_1": 0.5}
    )
    return labels, labels.select("query", "item", label=pl.Series(y)), x


def test_all_strategies_start_alike_and_are_compared_in_pairs():
    labels, truth, x = world()
    found = simulate_rounds(labels, truth, features=x, rounds=3, n=10, seeds=3, cost=2.5)
    assert found.summary["strategy"].to_list()[-1] == "random"
    start = found.frame.filter(round=0)
    assert start["quality"].n_unique() == 1
    assert start["n_labels"].unique().to_list() == [10]
    end = found.frame.filter(round=3)
    assert end["n_labels"].unique().to_list() == [40]
    assert end["cost"].to_list() == [100.0] * len(end)
    random = found.summary.filter(strategy="random").row(0, named=True)
    assert (random["gain"], random["gain_low"], random["gain_high"]) == (0, 0, 0)
    assert (found.frame["low"] <= found.frame["quality"]).all()


def test_the_same_seed_gives_the_same_curves_whatever_the_order_of_rows():
    labels, truth, x = world()
    order = np.random.default_rng(4).permutation(len(labels))
    first = simulate_rounds(labels, truth, features=x, rounds=2, n=10, seeds=2, seed=7)
    again = simulate_rounds(
        labels[order.tolist()], truth[::-1], features=x[order], rounds=2, n=10, seeds=2, seed=7
    )
    assert first.frame.equals(again.frame)


def test_uncertainty_beats_random_where_the_border_is_all_there_is_to_learn():
    labels, truth, x = world(1500)
    found = simulate_rounds(
        labels, truth, features=x, strategies=["margin"], rounds=4, n=15, seeds=8,
        metric="log_likelihood", n_first=15,
    )  # fmt: skip
    accuracy = simulate_rounds(
        labels, truth, features=x, strategies=["margin"], rounds=4, n=15, seeds=8,
        metric="accuracy", n_first=15,
    )  # fmt: skip
    assert accuracy.summary.filter(strategy="margin")["gain"][0] > 0
    assert set(found.summary["strategy"]) == {"margin", "random"}
    assert "margin" in str(accuracy)


def test_an_annotator_that_errs_costs_quality_and_errs_at_its_rate():
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=20_000)
    answers = script(truth, cardinality=3, error_rate=0.2, cost=1.0, rng=rng)
    wrong = answers.label != truth
    assert wrong.mean() == pytest.approx(0.2, abs=0.012)
    others = (answers.label[wrong] - truth[wrong]) % 3
    assert (others == 1).mean() == pytest.approx(0.5, abs=0.03)
    labels, known, x = world()
    quality = [
        simulate_rounds(labels, known, features=x, strategies=[], rounds=3, n=20, seeds=5,
                        metric="accuracy", error_rate=e).summary["final"][0]
        for e in (0.0, 0.4)
    ]  # fmt: skip
    assert quality[0] > quality[1] + 0.02


def test_a_truth_that_nobody_asked_about_changes_nothing_but_the_examination():
    """Flip the truth of everything: a learner that had peeked would still know the old one."""
    labels, truth, x = world()
    flipped = truth.with_columns(label=1 - pl.col("label"))
    arguments = {"features": x, "strategies": ["margin"], "rounds": 2, "n": 10, "seeds": 2}
    plain = simulate_rounds(labels, truth, metric="accuracy", **arguments)
    other = simulate_rounds(labels, flipped, metric="accuracy", **arguments)
    np.testing.assert_allclose(plain.frame["quality"], other.frame["quality"], atol=0.02)


def test_answers_of_one_class_leave_the_weak_labels_standing():
    weak = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    p = believe(default_learner(), np.eye(3), np.array([0, 1]), np.array([1, 1]), weak)
    np.testing.assert_array_equal(p, weak)


def test_a_class_that_no_answer_has_named_keeps_a_little_probability():
    weak = np.full((4, 3), 1 / 3)
    p = believe(
        default_learner(), np.arange(4.0)[:, None], np.array([0, 3]), np.array([0, 2]), weak
    )
    assert (p[:, 1] > 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_grows_with_labels(metric):
    labels, truth, x = world()
    found = simulate_rounds(labels, truth, features=x, strategies=[], rounds=4, n=20, seeds=4,
                            n_first=5, metric=metric)  # fmt: skip
    quality = found.frame["quality"].to_list()
    assert quality[-1] > quality[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 1}, "at least two"),
        ({"metric": "auc"}, "choose from"),
        ({"n": 1000}, "labels are asked for"),
        ({"held_out": 0.0001}, "cannot be split"),
        ({"error_rate": 1.0}, "is not in"),
        ({"rounds": 0}, "at least one of each"),
        ({"features": np.zeros((3, 2))}, "one row for each of the 600 labels"),
        ({"features": np.full((600, 1), np.nan)}, "600 of 600 feature rows"),
        ({"cost": np.ones(3)}, "cost has 3 rows"),
        ({"strategies": ["best"]}, "is not known"),
    ],
)
def test_what_cannot_be_simulated_is_refused(change, message):
    labels, truth, x = world()
    arguments = {"features": x, "rounds": 1, "n": 5, "seeds": 2, **change}
    with pytest.raises(SelectionError, match=message):
        simulate_rounds(labels, truth, **arguments)


def test_truth_of_one_class_has_nothing_to_teach():
    labels, truth, x = world()
    with pytest.raises(SelectionError, match="fewer than two classes"):
        simulate_rounds(labels, truth.with_columns(label=1), features=x)
