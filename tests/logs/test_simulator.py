"""The simulator keeps its word: exact size, one seed, and clicks that follow the stated model."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelkit.errors import LogError
from labelkit.logs.simulator import (
    ADVERSE,
    CHUNK,
    GOOD,
    Catalogue,
    ClickModel,
    Ranker,
    simulate,
    simulate_to_parquet,
)


@pytest.fixture
def graded():
    return pl.DataFrame(
        {
            "query": ["b", "b", "a", "a", "a"],
            "item": [1, 2, 1, 2, 3],
            "relevance": [0, 4, 1, 2, 3],
        }
    )


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 3_000),
    n_queries=st.integers(1, 30),
    items=st.integers(1, 15),
    n_positions=st.integers(1, 12),
    seed=st.integers(0, 2**31),
)
def test_any_log_has_the_asked_rows_and_whole_pages_without_repeats(
    n, n_queries, items, n_positions, seed
):
    log = simulate(
        n,
        seed=seed,
        catalogue=Catalogue.synthetic(n_queries, items, seed=seed),
        clicks=ClickModel(n_positions=n_positions),
    ).frame
    assert log.height == n
    assert log["position"].min() == 1
    assert log["position"].max() <= min(n_positions, items)
    assert log.filter(pl.struct("session", "item").is_duplicated()).is_empty()
    pages = log.group_by("session").agg(pl.col("query", "ranker", "timestamp").n_unique())
    assert pages.drop("session").max().row(0) == (1, 1, 1)
    assert log["timestamp"].is_sorted()


def test_the_same_seed_gives_the_same_log_and_another_seed_another():
    first, again, other = (simulate(5_000, seed=s, extras=("dwell",)).frame for s in (3, 3, 4))
    assert first.equals(again)
    assert not first.equals(other)


def test_the_parquet_log_holds_the_rows_of_the_log_in_memory_with_the_truth_beside(tmp_path):
    n = CHUNK + 1_234
    truth = simulate_to_parquet(tmp_path / "log.parquet", n, seed=5, clicks=ClickModel(eta=0.5))
    log = simulate(n, seed=5, clicks=ClickModel(eta=0.5))
    stored = pl.read_parquet(tmp_path / "log.parquet")
    assert stored.with_columns(pl.col("ranker").cast(pl.String)).equals(
        log.frame.with_columns(pl.col("ranker").cast(pl.String))
    )
    assert stored["session"].is_sorted()
    document = json.loads((tmp_path / "truth.json").read_text())
    np.testing.assert_allclose(document["propensities"], truth.propensities)
    assert pl.read_parquet(tmp_path / "attractiveness.parquet").equals(truth.attractiveness)


@pytest.mark.statistics
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0, 2.0])
def test_clicks_follow_the_position_based_model(eta):
    log = simulate(300_000, seed=1, clicks=ClickModel(eta=eta))
    joined = log.frame.join(log.truth.attractiveness, on=["query", "item"])
    by_position = (
        joined.group_by("position")
        .agg(pl.col("clicked").sum(), pl.col("attractiveness").sum())
        .sort("position")
    )
    expected = by_position["attractiveness"].to_numpy() * log.truth.propensities
    # Poisson standard error of the count; five of them over ten positions.
    error = np.abs(by_position["clicked"].to_numpy() - expected) / np.sqrt(expected)
    assert error.max() < 5
    np.testing.assert_allclose(log.truth.propensities, np.arange(1, 11.0) ** -eta)


@pytest.mark.statistics
def test_a_good_ranker_puts_attractive_items_first_and_an_adverse_one_last():
    for rankers, sign in ((GOOD, -1), (ADVERSE, 1)):
        log = simulate(50_000, seed=2, rankers=rankers)
        joined = log.frame.join(log.truth.attractiveness, on=["query", "item"])
        slope = joined.select(pl.corr("position", "attractiveness")).item()
        assert slope * sign > 0.15


@pytest.mark.statistics
def test_randomised_pages_show_every_item_equally_often_at_every_position():
    log = simulate(
        200_000,
        seed=3,
        catalogue=Catalogue.synthetic(1, 10),
        rankers=(Ranker("only", 1.0, noise=0.0),),
        randomised_share=0.5,
        extras=("randomised",),
    ).frame
    plain = log.filter(pl.col("randomised") == 0)
    assert plain.group_by("item").agg(pl.col("position").n_unique())["position"].max() == 1
    cells = log.filter(pl.col("randomised") == 1).group_by("item", "position").len()["len"]
    assert cells.len() == 100
    assert cells.min() > 0.8 * cells.mean()


def test_extras_come_on_request_and_dwell_only_with_a_click():
    extras = ("user", "device", "dwell", "conversion", "propensity", "randomised")
    log = simulate(20_000, seed=4, extras=extras).frame
    assert set(extras) <= set(log.columns)
    assert log.filter(pl.col("clicked") == 0)["dwell"].null_count() == (log["clicked"] == 0).sum()
    assert log.filter(pl.col("clicked") == 1)["dwell"].null_count() == 0
    assert log.filter((pl.col("conversion") == 1) & (pl.col("clicked") == 0)).is_empty()


def test_real_grades_become_attractiveness_by_the_usual_mapping_in_any_engine(graded):
    for frame in (graded, graded.lazy(), graded.to_pandas(), graded.to_arrow()):
        catalogue = Catalogue.of(frame)
        gamma = dict(
            zip(catalogue.frame["relevance"], catalogue.frame["attractiveness"], strict=True)
        )
        assert gamma == pytest.approx({0: 0.1, 1: 0.16, 2: 0.28, 3: 0.52, 4: 1.0})
    log = simulate(500, catalogue=catalogue).frame
    assert set(log["query"]) == {"a", "b"}
    assert log.filter(pl.col("query") == "b")["position"].max() == 2


def test_bad_grades_doubled_pairs_and_bad_settings_are_named(graded):
    with pytest.raises(LogError, match=r"1 grades are null or negative \(first: .*-2"):
        Catalogue.of(graded.with_columns(relevance=pl.Series([0, 4, -2, 2, 3])))
    with pytest.raises(LogError, match="2 rows share their"):
        Catalogue.of(graded.with_columns(item=pl.Series([1, 1, 1, 2, 3])))
    with pytest.raises(LogError, match="quality"):
        Ranker("x", 2.0)
    with pytest.raises(LogError, match="one name each"):
        simulate(10, rankers=(Ranker("x", 0.1), Ranker("x", 0.2)))
    with pytest.raises(LogError, match="dwel"):
        simulate(10, extras=("dwel",))
    with pytest.raises(LogError, match="eta"):
        ClickModel(eta=-1)
