"""Where end model and labels part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

import labelkit as lk
from labelkit.endmodels import EndModel, compare, soft_labels


def test_counts_shares_and_the_most_confident_difference() -> None:
    table = pl.DataFrame(
        {
            "query": list("aabbc"),
            "item": [1, 2, 1, 2, 1],
            "p_0": [0.9, 0.8, 0.3, 0.6, 0.5],
            "p_1": [0.1, 0.2, 0.7, 0.4, 0.5],
            "covered": [True, True, True, True, False],
        }
    )
    end = np.array([[0.8, 0.2], [0.4, 0.6], [0.2, 0.8], [0.1, 0.9], [0.3, 0.7]])
    found = compare(soft_labels(table), end)
    assert (found.n, found.n_covered, found.agreement) == (5, 4, 0.5)
    np.testing.assert_array_equal(found.confusion, [[1, 2], [0, 1]])
    np.testing.assert_array_equal(found.uncovered_share, [0, 1])
    assert found.frame.select("query", "item").rows() == [("b", 2), ("c", 1), ("a", 2)]
    assert found.frame.row(0, named=True)["p_end"] == 0.9


def test_both_label_sets_are_validated_as_a_pair(
    make_world: Callable[..., Any], engine: Callable[[pl.DataFrame], Any]
) -> None:
    """What the end model adds, on gold: through `lk.validate`, with an interval."""
    world = make_world(n=1500, accuracy=0.7)
    table = world.table().with_columns(
        label=pl.Series(world.proba.argmax(axis=1)), margin=pl.lit(0.4)
    )
    model = EndModel(LogisticRegression()).fit(world.X, engine(table))
    gold = table.select("query", "item", label=pl.Series(world.truth)).filter(
        pl.col("item") % 3 == 0
    )
    report = lk.validate(
        model.out_of_fold_labels(), gold, baselines={"label model": table.drop("covered")}
    )
    frame = nw.from_native(report.frame, eager_only=True).to_polars()
    accuracy = frame.filter(pl.col("metric") == "accuracy")
    assert accuracy.height >= 2
    pairs = nw.from_native(report.difference, eager_only=True).to_polars()
    won = pairs.filter(pl.col("metric") == "accuracy").row(0, named=True)
    assert won["low"] > 0.1


def test_array_labels_are_named_by_row(make_world: Callable[..., Any]) -> None:
    world = make_world()
    found = EndModel(LogisticRegression()).fit(world.X, world.proba).comparison()
    assert found.frame.columns[0] == "row"
    assert found.n_covered == 400
    assert found.agreement == pytest.approx(1 - found.frame.height / 400)
    assert np.isnan(found.uncovered_share).all()
