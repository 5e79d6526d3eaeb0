"""Curves of time windows and rankers, held against each other."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias.diagnostics import stability_between_rankers, stability_over_time
from labelkit.errors import LabelkitError, LogError
from labelkit.logs import ClickModel


def drifting(eta: float, n: int = 100_000) -> pl.DataFrame:
    """Four weeks at η = 1, then four at ``eta``."""
    before = lk.simulate(n_impressions=n, seed=1).frame
    after = lk.simulate(n_impressions=n, seed=2, clicks=ClickModel(eta=eta)).frame
    later = pl.col("timestamp") + pl.duration(days=28)
    return pl.concat([before, after.with_columns(timestamp=later)])


def test_a_stable_log_is_called_stable_by_window_and_by_ranker() -> None:
    log = lk.read_log(lk.simulate(n_impressions=60_000, seed=3).frame)
    for found in (stability_over_time(log), stability_between_rankers(log)):
        assert found.diagnosis.level == "fine"
        assert not found.groups["departs"].any()
        assert found.groups["impressions"].sum() == 60_000
        assert found.tested == len(found.groups)


def test_a_curve_that_grew_steeper_is_found_and_the_interval_holds_the_truth() -> None:
    found = stability_over_time(lk.read_log(drifting(1.5)), n_windows=2)
    assert found.diagnosis.level in ("look", "stop")
    first, second = found.groups.to_dicts()
    assert first["departs"]
    assert second["departs"]
    # The second half falls by half a unit of log θ more per e-fold of position.
    assert second["steepness_low"] <= -0.5 <= second["steepness_high"]
    assert first["steepness"] == pytest.approx(-second["steepness"])
    assert "fit the curve on the period" in found.diagnosis.message


def test_a_curve_that_changed_much_says_stop() -> None:
    found = stability_over_time(lk.read_log(drifting(2.5)), n_windows=2)
    assert found.diagnosis.level == "stop"


def test_one_position_that_became_hidden_is_named() -> None:
    frame = drifting(1.0, n=150_000)
    late = pl.col("timestamp") >= pl.col("timestamp").min() + pl.duration(days=28)
    hidden = late & (pl.col("position") == 4) & (pl.int_range(pl.len()) % 3 > 0)
    frame = frame.with_columns(clicked=pl.when(hidden).then(0).otherwise(pl.col("clicked")))
    found = stability_over_time(lk.read_log(frame), n_windows=2)
    second = found.groups.row(1, named=True)
    assert second["departs"]
    assert second["position"] == 4
    # A third of the clicks there is left; the ratio is to the average of all positions.
    assert second["ratio_low"] <= 1 / 3 <= second["ratio_high"]


def test_items_that_become_more_attractive_are_no_drift_of_the_curve() -> None:
    # The second month has another catalogue under the same ids: only γ changes.
    found = stability_over_time(lk.read_log(drifting(1.0)), n_windows=2)
    assert found.diagnosis.level == "fine"


def test_a_ranker_whose_pages_are_read_otherwise_is_found() -> None:
    frame = lk.simulate(n_impressions=200_000, seed=5).frame
    # Two of three clicks below the third position of ranker c were never made.
    lost = (pl.col("ranker") == "c") & (pl.col("position") > 3) & (pl.int_range(pl.len()) % 3 > 0)
    frame = frame.with_columns(clicked=pl.when(lost).then(0).otherwise(pl.col("clicked")))
    found = stability_between_rankers(lk.read_log(frame))
    departing = found.groups.filter("departs")["group"].to_list()
    assert "c" in departing
    assert found.groups.sort("p_value")["group"][0] == "c"
    assert "randomised traffic" in found.diagnosis.message


def test_too_few_clicks_to_tell_says_so_instead_of_fine() -> None:
    log = lk.read_log(lk.simulate(n_impressions=600, seed=1).frame)
    found = stability_over_time(log)
    assert found.diagnosis.level == "look"
    assert "Not enough clicks" in found.diagnosis.message
    assert found.groups["p_value"].null_count() == len(found.groups)


def test_a_log_in_which_drift_would_not_show_is_not_called_stable() -> None:
    found = stability_over_time(lk.read_log(lk.simulate(n_impressions=10_000, seed=1).frame))
    assert found.tested >= 2
    assert found.diagnosis.level == "look"
    assert "would not show" in found.diagnosis.message


@pytest.mark.parametrize("engine", ["polars", "pandas", "pyarrow", "duckdb"])
def test_every_engine_gives_the_same_numbers(engine: str, tmp_path) -> None:
    frame = lk.simulate(n_impressions=20_000, seed=3).frame
    expected = stability_over_time(lk.read_log(frame), n_windows=3)
    rankers = stability_between_rankers(lk.read_log(frame))
    if engine == "duckdb":
        pytest.importorskip("duckdb")
        frame.write_parquet(tmp_path / "log.parquet")
        log = lk.read_log(tmp_path / "log.parquet", engine="duckdb")
    else:
        native = {"polars": frame, "pandas": frame.to_pandas(), "pyarrow": frame.to_arrow()}
        log = lk.read_log(native[engine])
    assert stability_over_time(log, n_windows=3).groups.equals(expected.groups)
    assert stability_between_rankers(log).groups.equals(rankers.groups)


def test_one_wrong_clock_does_not_put_everything_into_one_window() -> None:
    frame = lk.simulate(n_impressions=20_000, seed=3).frame
    wrong = pl.when(pl.int_range(pl.len()) < 10).then(pl.datetime(1970, 1, 1))
    broken = frame.with_columns(timestamp=wrong.otherwise(pl.col("timestamp")))
    groups = stability_over_time(lk.read_log(broken)).groups
    assert groups["impressions"].to_list() == pytest.approx([5_000] * 4, rel=0.1)


def test_days_do_as_timestamps() -> None:
    frame = lk.simulate(n_impressions=20_000, seed=3).frame
    days = frame.with_columns(pl.col("timestamp").dt.date())
    assert stability_over_time(lk.read_log(days)).groups["impressions"].min() > 3_000


def test_seconds_do_as_timestamps() -> None:
    frame = lk.simulate(n_impressions=20_000, seed=3).frame
    seconds = frame.with_columns(pl.col("timestamp").dt.epoch("s"))
    one = stability_over_time(lk.read_log(frame)).groups
    two = stability_over_time(lk.read_log(seconds)).groups
    assert one.drop("group").equals(two.drop("group"))


def test_a_log_that_cannot_be_divided_says_what_it_would_take() -> None:
    frame = lk.simulate(n_impressions=5_000, seed=1).frame
    log = lk.read_log(frame.drop("timestamp", "ranker"))
    with pytest.raises(LogError, match="map 'timestamp'"):
        stability_over_time(log)
    with pytest.raises(LogError, match="map 'ranker'"):
        stability_between_rankers(log)
    still = lk.read_log(frame.with_columns(timestamp=frame["timestamp"][0]))
    with pytest.raises(LogError, match="all rows have the same"):
        stability_over_time(still)
    alone = lk.read_log(frame.with_columns(ranker=pl.lit("a")))
    with pytest.raises(LogError, match=r"names \['a'\]"):
        stability_between_rankers(alone)
    with pytest.raises(LabelkitError, match="n_windows is at least 2"):
        stability_over_time(lk.read_log(frame), n_windows=1)
    with pytest.raises(LabelkitError, match="false_alarm is in"):
        stability_over_time(lk.read_log(frame), false_alarm=0)


def test_curves_are_those_of_a_fit_to_each_window_alone() -> None:
    frame = drifting(1.5)
    found = stability_over_time(lk.read_log(frame), n_windows=2)
    n_first, n_second = found.groups["impressions"]
    assert n_first + n_second == len(frame)
    in_time = frame.sort("timestamp", maintain_order=True)
    for name, alone in zip(
        found.groups["group"], (in_time.head(n_first), in_time.tail(n_second)), strict=True
    ):
        curve = lk.PositionBias("poisson").fit(lk.read_log(alone)).curve_
        ours = found.curves.filter(pl.col("group") == name)["propensity"].to_numpy()
        np.testing.assert_allclose(ours, curve.theta, rtol=2e-3)
