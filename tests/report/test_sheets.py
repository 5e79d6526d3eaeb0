"""Small frames as text."""

from __future__ import annotations

import polars as pl

from labelkit.report.sheets import metrics_side_by_side, sheet


def test_an_interval_is_folded_into_its_estimate():
    frame = pl.DataFrame(
        {"lf": ["a"], "accuracy": [0.5], "accuracy_low": [0.25], "accuracy_high": [0.75]}
    )
    assert sheet(frame).header == ("lf", "accuracy")
    assert sheet(frame).rows == (("a", "0.500 [0.250, 0.750]"),)


def test_an_unknown_interval_leaves_the_estimate_alone():
    frame = pl.DataFrame({"x": [0.5, None], "low": [None, None], "high": [None, None]})
    assert sheet(frame).rows == (("0.500",), ("–",))


def test_low_and_high_without_an_estimate_before_them_stay_columns():
    frame = pl.DataFrame({"low": [0.1], "high": [0.2]})
    assert sheet(frame).header == ("low", "high")


def test_an_empty_frame_keeps_its_header():
    assert sheet(pl.DataFrame({"a": [], "b": []})).header == ("a", "b")
    assert sheet(pl.DataFrame({"a": [], "b": []})).rows == ()


def test_label_sets_stand_side_by_side():
    frame = pl.DataFrame(
        {
            "labels": ["weak labels", "weak labels", "naive clicks", "weak labels"],
            "metric": ["auc", "log_loss", "auc", "auc"],
            "slice": ["all", "all", "all", "mobile"],
            "estimate": [0.7, 0.4, 0.6, 0.1],
            "low": [0.6, 0.3, 0.5, 0.0],
            "high": [0.8, 0.5, 0.7, 0.2],
        }
    )
    assert metrics_side_by_side(frame).to_dicts() == [
        {
            "metric": "auc",
            "weak labels": "0.700 [0.600, 0.800]",
            "naive clicks": "0.600 [0.500, 0.700]",
        },
        {"metric": "log loss", "weak labels": "0.400 [0.300, 0.500]", "naive clicks": None},
    ]
