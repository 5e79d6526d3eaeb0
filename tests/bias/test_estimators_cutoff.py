"""Top-k cut-off: items that only some rankers show are not punished for it."""

from __future__ import annotations

import duckdb
import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias.cutoff import policy_propensities
from labelkit.errors import LabelkitError, LogError
from labelkit.logs import Catalogue, ClickModel, Ranker
from labelkit.logs.simulator import Device, Swaps


@pytest.fixture(scope="module")
def simulated() -> lk.logs.SimulatedLog:
    rankers = (Ranker("good", 0.7, share=3), Ranker("adverse", -0.7, share=1))
    catalogue = Catalogue.synthetic(40, 30, seed=1)
    return lk.simulate(400_000, seed=2, rankers=rankers, catalogue=catalogue)


def known_curve() -> dict[int, float]:
    return {k: 1 / k for k in range(1, 11)}


def test_policy_aware_rates_are_unbiased_where_counting_pages_is_not(
    simulated: lk.logs.SimulatedLog,
) -> None:
    log = lk.read_log(simulated.frame)
    curve = lk.PositionBias("given", curve=known_curve()).fit(log).curve_
    table = policy_propensities(log, curve)
    truth = simulated.truth.attractiveness
    # One weight per click by its place alone, summed over all pages of the query.
    ips = simulated.frame.group_by("query", "item").agg(
        weighed=(pl.col("clicked") * pl.col("position")).sum()
    )
    joined = table.join(truth, on=["query", "item"]).join(ips, on=["query", "item"])
    joined = joined.filter(pl.col("pages") > 400)
    gamma = joined["attractiveness"].to_numpy()
    pages, clicks = (joined[c].to_numpy() for c in ("pages", "clicks"))
    aware = clicks / (pages * joined["policy_propensity"].to_numpy())
    weight = pages * joined["policy_propensity"].to_numpy()
    rate = joined["weighed"].to_numpy() / pages
    rare = (joined["shown"] < 0.5).to_numpy()
    assert rare.sum() > 50
    error = np.sum(weight * (aware - gamma)) / np.sum(weight)
    assert abs(error) < 0.01
    assert abs(np.average((aware - gamma)[rare], weights=weight[rare])) < 0.02
    assert rate[rare].sum() / gamma[rare].sum() < 0.5


def test_with_their_own_traffic_pages_times_propensity_are_the_exposure(
    simulated: lk.logs.SimulatedLog,
) -> None:
    log = lk.read_log(simulated.frame)
    bias = lk.PositionBias("given", curve=known_curve()).fit(log)
    table = policy_propensities(log, bias.curve_).sort("query", "item")
    evidence = lk.evidence(log, bias, columns=["exposure"]).collect().sort("query", "item")
    np.testing.assert_allclose(
        (table["pages"] * table["policy_propensity"]).to_numpy(),
        evidence["exposure"].to_numpy(),
        rtol=1e-6,
    )
    pages = simulated.frame.filter(pl.col("position") == 1).group_by("query").len().sort("query")
    assert table.unique("query").sort("query")["pages"].to_list() == pages["len"].to_list()


def test_another_mix_of_rankers_shows_other_items(simulated: lk.logs.SimulatedLog) -> None:
    log = lk.read_log(simulated.frame)
    curve = lk.PositionBias("given", curve=known_curve()).fit(log).curve_
    alone = policy_propensities(log, curve, shares={"good": 1.0})
    only = simulated.frame.filter(pl.col("ranker") == "good").unique(["query", "item"])
    assert (alone["policy_propensity"] > 0).sum() == only.height
    # One ranker with one order per query: what it shows, it always shows.
    shown = alone.filter(pl.col("policy_propensity") > 0)["shown"]
    np.testing.assert_allclose(shown.to_numpy(), 1.0)
    with pytest.raises(LogError, match="names rankers of the log"):
        policy_propensities(log, curve, shares={"best": 1.0})
    without = lk.read_log(simulated.frame.drop("ranker"))
    with pytest.raises(LogError, match="map 'ranker'"):
        policy_propensities(without, curve, shares={"good": 1.0})


def test_a_curve_per_device_counts_by_the_device(simulated: lk.logs.SimulatedLog) -> None:
    devices = [Device("desktop", ClickModel(0.5)), Device("mobile", ClickModel(1.5))]
    frame = lk.simulate(50_000, seed=3, devices=devices).frame
    log = lk.read_log(frame)
    bias = lk.PositionBias(context=["device"]).fit(log)
    table = policy_propensities(log, bias.curve_).sort("query", "item")
    by_hand = (
        frame.with_columns(pl.col("device").cast(pl.String), pl.col("position").cast(pl.Int64))
        .join(bias.propensities_.cast({"device": pl.String}), on=["device", "position"])
        .group_by("query", "item")
        .agg(pl.col("propensity").sum())
        .sort("query", "item")
    )
    np.testing.assert_allclose(
        (table["pages"] * table["policy_propensity"]).to_numpy(),
        by_hand["propensity"].to_numpy(),
        rtol=1e-9,
    )


def test_a_curve_that_lacks_a_position_is_refused(simulated: lk.logs.SimulatedLog) -> None:
    log = lk.read_log(simulated.frame)
    top = lk.read_log(simulated.frame.filter(pl.col("position") <= 5))
    curve = lk.PositionBias("given", curve=known_curve()).fit(top).curve_
    with pytest.raises(LabelkitError, match=r"no propensity for .* cells .*position \d"):
        policy_propensities(log, curve)


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "duckdb"])
def test_every_engine_gives_the_same_propensities(kind: str) -> None:
    frame = lk.simulate(20_000, seed=3, swaps=Swaps("first", share=0.5)).frame
    frame = frame.with_columns(pl.col("ranker").cast(pl.String))
    convert = {
        "pandas": lambda f: f.to_pandas(),
        "pyarrow": lambda f: f.to_arrow(),
        "duckdb": lambda f: duckdb.from_arrow(f.to_arrow()),
    }[kind]
    logs = lk.read_log(frame), lk.read_log(convert(frame))
    one, two = (lk.PositionBias("randomised").fit(log).curve_ for log in logs)
    np.testing.assert_array_equal(one.theta, two.theta)
    np.testing.assert_array_equal(one.covariance, two.covariance)
    expected = policy_propensities(logs[0], one)
    other = pl.DataFrame(policy_propensities(logs[1], two))
    assert expected.sort("query", "item").equals(other.sort("query", "item"))
