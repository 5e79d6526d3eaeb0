"""Click models click as their formulas say, and say beforehand how probable each click is."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl
import pytest

from labelkit.errors import LogError
from labelkit.logs import (
    BrowsingModel,
    CascadeModel,
    Catalogue,
    ClickModel,
    Device,
    Drift,
    TrustModel,
    simulate,
)
from labelkit.logs.simulator import PageClicks, PageRows

GAMMA = np.array([0.3, 0.8, 0.5, 0.9])
SIGMA = np.array([0.6, 0.2, 0.9, 0.4])
CATALOGUE = Catalogue.synthetic(60, 15, satisfaction=(2, 2), seed=7)

MODELS: dict[str, PageClicks] = {
    "position, eta": ClickModel(0.7),
    "position, curve": ClickModel.of_curve([1, 0.9, 0.2, 0.6, 0.0]),
    "trust": TrustModel(),
    "cascade": CascadeModel(),
    "dcm": CascadeModel(satisfaction=tuple(np.linspace(0.9, 0.2, 10).tolist())),
    "dbn": CascadeModel(satisfaction="item", continuation=0.8),
    "browsing": BrowsingModel(),
    "browsing, table": BrowsingModel(n_positions=3, table=((1.0,), (0.3, 0.9), (0.1, 0.2, 0.8))),
}


def surprise(frame: pl.DataFrame, probability: np.ndarray, by: list[str]) -> np.ndarray:
    """z of the clicks of each group, under the probabilities."""
    groups = (
        frame.with_columns(p=pl.Series(probability))
        .group_by(by)
        .agg(pl.col("clicked", "p").sum(), variance=(pl.col("p") * (1 - pl.col("p"))).sum())
        .filter(pl.col("variance") > 5)
    )
    z = (groups["clicked"] - groups["p"]) / groups["variance"].sqrt()
    return z.to_numpy()


@pytest.mark.statistics
@pytest.mark.parametrize("name", MODELS)
def test_clicks_come_as_often_as_the_model_says(name: str) -> None:
    log = simulate(300_000, seed=5, catalogue=CATALOGUE, clicks=MODELS[name])
    z = surprise(log.frame, log.truth.click_probability(log.frame), ["query", "position"])
    assert len(z) > 100
    assert np.abs(z).max() < 5
    # Mean of n squares of standard normals: standard deviation √(2/n).
    assert abs(np.mean(z**2) - 1) < 4 * np.sqrt(2 / len(z))


@pytest.mark.statistics
def test_the_check_would_notice_another_model() -> None:
    log = simulate(300_000, seed=5, catalogue=CATALOGUE, clicks=CascadeModel(satisfaction=0.5))
    other = simulate(10, seed=5, catalogue=CATALOGUE, clicks=CascadeModel(satisfaction=0.6)).truth
    z = surprise(log.frame, other.click_probability(log.frame), ["position"])
    assert np.abs(z).max() > 5


def cascade_sequence(sigma: np.ndarray, continuation: float, clicks: tuple[int, ...]) -> float:
    """P(a whole sequence of clicks) of a DBN, by walking down the page in each way."""

    def from_here(k: int) -> float:
        if k == len(clicks):
            return 1.0
        nothing_more = float(not any(clicks[k + 1 :]))
        if clicks[k]:
            stays = (1 - sigma[k]) * continuation
            return float(GAMMA[k] * (stays * from_here(k + 1) + (1 - stays) * nothing_more))
        goes_on = continuation * from_here(k + 1) + (1 - continuation) * nothing_more
        return float((1 - GAMMA[k]) * goes_on)

    return from_here(0)


@pytest.mark.parametrize("continuation", [1.0, 0.7])
def test_a_cascade_is_the_sum_over_all_ways_to_read_its_page(continuation: float) -> None:
    rows = PageRows(np.zeros(4, dtype=int), np.arange(4), GAMMA, SIGMA)
    expected = np.zeros(4)
    total = 0.0
    for clicks in product((0, 1), repeat=4):
        p = cascade_sequence(SIGMA, continuation, clicks)
        total += p
        expected += p * np.array(clicks)
    assert total == pytest.approx(1)
    model = CascadeModel(4, satisfaction="item", continuation=continuation)
    np.testing.assert_allclose(model.probability(rows), expected)


def test_browsing_is_the_sum_over_all_ways_to_click_its_page() -> None:
    expected = np.zeros(4)
    for clicks in product((0, 1), repeat=4):
        p, last = 1.0, 0
        for k, clicked in enumerate(clicks, start=1):
            click = GAMMA[k - 1] * (k - last) ** -0.8
            p *= click if clicked else 1 - click
            last = k if clicked else last
        expected += p * np.array(clicks)
    rows = PageRows(np.zeros(4, dtype=int), np.arange(4), GAMMA)
    np.testing.assert_allclose(BrowsingModel(0.8, 4).probability(rows), expected)


def test_pages_of_different_length_do_not_mix() -> None:
    slot = np.array([0, 1, 2, 0, 0, 1])
    rows = PageRows(np.cumsum(slot == 0) - 1, slot, np.tile([0.5, 0.9], 3), np.full(6, 0.5))
    for model in (CascadeModel(satisfaction="item", continuation=0.9), BrowsingModel()):
        together = model.probability(rows)
        for page in range(3):
            np.testing.assert_allclose(
                model.probability(rows.where(rows.page == page)), together[rows.page == page]
            )


def test_a_plain_cascade_has_at_most_one_click_a_page() -> None:
    frame = simulate(50_000, seed=2, clicks=CascadeModel()).frame
    clicks = frame.group_by("session").agg(pl.col("clicked").sum())["clicked"]
    assert set(clicks) == {0, 1}


def test_trust_bias_is_the_affine_model_of_its_paper() -> None:
    model = TrustModel(eta=1.0, n_positions=12)
    k = np.arange(1, 13)
    minus, plus = 0.65 / np.minimum(k, 10), 1 - (np.minimum(k, 20) + 1) / 100
    np.testing.assert_allclose(model.background, minus / k)
    np.testing.assert_allclose(model.propensities, (plus - minus) / k)
    rows = PageRows(np.zeros(12, dtype=int), k - 1, np.linspace(0, 1, 12))
    p = (plus * rows.gamma + minus * (1 - rows.gamma)) / k
    np.testing.assert_allclose(model.probability(rows), p)


@pytest.mark.statistics
def test_each_device_is_read_in_its_own_way_in_each_window() -> None:
    log = simulate(
        400_000,
        seed=6,
        catalogue=CATALOGUE,
        devices=(Device("desktop", ClickModel(0.5), 3.0), Device("mobile", TrustModel(1.5))),
        drift=Drift(severity=(1.0, 1.0, 2.0), attractiveness=(0.0, 0.5, 1.0)),
    )
    truth = log.truth
    frame = log.frame.join_asof(
        truth.windows.cast({"start": pl.Datetime("us")}), left_on="timestamp", right_on="start"
    )
    by = ["device", "window", "position"]
    p = truth.click_probability(log.frame)
    z = surprise(frame, p, by)
    assert len(z) > 50  # of 60, but for the deepest positions of the steepest curve
    assert np.abs(z).max() < 5
    assert abs(np.mean(z**2) - 1) < 4 * np.sqrt(2 / len(z))
    assert 0.73 < (frame["device"] == "desktop").mean() < 0.77
    assert frame.group_by("session").agg(pl.col("device").n_unique())["device"].max() == 1

    # The same probabilities, from the tables that an estimator is compared with.
    gamma = pl.concat(
        truth.attractiveness_in(w).with_columns(window=pl.lit(w, dtype=pl.Int64)) for w in range(3)
    )
    rebuilt = frame.with_columns(pl.col("device").cast(pl.String), pl.col("position").cast(int))
    rebuilt = rebuilt.join(gamma, on=["query", "item", "window"], maintain_order="left").join(
        truth.curves, on=["device", "window", "position"], maintain_order="left"
    )
    again = rebuilt["propensity"] * rebuilt["attractiveness"] + rebuilt["background"]
    np.testing.assert_allclose(again.to_numpy(), p, rtol=1e-12)

    # And it matters: the first window's truth is not that of the last.
    still = simulate(10, seed=6, catalogue=CATALOGUE, devices=truth.devices).truth
    z = surprise(frame, still.click_probability(log.frame), by)
    assert np.abs(z).max() > 5


def test_drift_leaves_certain_items_certain_and_windows_share_the_time() -> None:
    catalogue = Catalogue(
        pl.DataFrame({"query": [1] * 3, "item": [1, 2, 3], "attractiveness": [0.0, 0.4, 1.0]}),
        np.ones(1),
    )
    truth = simulate(10, catalogue=catalogue, drift=Drift(attractiveness=(0.0, 3.0))).truth
    first, last = (truth.attractiveness_in(w)["attractiveness"].to_list() for w in (0, 1))
    assert first == [0.0, 0.4, 1.0]
    assert last[0] == 0.0
    assert last[2] == 1.0
    assert abs(last[1] - 0.4) > 0.05
    lengths = truth.windows["end"] - truth.windows["start"]
    assert lengths.dt.total_days().to_list() == [14, 14]


def test_examination_to_a_power_is_examination_of_a_steeper_curve() -> None:
    assert ClickModel(0.5).steeper(3) == ClickModel(1.5)
    curve = ClickModel.of_curve([1, 0.5, 0.25]).steeper(2)
    np.testing.assert_allclose(curve.propensities, [1, 0.25, 0.0625])
    assert CascadeModel(continuation=0.5).steeper(2).continuation == 0.25
    steep = TrustModel(0.5).steeper(2)
    np.testing.assert_allclose(steep.examination, TrustModel(1.0).examination)
    np.testing.assert_allclose(
        BrowsingModel(1.0, 3, table=BrowsingModel(1.0, 3).steeper(1).table).examination[2, :3],
        [1 / 3, 1 / 2, 1],
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClickModel(eta=float("nan")), "eta"),
        (lambda: ClickModel(curve=(1.0, 0.5)), "10 positions; got 2"),
        (lambda: ClickModel.of_curve([0.9, 0.5]), "starts with 1"),
        (lambda: ClickModel.of_curve([1, 1.5]), r"in \[0, 1\]"),
        (lambda: TrustModel(strength=2), "strength"),
        (lambda: TrustModel(n_positions=2, perceived=(0.5,)), "perceived.*2 positions"),
        (
            lambda: TrustModel(n_positions=2, perceived=(0.9, 0.1), misled=(0.5, 0.1)),
            "position 2 a relevant item would not",
        ),
        (lambda: CascadeModel(continuation=1.1), "continuation"),
        (lambda: CascadeModel(satisfaction="items"), "'items'"),
        (lambda: CascadeModel(satisfaction=(0.5, 0.5)), "each of 10 positions"),
        (lambda: CascadeModel(satisfaction=1.5), "1.5"),
        (lambda: BrowsingModel(n_positions=2, table=((1.0,), (0.5,))), r"got \[1, 1\]"),
        (lambda: BrowsingModel(n_positions=1, table=((2.0,),)), "outside"),
        (lambda: Drift(), "each window"),
        (lambda: Drift((1, 2), (0, 1, 2)), "got 2 and 3"),
        (lambda: Drift((1, -2)), "severity"),
        (lambda: simulate(10, clicks=CascadeModel(satisfaction="item")), "column 'satisfaction'"),
        (lambda: simulate(10, clicks=CascadeModel(), extras=("propensity",)), "no propensity"),
        (lambda: simulate(10, clicks=CascadeModel()).truth.propensities, "no θ_k"),
        (
            lambda: simulate(10, drift=Drift((1, 2))).truth.propensities,
            "2 curves.*truth.curves",
        ),
        (
            lambda: simulate(10, devices=[Device("a", ClickModel(1, 5)), Device("b")]),
            r"one length; got n_positions of \[5, 10\]",
        ),
        (lambda: simulate(10, devices=[Device("a"), Device("a")]), "one name each"),
        (lambda: Device("a", share=0), "share > 0"),
    ],
)
def test_settings_that_make_no_model_are_refused_by_name(make, message: str) -> None:
    with pytest.raises(LogError, match=message):
        make()
