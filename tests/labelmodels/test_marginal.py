"""Marginal value: what is left when an LF is left out, without fitting from scratch by hand."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from labelkit import LabelModel, Votes
from labelkit.errors import LabelModelError
from labelkit.labelmodels import marginal_value

KEYS = ("query", "item")


def made(seed: int = 0, n: int = 3000):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)

    def lf(accuracy: float, coverage: float):
        said = np.where(rng.random(n) < accuracy, y, 1 - y)
        return np.where(rng.random(n) < coverage, said, -1).astype(np.int8)

    columns = {
        "query": np.arange(n) // 10,
        "item": np.arange(n) % 10,
        "good": lf(0.9, 0.6),
        "fair": lf(0.7, 0.5),
        "coin": lf(0.5, 0.5),
        "wrong": lf(0.2, 0.3),
    }
    columns["copy"] = columns["good"].copy()
    table = pl.DataFrame(columns)
    votes = Votes(nw.from_native(table), KEYS, tuple(table.columns[2:]), 2, table.clear())
    return votes, table.select(*KEYS, label=pl.Series(y))


@pytest.mark.parametrize("method", ["majority", "onecoin", "snorkel"])
def test_leaving_out_is_fitting_to_the_others(method):
    votes, _ = made()
    found = marginal_value(votes, method=method)
    whole = LabelModel(2, method).fit(votes)
    for j, row in enumerate(found.to_dicts()):
        rest = np.delete(votes.matrix, j, axis=1)
        without = LabelModel(2, method).fit(rest)
        p, q = whole.predict_proba(votes), without.predict_proba(rest)
        assert row["probability_moved"] == pytest.approx(np.abs(p - q).sum(axis=1).mean() / 2)
        changed = (whole.predict(votes) != without.predict(rest)).mean()
        assert row["labels_changed"] == pytest.approx(changed, abs=2e-3)
        only = (votes.matrix[:, j] >= 0) & (rest < 0).all(axis=1)
        assert row["coverage_lost"] == pytest.approx(only.mean())


def test_gold_tells_what_helps_from_what_harms():
    votes, truth = made()
    gold = truth.sample(600, seed=1).with_columns(inclusion_probability=pl.lit(0.2))
    rows = {row["lf"]: row for row in marginal_value(votes, gold, method="majority").to_dicts()}
    assert rows["fair"]["log_loss_gain_low"] > 0
    assert rows["coin"]["accuracy_gain_low"] < 0 < rows["coin"]["accuracy_gain_high"]
    # An LF that is wrong four times in five tells as much as one that is right: the calibration
    # turns it round, which is worth having; a plain count of votes is hurt by it.
    assert rows["good"]["accuracy_gain"] < 0.02, "its copy stays"
    for row in rows.values():
        for figure in ("accuracy_gain", "log_loss_gain"):
            assert row[f"{figure}_low"] <= row[figure] <= row[f"{figure}_high"]


def test_gold_is_judged_by_models_that_did_not_see_it():
    """With gold that is noise, a model that had seen it would look better with every LF."""
    votes, truth = made()
    noise = truth.sample(200, seed=2).with_columns(
        label=pl.Series(np.random.default_rng(3).integers(0, 2, 200))
    )
    found = marginal_value(votes, noise, method="onecoin")
    assert found["accuracy_gain"].abs().max() < 0.12
    # One lower end in forty is above zero by chance; what must not be there is a gain of size.
    assert found["log_loss_gain_low"].max() < 0.01


def test_the_only_function_is_worth_all_that_there_is():
    table = pl.DataFrame({"query": [1, 2, 3, 4], "item": 1, "f": [1, 1, 0, -1]})
    table = table.with_columns(pl.col("f").cast(pl.Int8))
    votes = Votes(nw.from_native(table), KEYS, ("f",), 2, table.clear())
    (row,) = marginal_value(votes).to_dicts()
    assert row["coverage_lost"] == 0.75
    assert row["labels_changed"] == 0.5, "without a vote all are of class 0"
    gold = table.select(*KEYS, label=pl.Series([1, 1, 0, 0]))
    (judged,) = marginal_value(votes, gold).to_dicts()
    assert judged["accuracy_gain_low"] <= judged["accuracy_gain"] <= judged["accuracy_gain_high"]


def test_a_cluster_that_is_no_key_is_refused():
    votes, truth = made(n=200)
    with pytest.raises(LabelModelError, match="'page' is none of the keys"):
        marginal_value(votes, truth.head(50), cluster="page")
