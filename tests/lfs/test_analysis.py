"""``analyze`` and gold: figures from patterns, intervals from a library, keys from any engine."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelkit import Votes, analyze, apply, col, labeling_function, vote
from labelkit.errors import GoldError, LFError
from labelkit.lfs import align_gold, wilson

L = [[1, 0, -1], [1, -1, -1], [-1, -1, -1], [0, 0, -1]]


def votes_with_keys(in_engine, engine="polars"):
    @labeling_function
    def high():
        return vote(1, where=col("x") > 2) | vote(0, where=col("x") < 1)

    frame = pl.DataFrame(
        {"query": ["a", "a", "b", "b"], "item": [1, 2, 1, 2], "x": [3.0, 0.0, 5.0, None]}
    )
    return apply([high], in_engine(frame, engine))


def test_coverage_overlaps_conflicts_and_polarity_by_hand():
    table = analyze(Votes.from_matrix(L, lf_names=["a", "b", "c"]))
    assert table["lf"].to_list() == ["a", "b", "c"]
    assert table["polarity"].to_list() == [[0, 1], [0], []]
    assert table["coverage"].to_list() == [0.75, 0.5, 0.0]
    assert table["overlaps"].to_list() == [0.5, 0.5, 0.0]
    assert table["conflicts"].to_list() == [0.25, 0.25, 0.0]
    assert "accuracy" not in table.columns


def test_accuracy_counts_only_examples_with_gold_and_knows_nothing_of_silent_functions():
    table = analyze(Votes.from_matrix(L), gold=np.array([1, 0, 1, -1]))
    assert table["correct"].to_list() == [1, 0, 0]
    assert table["incorrect"].to_list() == [1, 1, 0]
    assert table["accuracy"].to_list() == [0.5, 0.0, None]
    assert table["accuracy_low"].to_list()[2] is None
    assert 0 < table["accuracy_low"][0] < 0.5 < table["accuracy_high"][0] < 1


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 200), st.sampled_from([0.5, 0.9, 0.95]))
def test_wilsons_interval_solves_wilsons_equation(successes, more, level):
    """Both ends are the p at which the observed rate is z standard errors away (Wilson 1927)."""
    from scipy.stats import norm

    n = successes + more
    low, high = wilson(np.array([successes]), np.array([n]), level=level)
    z = norm.ppf(0.5 + level / 2)
    for p in (low[0], high[0]):
        assert (successes / n - p) ** 2 == pytest.approx(z**2 * p * (1 - p) / n, abs=1e-9)
    assert 0 <= low[0] <= successes / n <= high[0] <= 1


def test_a_level_outside_0_and_1_is_refused():
    with pytest.raises(LFError, match="between 0 and 1"):
        wilson(np.array([1]), np.array([2]), level=95)


def test_the_analysis_comes_back_in_the_kind_of_the_examples(engine, in_engine):
    votes = votes_with_keys(in_engine, engine)
    # Spark has no frame for a table of a few rows but pandas'.
    wanted = pd.DataFrame if engine == "pyspark" else type(votes.to_native())
    assert type(analyze(votes)) is wanted


def test_gold_finds_its_example_by_key_on_any_engine(engine, in_engine):
    gold = pl.DataFrame({"query": ["b", "a"], "item": [1, 2], "label": [1, 1], "round": [1, 1]})
    votes = votes_with_keys(in_engine)
    assert align_gold(votes, in_engine(gold, engine)).tolist() == [-1, 1, 1, -1]
    table = analyze(votes, gold=in_engine(gold, engine))
    assert table.select("correct", "incorrect").row(0) == (1, 1)


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        (pl.DataFrame({"item": [1], "label": [1]}), "lacks query"),
        (pl.DataFrame({"query": ["a"], "item": [1]}), "lacks label"),
        (
            pl.DataFrame({"query": ["a", "a"], "item": [1, 1], "label": [1, 0]}),
            r"1 examples have more than one gold label \(first: query 'a', item 1\)",
        ),
        (pl.DataFrame({"query": ["a"], "item": [1], "label": [2]}), "outside the 2 classes"),
        (pl.DataFrame({"query": ["a"], "item": [1], "label": [0.5]}), "outside the 2 classes"),
        (
            pl.DataFrame({"query": ["A"], "item": [1], "label": [1]}),
            "None of the 1 gold labels belongs to an example.*'A'.*'a'",
        ),
        (
            pl.DataFrame({"query": ["a"], "item": ["one"], "label": [1]}),
            "'item' is String in gold and Int64",
        ),
        (np.array([1, 0]), r"shape \(2,\), but there are 4 examples"),
        ([1, 0, 1, 3], "first: 3 at row 3"),
    ],
)
def test_gold_that_cannot_be_matched_is_refused(in_engine, gold, message):
    with pytest.raises(GoldError, match=message):
        align_gold(votes_with_keys(in_engine), gold)


def test_gold_whose_keys_are_of_another_type_still_finds_its_example(in_engine):
    gold = pl.DataFrame({"query": ["b"], "item": ["1"], "label": [1]})
    assert align_gold(votes_with_keys(in_engine), gold).tolist() == [-1, -1, 1, -1]
