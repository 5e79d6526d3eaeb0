"""Every diagnosis can say fine, and can say no."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import labelkit as lk
from labelkit.bias import Diagnosis, Propensities, SlotCounts
from labelkit.bias.diagnostics import concentration, trust_bias, weights_by_slot
from labelkit.bias.sidebyside import ESTIMATORS, compare_estimators
from labelkit.logs import PositionCounts


@pytest.fixture(scope="module")
def log() -> lk.InteractionLog:
    return lk.read_log(lk.simulate(n_impressions=100_000, seed=3).frame)


def curve(theta: list[float]) -> Propensities:
    k = np.arange(1, len(theta) + 1)
    return Propensities(k, np.array(theta), np.zeros((len(k),) * 2), np.inf, "given", "none")


def levels(theta: list[float], clicks: list[int], **options: float) -> dict[str, Diagnosis]:
    """Findings where every position was shown 1,000 times to each of ten examples."""
    k = len(theta)
    counts = PositionCounts.from_arrays(
        np.zeros(10 * k),
        np.repeat(np.arange(10), k),
        np.tile(np.arange(1, k + 1), 10),
        np.full(10 * k, 1_000),
        np.tile(clicks, 10),
    )
    cells = SlotCounts(
        query=counts.query,
        example=counts.example,
        slot=counts.position - 1,
        n=counts.impressions.astype(float),
        clicks=counts.clicks.astype(float),
        theta=np.array(theta)[counts.position - 1],
        beta=np.zeros(len(counts)),
        n_examples=10,
        n_aside=0,
    )
    return {finding.name: finding for finding in concentration(cells, curve(theta), **options)}


def test_even_weights_are_fine() -> None:
    found = levels([1, 0.5, 0.33], [300, 150, 100])
    assert {f.level for f in found.values()} == {"fine"}
    assert set(found) == {
        "effective sample size",
        "weight concentration",
        "exploding weights",
        "clipping",
    }


def test_a_deep_position_that_decides_alone_is_named() -> None:
    found = levels([1, 0.5, 0.0005], [300, 150, 1], clip=1e6)
    assert found["effective sample size"].level == "stop"
    assert "tell as much as 17 equal ones" in found["effective sample size"].message
    # Ten of 4,510 clicks weigh 2,000 each.
    assert found["weight concentration"].level == "stop"
    assert "hold 77%" in found["weight concentration"].message
    assert found["exploding weights"].level == "look"
    assert "From position 3 on" in found["exploding weights"].message


def test_clipping_that_takes_much_says_stop_and_what_repairs_it() -> None:
    found = levels([1, 0.5, 0.0005], [300, 150, 1], clip=100)
    assert found["clipping"].level == "stop"
    assert "Self-normalised" in found["clipping"].message
    mild = levels([1, 0.5, 0.009], [300, 150, 2], clip=100)
    assert mild["clipping"].level == "look"


def test_a_handful_of_clicks_is_no_sample() -> None:
    found = levels([1, 0.5], [1, 1])
    assert found["effective sample size"].level == "stop"
    silent = levels([1, 0.5], [0, 0])
    assert silent["effective sample size"].level == "stop"
    assert "nothing to weight" in silent["effective sample size"].message


def test_weights_by_position_add_up(log) -> None:
    fitted = lk.PositionBias("power").fit(log)
    table = weights_by_slot(SlotCounts.of(log, fitted.curve_), fitted.curve_)
    assert table["clicks"].sum() == log.summary.n_clicks
    assert table["share_of_clicks"].sum() == pytest.approx(1)
    assert table["share_of_weight"].sum() == pytest.approx(1)
    assert table["share_of_weight"][0] < table["share_of_clicks"][0]
    from labelkit.bias import summarise_weights

    assert table["effective_n"][-1] == pytest.approx(summarise_weights(log, fitted).effective_n)


def test_estimators_that_agree_are_fine_and_the_others_say_what_they_lack(log) -> None:
    main = lk.PositionBias("poisson").fit(log).curve_
    found = compare_estimators(log, main=main, n_bootstrap=50)
    assert found.diagnosis.level == "fine", found.diagnosis.message
    assert found.fits["poisson"] is main
    assert {"allpairs", "power"} <= set(found.fits)
    assert set(found.fits) | set(found.refused) == set(ESTIMATORS)
    assert "map the column 'randomised'" in found.refused["randomised"]
    assert set(found.frame["method"]) == set(found.fits)
    assert found.frame.filter(method="power").height == 10


def test_a_curve_that_no_estimator_confirms_is_found(log) -> None:
    theta = 1 / np.sqrt(np.arange(1, 11))
    wrong = Propensities(np.arange(1, 11), theta, np.zeros((10, 10)), np.inf, "given", "none")
    found = compare_estimators(log, main=wrong, methods=("poisson",), n_bootstrap=50)
    assert found.diagnosis.level == "look"
    assert "given says" in found.diagnosis.message


def test_a_curve_that_stands_alone_is_said_to() -> None:
    only = lk.simulate(
        n_impressions=50_000,
        seed=2,
        rankers=(lk.logs.Ranker("only", quality=0.7),),
        randomised_share=0.0,
        extras=("propensity",),
    ).frame
    found = compare_estimators(lk.read_log(only))
    assert set(found.fits) == {"logged"}
    assert "stands alone" in found.diagnosis.message


def test_trust_in_the_top_is_noticed_and_its_absence_too(log) -> None:
    assert trust_bias(log.counts).level == "fine"
    rng = np.random.default_rng(5)
    gamma = rng.choice([0.02, 0.4], 600)
    example, k = (a.ravel() for a in np.meshgrid(np.arange(600), np.arange(1, 7), indexing="ij"))
    n = rng.integers(50, 400, len(k))
    # Clicks that a place earns whatever it shows, most of them at the top.
    p = 0.7 / k * gamma[example] + 0.25 / k**2.5
    counts = PositionCounts.from_arrays(example // 6, example, k, n, rng.binomial(n, p))
    finding = trust_bias(counts)
    assert finding.level == "look"
    assert "trust the top" in finding.message


def test_what_cannot_be_tested_is_not_called_fine() -> None:
    counts = PositionCounts.from_arrays([0, 0], [0, 1], [1, 2], [10, 10], [3, 1])
    finding = trust_bias(counts)
    assert finding.level == "look"
    assert "cannot be tested" in finding.message


def test_an_interval_that_rules_nothing_out_is_not_called_fine() -> None:
    small = lk.read_log(lk.simulate(n_impressions=3_000, seed=1).frame)
    finding = trust_bias(small.counts)
    assert finding.level == "look"
    assert "Nobody can tell" in finding.message


def test_context_slots_of_one_position_count_together(log) -> None:
    k = np.tile([1, 2], 2)
    two = Propensities(
        k,
        np.array([1, 0.5, 1, 0.25]),
        np.zeros((4, 4)),
        np.inf,
        "given",
        "none",
        context={"device": np.array(["d", "d", "m", "m"], dtype=object)},
    )
    cells = SlotCounts(
        query=np.zeros(4, dtype=np.int64),
        example=np.zeros(4, dtype=np.int64),
        slot=np.arange(4),
        n=np.full(4, 100.0),
        clicks=np.full(4, 10.0),
        theta=two.theta,
        beta=np.zeros(4),
        n_examples=1,
        n_aside=0,
    )
    table = weights_by_slot(cells, two)
    assert table.columns[:2] == ["device", "position"]
    assert table["effective_n"].to_list() == pytest.approx([20, 80**2 / 220, 20, 80**2 / 220])
    assert isinstance(table, pl.DataFrame)
