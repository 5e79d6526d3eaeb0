"""How many labels a target takes, what they cost, and when to stop."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.errors import SelectionError
from labelkit.selection import (
    Target,
    found_share,
    plan_labels,
    stop_at_plateau,
    stop_at_price,
    stop_at_recall,
    stop_at_width,
)
from labelkit.selection.planning import read_target
from labelkit.selection.planning.confusion import METRICS, table_metric
from labelkit.validation import metrics


def pool_with_truth(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.2).astype(int)
    odds = -1.4 + 2 * (rng.normal(size=n) + 2 * y - 1)
    p = 1 / (1 + np.exp(-odds))
    return pl.DataFrame(
        {"query": np.arange(n) // 5, "item": np.arange(n), "p_0": 1 - p, "p_1": p}
    ), y


def answered(batch, y, round_=0):
    frame = batch.frame.select("query", "item", "inclusion_probability")
    return frame.with_columns(label=y[frame["item"].to_numpy()], round=round_)


@pytest.fixture(scope="module")
def labeled():
    pool, y = pool_with_truth()
    return pool, y, answered(lk.select(pool, 150, audit_share=0.5, seed=3), y)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("f1 ± 0.03", Target("f1", 0.03)),
        ("F1 +- 0.03", Target("f1", 0.03)),
        ("recall+/-5%", Target("recall", 0.05)),
        ("accuracy ± .02", Target("accuracy", 0.02)),
    ],
)
def test_a_target_is_read_as_people_write_it(text, target):
    assert read_target(text) == target


@pytest.mark.parametrize(
    "text", ["f1", "f1 0.03", "auc ± 0.03", "f1 ± 0", "f1 ± 0.6", "f1 ± 1.2.3"]
)
def test_a_target_that_says_nothing_is_refused_with_an_example(text):
    with pytest.raises(SelectionError, match=r"as in 'f1 ± 0.03'"):
        read_target(text)


@pytest.mark.parametrize("k", [2, 4])
def test_metrics_of_tables_are_those_of_the_validation_room_on_rows(k):
    rng = np.random.default_rng(k)
    y, label = rng.integers(k, size=200), rng.integers(k, size=200)
    table = np.zeros((k, k))
    np.add.at(table, (label, y), 1)
    for metric in METRICS:
        if metric == "accuracy":
            expected = metrics.accuracy(y, label)
        else:
            one = getattr(metrics, metric)
            each = [float(one(y, label, positive=c)) for c in range(k)]
            expected = each[1] if k == 2 else np.mean(each)
        assert table_metric(table, metric) == pytest.approx(float(expected))


def test_a_tighter_target_takes_more_labels_and_costs_in_proportion(labeled):
    pool, _, gold = labeled
    loose = plan_labels(pool, "f1 ± 0.10", gold=gold, cost_per_label=0.5, seconds_per_label=36)
    tight = plan_labels(pool, "f1 ± 0.06", gold=gold, cost_per_label=0.5, seconds_per_label=36)
    assert 0 < loose.n_labels < tight.n_labels
    assert tight.low <= tight.n_labels <= tight.high
    assert tight.cost == tight.n_labels * 0.5
    assert tight.hours == pytest.approx(tight.n_labels / 100)
    assert f"{tight.n_labels:,} more labels" in str(tight)
    curve = tight.frame
    assert curve["half_width"].is_sorted(descending=True)
    assert (curve["half_width_low"] <= curve["half_width"]).all()
    assert (curve["half_width"] <= curve["half_width_high"]).all()
    assert curve["cost"].to_list() == (curve["n_labels"] * 0.5).to_list()


def test_the_present_half_width_is_that_of_validate(labeled):
    pool, _, gold = labeled
    report = lk.validate(pool, gold).frame
    for metric in METRICS:
        row = report.filter(metric=metric).row(0, named=True)
        now = plan_labels(pool, f"{metric} ± 0.01", gold=gold).half_width_now
        assert now == pytest.approx((row["high"] - row["low"]) / 2, rel=0.1)


def test_a_met_target_takes_none_and_one_out_of_reach_says_so(labeled):
    pool, _, gold = labeled
    met = plan_labels(pool, "accuracy ± 0.3", gold=gold)
    assert (met.n_labels, met.low, met.high) == (0, 0, 0)
    assert "met already" in str(met)
    far = plan_labels(pool, "f1 ± 0.001", gold=gold, n_max=100)
    assert (far.n_labels, far.cost) == (None, None)
    assert "out of reach" in str(far)


def test_without_gold_the_soft_labels_speak_and_the_futures_spread_wider(labeled):
    pool, _, gold = labeled
    blind = plan_labels(pool, "f1 ± 0.05")
    assert np.isnan(blind.half_width_now)
    assert blind.frame["gain_per_label"][0] is None

    def spread(plan):
        last = plan.frame.filter(pl.col("n_labels") > 300).row(0, named=True)
        return last["half_width_high"] - last["half_width_low"]

    assert spread(blind) > spread(plan_labels(pool, "f1 ± 0.05", gold=gold))


def test_more_than_two_classes_are_planned_for_too():
    rng = np.random.default_rng(1)
    p = rng.dirichlet([0.3] * 4, 800)
    pool = pl.DataFrame({"query": np.arange(800) // 4, "item": np.arange(800),
                         **{f"p_{c}": p[:, c] for c in range(4)}})  # fmt: skip
    plan = plan_labels(pool, "f1 ± 0.05")
    assert 0 < plan.n_labels < 800


@pytest.mark.parametrize("kind", ["polars lazy", "pandas", "pyarrow", "duckdb"])
def test_every_engine_gives_the_same_plan(labeled, kind):
    from tests.selection.conftest import ENGINES

    pool, _, gold = labeled
    expected = plan_labels(pool, "recall ± 0.06", gold=gold)
    shuffled = pool.sample(fraction=1, shuffle=True, seed=5)
    got = plan_labels(ENGINES[kind](shuffled), "recall ± 0.06", gold=ENGINES[kind](gold))
    assert got.n_labels == expected.n_labels
    assert got.frame.equals(expected.frame)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.drop("label"), "no column 'label'"),
        (lambda g: g.with_columns(label=9), "150 of 150 gold labels are outside the classes"),
        (lambda g: pl.concat([g, g[:2]]), "4 of 152 rows of the gold share their key"),
        (lambda g: g.with_columns(item=pl.col("item") + 10**6), "150 of 150 rows of the gold have"),
        (lambda g: g.with_columns(inclusion_probability=0.0), "outside .0, 1."),
        (lambda g: g.with_columns(label=pl.lit(None, pl.Int64)), "rows without a value"),
    ],
)
def test_gold_that_cannot_be_used_is_refused_by_count_and_example(labeled, change, message):
    pool, _, gold = labeled
    with pytest.raises(SelectionError, match=message):
        plan_labels(pool, "f1 ± 0.05", gold=change(gold))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"audit_share": 0.0}, "only an audit sample narrows"),
        ({"strategy": "best"}, "cannot be planned"),
        ({"level": 95}, "between 0 and 1"),
        ({"cost_per_label": -1.0}, "at least 0"),
        ({"positive": 2}, "none of the classes"),
        ({"n_max": 0}, "nothing left to plan"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(labeled, arguments, message):
    with pytest.raises(SelectionError, match=message):
        plan_labels(labeled[0], "f1 ± 0.05", **arguments)


def test_the_width_rule_stops_where_the_interval_is_narrow_enough():
    assert stop_at_width(0.7, 0.75, "f1 ± 0.03").stop
    assert not stop_at_width(0.7, 0.78, "f1 ± 0.03").stop


def test_a_plateau_needs_evidence_and_not_only_a_lack_of_gain():
    rng = np.random.default_rng(0)
    right = (rng.random(4000) < 0.8).astype(float)
    few, many = slice(0, 30), slice(0, 4000)
    assert not stop_at_plateau(right[few], right[few], min_gain=0.02).stop
    assert stop_at_plateau(right[many], right[many], min_gain=0.02).stop
    better = np.maximum(right, rng.random(4000) < 0.3)
    assert not stop_at_plateau(right, better, min_gain=0.02).stop
    # More looks ask for more evidence.
    once = stop_at_plateau(right[:200], right[:200], min_gain=0.02)
    often = stop_at_plateau(right[:200], right[:200], min_gain=0.02, looks=10)
    assert often.value > once.value
    with pytest.raises(SelectionError, match="must be alike"):
        stop_at_plateau([1, 0], [1, 0, 1], min_gain=0.1)


def test_what_is_left_to_find_is_estimated_from_the_audit_alone(labeled):
    pool, y, gold = labeled
    found = found_share(pool, gold)
    assert found.n_found == int(gold["label"].sum())
    assert found.low < found.share < 1
    assert abs(found.n_left - (y.sum() - found.n_found)) < 120
    assert not stop_at_recall(found, 0.9).stop
    everything = answered(lk.select(pool, 1495, audit_share=0.2), y)
    assert stop_at_recall(found_share(pool, everything), 0.9).stop
    with pytest.raises(SelectionError, match="use up"):
        stop_at_recall(found_share(pool, gold, level=0.8), 0.9, looks=5)
    certain = gold.filter(pl.col("inclusion_probability") == 1)
    with pytest.raises(SelectionError, match="Audit some"):
        found_share(pool, certain)


def test_the_price_rule_weighs_the_next_labels_against_their_cost(labeled):
    pool, _, gold = labeled
    plan = plan_labels(pool, "f1 ± 0.02", gold=gold, cost_per_label=1.0)
    assert stop_at_price(plan, n_next=100, worth_per_point=0.01).stop
    assert not stop_at_price(plan, n_next=100, worth_per_point=1000).stop
    with pytest.raises(SelectionError, match="cost_per_label"):
        stop_at_price(plan_labels(pool, "f1 ± 0.02", gold=gold), n_next=10, worth_per_point=1)
