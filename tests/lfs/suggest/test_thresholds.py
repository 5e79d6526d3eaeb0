"""Thresholds learned from gold: what is chosen, what it is worth, and when there is too little."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.errors import GoldError, LFError
from labelkit.lfs import labeling_function, load_lfs, vote
from labelkit.lfs.expression import col
from labelkit.lfs.suggest import learn_thresholds
from labelkit.lfs.templates import click_rate, long_dwell, template


@pytest.fixture(scope="module")
def world():
    """Half of 1,000 examples are relevant above 42 seconds, with one label in ten turned round."""
    rng = np.random.default_rng(3)
    dwell = rng.integers(0, 120, 1_000)
    relevant = (dwell > 42) ^ (rng.random(1_000) < 0.1)
    examples = pl.DataFrame(
        {"query": np.arange(1_000) // 5, "item": np.arange(1_000), "dwell_max": dwell}
    )
    gold = examples.select("query", "item", label=pl.Series(relevant.astype(int)))
    return examples, gold


def test_it_finds_the_threshold_that_labels_follow(world):
    learned = learn_thresholds(long_dwell, *world)
    assert learned.thresholds == {"seconds": 45}
    assert learned.accuracy.low < 0.9 < learned.accuracy.high
    assert learned.coverage == pytest.approx((world[0]["dwell_max"] >= 45).mean())
    assert learned.n_gold == 1_000
    assert learned.n_agreeing >= 4
    assert "long_dwell(seconds=45): right in" in str(learned)


def test_the_curve_shows_every_value_and_reads_off_the_gold_that_chose(world):
    examples, gold = world
    curve = learn_thresholds(long_dwell, examples, gold).curve
    assert curve["seconds"].to_list() == list(long_dwell.grid["seconds"])
    for row in curve.iter_rows(named=True):
        votes = lk.apply([long_dwell(seconds=row["seconds"])], examples)
        analysis = lk.analyze(votes, gold=gold)
        assert row["accuracy"] == pytest.approx(analysis["accuracy"][0])
        assert row["coverage"] == pytest.approx(analysis["coverage"][0])
        assert row["low"] == pytest.approx(analysis["accuracy_low"][0])


def test_the_other_criterion_takes_the_widest_that_is_accurate_enough(world):
    grid = {"seconds": range(5, 90, 5)}
    wide = learn_thresholds(
        long_dwell,
        *world,
        criterion="coverage",
        min_accuracy=0.6,
        grid=grid,
    )
    narrow = learn_thresholds(
        long_dwell,
        *world,
        criterion="coverage",
        min_accuracy=0.8,
        grid=grid,
    )
    assert wide.thresholds["seconds"] < narrow.thresholds["seconds"] <= 45
    assert wide.coverage > narrow.coverage
    with pytest.raises(GoldError, match="No value is right in at least 99%"):
        learn_thresholds(long_dwell, *world, criterion="coverage", min_accuracy=0.99)


def test_several_thresholds_are_learned_together():
    rng = np.random.default_rng(0)
    n = 600
    rate = rng.uniform(0.02, 0.4, n)
    frame = pl.DataFrame(
        {
            "query": np.arange(n) // 6,
            "item": np.arange(n),
            "ctr": rate,
            "ctr_low": rate * 0.8,
            "ctr_high": rate * 1.2,
        }
    )
    gold = frame.select("query", "item", label=(pl.col("ctr") > 0.2).cast(int))
    learned = learn_thresholds(click_rate, frame, gold)
    assert set(learned.thresholds) == {"above", "below"}
    assert len(learned.curve) == 20
    assert learned.accuracy.low > 0.8


def test_gold_counts_by_one_over_its_inclusion_probability():
    # In the log one vote in two is right; gold took four times as many of the right ones.
    n = 400
    examples = pl.DataFrame({"query": np.arange(n), "item": np.arange(n), "dwell_max": [99] * n})
    label = np.arange(n) % 5 > 0
    gold = examples.select(
        "query",
        "item",
        label=pl.Series(label.astype(int)),
        inclusion_probability=pl.Series(np.where(label, 0.8, 0.2)),
    )
    naive = learn_thresholds(
        long_dwell, examples, gold.drop("inclusion_probability"), grid={"seconds": (30, 60)}
    )
    weighted = learn_thresholds(long_dwell, examples, gold, grid={"seconds": (30, 60)})
    assert naive.accuracy.low > 0.7
    assert weighted.accuracy.low < 0.5 < weighted.accuracy.high
    assert weighted.accuracy.effective_n < naive.accuracy.effective_n


def test_a_function_of_thresholds_of_ones_own_needs_a_grid(world):
    def clicked(at_least):
        @labeling_function
        def clicked():
            """Stays."""
            return vote(1, where=col("dwell_max") >= at_least)

        return clicked

    with pytest.raises(LFError, match="no value to try"):
        learn_thresholds(clicked, *world)
    learned = learn_thresholds(clicked, *world, grid={"at_least": (10, 45, 100)})
    assert learned.thresholds == {"at_least": 45} or learned.thresholds == {"at_least": 100}


def test_it_says_when_gold_is_too_small_to_choose_and_to_judge(world):
    examples, gold = world
    with pytest.raises(GoldError, match=r"Gold is too small.*of 15 gold labels at most"):
        learn_thresholds(long_dwell, examples, gold.head(15))
    one_query = examples.with_columns(query=pl.col("item") // 250)
    with pytest.raises(GoldError, match="in 4 queries"):
        learn_thresholds(long_dwell, one_query, gold.with_columns(query=pl.col("item") // 250))
    with pytest.raises(GoldError, match=r"No value votes on 100\.0% of the examples"):
        learn_thresholds(long_dwell, examples, gold, min_coverage=1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"criterion": "f1"}, "criterion is"),
        ({"min_coverage": 2}, "min_coverage lies in"),
        ({"level": 1.0}, "level of an interval"),
        ({"n_folds": 1}, "n_folds is at least 2"),
        ({"grid": {"seconds": range(1, 600)}}, "599 combinations"),
        ({"grid": {"seconds": ()}}, "no value to try"),
    ],
)
def test_wrong_settings_are_named(world, wrong, says):
    with pytest.raises(LFError, match=says):
        learn_thresholds(long_dwell, *world, **wrong)


def test_impossible_inclusion_probabilities_are_refused(world):
    examples, gold = world
    with pytest.raises(GoldError, match=r"1,000 gold labels have no inclusion_probability"):
        learn_thresholds(long_dwell, examples, gold.with_columns(inclusion_probability=pl.lit(0.0)))


def test_the_same_seed_and_gold_in_any_order_give_the_same(world):
    examples, gold = world
    first = learn_thresholds(long_dwell, examples, gold, seed=4)
    again = learn_thresholds(
        long_dwell, examples, gold.sample(fraction=1, shuffle=True, seed=9), seed=4
    )
    assert first.accuracy == again.accuracy
    assert first.curve.equals(again.curve)


def test_the_code_loads_with_the_learned_value(world, tmp_path):
    code = learn_thresholds(long_dwell, *world).code()
    (tmp_path / "mine.py").write_text(f"from labelkit.lfs import templates\n\n{code}")
    (lf,) = load_lfs(["mine"], tmp_path)
    assert lf.rule == "1 where dwell_max >= 45"


def test_the_code_of_a_template_of_ones_own_calls_it_under_another_name(world):
    @template(seconds=(10, 45, 100))
    def stays(seconds=1):
        """Stays."""
        return vote(1, where=col("dwell_max") >= seconds)

    code = learn_thresholds(stays, *world).code()
    assert "learned_stays = stays(seconds=" in code
