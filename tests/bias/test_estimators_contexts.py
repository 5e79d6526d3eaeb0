"""A curve per context: found where clicks prove it, borrowed where they do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias.contexts import ContextCounts
from labelkit.bias.hierarchy import fit_hierarchy
from labelkit.bias.poisson import ClickedCells, fit_poisson
from labelkit.errors import LabelkitError, LogError
from labelkit.logs import ClickModel
from labelkit.logs.simulator import Device

K = np.arange(1, 11)
ETA = {"desktop": 0.5, "mobile": 1.5}


@pytest.fixture(scope="module")
def frame() -> pl.DataFrame:
    devices = [Device(name, ClickModel(eta), share=1) for name, eta in ETA.items()]
    return lk.simulate(n_impressions=200_000, seed=4, devices=devices).frame


def test_each_device_gets_its_own_curve_and_says_that_they_differ(frame: pl.DataFrame) -> None:
    bias = lk.PositionBias(context=["device"]).fit(lk.read_log(frame))
    table = bias.propensities_
    assert table.columns == ["device", "position", "propensity", "low", "high"]
    for device, eta in ETA.items():
        curve = table.filter(pl.col("device") == device)
        assert curve["position"].to_list() == K.tolist()
        truth = K**-eta
        assert np.mean(np.abs(curve["propensity"].to_numpy() / truth - 1)) < 0.12
        inside = (curve["low"].to_numpy() <= truth) & (truth <= curve["high"].to_numpy())
        assert inside.sum() >= 8
    assert bias.curve_.keys == ("position", "device")
    (finding,) = [d for d in bias.diagnostics_ if d.name == "contexts differ"]
    assert "different curves (p = 0.001)" in finding.message
    # One curve for both is wrong for each.
    pooled = lk.PositionBias().fit(lk.read_log(frame)).curve_.theta
    assert all(np.mean(np.abs(pooled / K**-eta - 1)) > 0.3 for eta in ETA.values())


def test_contexts_that_do_not_differ_say_so() -> None:
    frame = lk.simulate(n_impressions=100_000, seed=2, extras=("device",)).frame
    bias = lk.PositionBias(context="device").fit(lk.read_log(frame))
    (finding,) = [d for d in bias.diagnostics_ if d.name == "contexts differ"]
    assert "No sign" in finding.message
    pooled = lk.PositionBias("poisson").fit(lk.read_log(frame)).curve_.theta
    apart = np.log(bias.curve_.theta.reshape(-1, 10) / pooled)
    assert np.abs(apart).max() < 0.25


def test_a_context_with_next_to_no_clicks_gets_the_pooled_curve_and_a_wider_interval(
    frame: pl.DataFrame,
) -> None:
    watch = frame.head(60).with_columns(device=pl.lit("watch"), session=pl.lit(-1, pl.Int64))
    log = lk.read_log(pl.concat([frame.with_columns(pl.col("device").cast(pl.String)), watch]))
    bias = lk.PositionBias(context=["device"]).fit(log)
    curve = bias.curve_
    rows = {name: curve.context["device"] == name for name in ("desktop", "mobile", "watch")}
    (thin,) = [d for d in bias.diagnostics_ if d.name == "thin context"]
    assert thin.level == "look"
    assert "device=watch" in thin.message
    error = {name: curve.standard_error[row][1:].mean() for name, row in rows.items()}
    assert error["watch"] > 2 * error["desktop"]
    low, high = (np.minimum, np.maximum)
    between = [curve.theta[rows[name]] for name in ("desktop", "mobile")]
    theta = curve.theta[rows["watch"]]
    assert np.all((low(*between)[:8] <= theta[:8] * 1.1) & (theta[:8] <= high(*between)[:8] * 1.1))


def test_one_context_of_all_is_the_plain_curve(frame: pl.DataFrame) -> None:
    """With nothing to compare with, the prior of differences has nothing to say."""
    log = lk.read_log(frame.with_columns(layout=pl.lit("list")))
    one = lk.PositionBias("poisson", context=["layout"]).fit(log).curve_
    plain = lk.PositionBias("poisson").fit(log).curve_
    np.testing.assert_allclose(one.theta, plain.theta, rtol=0.02)


def test_two_columns_make_every_combination_a_context(frame: pl.DataFrame) -> None:
    layout = pl.when(pl.col("query") % 2 == 0).then(pl.lit("grid")).otherwise(pl.lit("list"))
    log = lk.read_log(frame.with_columns(layout=layout))
    table = lk.PositionBias(context=["device", "layout"]).fit(log).propensities_
    assert table.select("device", "layout").unique().height == 4
    assert table.height == 40


def test_the_hierarchy_is_a_stationary_point_from_any_start() -> None:
    devices = [Device(name, ClickModel(eta), share=1) for name, eta in ETA.items()]
    log = lk.read_log(lk.simulate(n_impressions=30_000, seed=6, devices=devices).frame)
    cut = ContextCounts.of(log.cells_by(["device"]), ("device",))
    pooled = cut.pooled()
    cells = tuple(ClickedCells.of(c, pooled.positions) for c in cut.counts)
    start = fit_poisson(ClickedCells.of(pooled), smoothing=1.0).beta
    one = fit_hierarchy(cells, start, smoothing=1.0, reference=0)
    two = fit_hierarchy(cells, np.zeros(10), smoothing=1.0, reference=0)
    assert max(one.moved, two.moved) < 1e-4
    np.testing.assert_allclose(one.beta, two.beta, atol=1e-3)


ENGINES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "pandas": lambda frame: frame.to_pandas(),
    "pyarrow": lambda frame: frame.to_arrow(),
    "duckdb": lambda frame: duckdb.from_arrow(frame.to_arrow()),
}


@pytest.mark.parametrize("engine", list(ENGINES))
def test_every_engine_gives_the_same_curves(engine: str) -> None:
    devices = [Device(name, ClickModel(eta), share=1) for name, eta in ETA.items()]
    simulated = lk.simulate(n_impressions=20_000, seed=7, devices=devices, extras=("user",)).frame
    frame = simulated.with_columns(pl.col("device", "ranker").cast(pl.String))
    other = ENGINES[engine](frame)
    for kwargs in ({"context": ["device"]}, {"cluster": "user"}):
        one = lk.PositionBias("poisson", **kwargs).fit(lk.read_log(frame)).curve_
        two = lk.PositionBias("poisson", **kwargs).fit(lk.read_log(other)).curve_
        np.testing.assert_array_equal(one.theta, two.theta)
        np.testing.assert_array_equal(one.covariance, two.covariance)
        for name, values in one.context.items():
            assert values.tolist() == two.context[name].tolist()


def test_a_context_that_cannot_be_told_is_refused_with_its_name(frame: pl.DataFrame) -> None:
    log = lk.read_log(frame)
    with pytest.raises(LogError, match=r"no column 'layout' to tell contexts apart.*device"):
        lk.PositionBias(context=["layout"]).fit(log)
    gaps = frame.with_columns(
        device=pl.when(pl.col("position") < 3).then(pl.col("device").cast(pl.String))
    )
    with pytest.raises(LogError, match=r"'device' \(device\) is empty in 160,000 rows \(first:"):
        lk.PositionBias(context=["device"]).fit(lk.read_log(gaps))
    with pytest.raises(LabelkitError, match="offered by poisson, logged"):
        lk.PositionBias("allpairs", context=["device"]).fit(log)
    with pytest.raises(LabelkitError, match="needs the log itself"):
        lk.PositionBias("poisson", context=["device"]).fit(log.counts)


def test_logged_propensities_are_averaged_within_contexts() -> None:
    frame = lk.simulate(20_000, seed=1, extras=("propensity", "device")).frame
    log = lk.read_log(frame)
    curve = lk.PositionBias(context=["device"]).fit(log)
    assert curve.method_ == "logged"
    mean = frame.group_by("device", "position").agg(pl.col("propensity").mean())
    joined = curve.propensities_.with_columns(pl.col("device").cast(pl.String)).join(
        mean.with_columns(pl.col("device").cast(pl.String)), on=["device", "position"]
    )
    assert joined.height == curve.propensities_.height
    np.testing.assert_allclose(
        joined["propensity"].to_numpy(), joined["propensity_right"].to_numpy(), rtol=1e-6
    )
