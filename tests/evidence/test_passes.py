"""Columns that take a pass of their own over the rows: last clicks, dwell, reformulation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from given_curves import ENGINES, collected, known_curve

import labelkit as lk
from labelkit.errors import LogError
from labelkit.evidence import available, preference_pairs
from labelkit.evidence.dwell import query_quantiles
from labelkit.evidence.reformulation import add_reformulated

Make = Callable[[pl.DataFrame], Any]
engines = pytest.mark.parametrize("make", ENGINES.values(), ids=list(ENGINES))


def pages(*rows: tuple[Any, ...], names: tuple[str, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=list(names), orient="row")


ONE_PAGE = pages(
    ("p1", "q", "a", 1, 0, None),
    ("p1", "q", "b", 2, 1, 50.0),
    ("p1", "q", "c", 3, 0, None),
    ("p1", "q", "d", 4, 1, 20.0),
    ("p1", "q", "e", 5, 0, None),
    ("p2", "q", "a", 1, 0, None),
    ("p2", "q", "b", 2, 1, 90.0),
    ("p2", "q", "c", 3, 0, None),
    names=("page", "query", "item", "position", "clicked", "click_time"),
)
CURVE = known_curve([1.0, 0.6, 0.5, 0.4, 0.3])


def pairs_of(log: Any, kind: str) -> set[tuple[str, str, int]]:
    table = nw.from_native(preference_pairs(log, kind=kind), eager_only=True)  # type: ignore[arg-type]
    return set(table.select("winner", "loser", "n").iter_rows())


@engines
def test_preferences_of_each_kind_are_those_of_the_paper(make: Make) -> None:
    untimed = lk.read_log(make(ONE_PAGE.drop("click_time")))
    above = {("b", "a", 2), ("d", "a", 1), ("d", "c", 1)}
    assert pairs_of(untimed, "click_over_skip_above") == above
    assert pairs_of(untimed, "last_click_over_skip_above") == {
        ("d", "a", 1),
        ("d", "c", 1),
        ("b", "a", 1),
    }
    assert pairs_of(untimed, "click_over_skip_previous") == {("b", "a", 2), ("d", "c", 1)}
    assert pairs_of(untimed, "click_over_no_click_next") == {("b", "c", 2), ("d", "e", 1)}


@engines
def test_with_a_click_time_the_last_click_is_the_latest(make: Make) -> None:
    """On the first page b was clicked after d, which stands below it."""
    log = lk.read_log(make(ONE_PAGE))
    assert pairs_of(log, "last_click_over_skip_above") == {("b", "a", 2)}
    table = collected(lk.evidence(log, CURVE, columns=["last_clicks"]))
    assert dict(table.select("item", "last_clicks").iter_rows()) == dict(
        zip("abcde", [0, 2, 0, 0, 0], strict=True)
    )


@engines
def test_without_a_click_time_the_last_click_is_the_lowest(make: Make) -> None:
    log = lk.read_log(make(ONE_PAGE.drop("click_time")))
    table = collected(lk.evidence(log, CURVE, columns=["last_clicks", "skips"]))
    assert table["last_clicks"].to_list() == [0, 1, 0, 1, 0]
    assert table["skips"].to_list() == [2, 0, 1, 0, 0]


def test_pairs_need_pages_and_a_kind_that_exists() -> None:
    log = lk.read_log(ONE_PAGE.drop("page", "click_time").unique(maintain_order=True))
    with pytest.raises(LogError, match="map 'page' or 'session'"):
        preference_pairs(log)
    with pytest.raises(LogError, match="kind is one of click_over_skip_above"):
        preference_pairs(lk.read_log(ONE_PAGE), kind="click_over_all")  # type: ignore[arg-type]


def stays() -> pl.DataFrame:
    """A query that takes seconds, one that takes minutes, and one seen twice."""
    rng = np.random.default_rng(0)
    rows = []
    for query, typical, n in (("weather", 5.0, 400), ("treatise", 300.0, 400), ("rare", 300.0, 2)):
        for i in range(n):
            dwell = typical * float(np.exp(0.5 * rng.normal()))
            rows.append((query, i % 3, 1 + i % 2, 1, round(dwell, 3)))
            rows.append((query, 3, 2 - i % 2, 0, None))
    return pages(*rows, names=("query", "item", "position", "clicked", "dwell"))


@engines
def test_dwell_is_held_against_the_stays_of_its_own_query(make: Make) -> None:
    frame = stays()
    log = lk.read_log(make(frame))
    names = ["dwell_ratio", "long_dwells", "bounces", "dwell_mean", "clicks"]
    table = collected(lk.evidence(log, known_curve([1.0, 0.5]), columns=names))
    for query in ("weather", "treatise"):
        own = table.filter((pl.col("query") == query) & (pl.col("clicks") > 0))
        # With 400 stays of its own, what all queries have hardly moves a quantile.
        assert own["long_dwells"].sum() == pytest.approx(100, abs=12)
        assert own["bounces"].sum() == pytest.approx(100, abs=12)
        median = frame.filter(pl.col("query") == query)["dwell"].median()
        np.testing.assert_allclose(own["dwell_ratio"], own["dwell_mean"] / median, rtol=0.03)
    unclicked = table.filter(pl.col("clicks") == 0)
    assert unclicked["long_dwells"].sum() == 0
    assert unclicked["dwell_ratio"].null_count() == len(unclicked)
    assert table.select(names).equals(
        collected(lk.evidence(lk.read_log(frame), known_curve([1.0, 0.5]), columns=names)).select(
            names
        )
    )


def test_a_query_with_few_stays_takes_the_quantile_of_all_as_far_as_queries_are_alike() -> None:
    rng = np.random.default_rng(1)
    value = np.sort(rng.integers(1, 1000, (200, 20)), axis=1)
    query = np.repeat(np.arange(200), 20)
    alike = query_quantiles(query, value.ravel(), np.ones(4000, dtype=int), 0.75)
    overall = np.quantile(value, 0.75, method="inverted_cdf")
    own = np.quantile(value, 0.75, axis=1, method="inverted_cdf")
    assert np.abs(alike - overall).max() < 0.2 * np.abs(own - overall).max()

    scale = np.repeat(10.0 ** rng.integers(0, 4, 200), 20).reshape(200, 20)
    different = query_quantiles(
        query, (value * scale).astype(int).ravel(), np.ones(4000, dtype=int), 0.75
    )
    own = np.quantile((value * scale).astype(int), 0.75, axis=1, method="inverted_cdf")
    assert np.median(np.abs(np.log(different / own))) < 0.1


def test_repeats_count_as_often_as_they_occur() -> None:
    value, n = np.array([1, 5, 9]), np.array([1, 7, 2])
    got = query_quantiles(np.zeros(3, dtype=int), value, n, 0.5)
    assert got.tolist() == [5]


def sessions(unit: str) -> pl.DataFrame:
    rows = []

    def page(session: int, at: float, query: str, clicked: int, dwell: float | None) -> None:
        rows.extend(
            (session, query, item, k, int(clicked == k), at, dwell if clicked == k else None)
            for k, item in enumerate(("x", "y"), start=1)
        )

    page(1, 100, "jaguar", 0, None)  # nothing clicked, changed after 20 s
    page(1, 120, "jaguar cat", 1, 90.0)  # satisfied, then another task
    page(1, 150, "weather", 0, None)  # nothing clicked, but the next comes an hour later
    page(1, 4000, "news", 2, 3.0)  # a bounce, changed after 10 s
    page(1, 4010, "news today", 0, None)  # the last of its session
    page(2, 100, "jaguar", 0, None)  # the same query again: the next page, no change
    page(2, 130, "jaguar", 2, None)  # a click of unknown dwell counts as satisfied
    page(2, 140, "cars", 0, None)
    frame = pages(
        *rows, names=("session", "query", "item", "position", "clicked", "timestamp", "dwell")
    )
    if unit == "datetime":
        start = datetime(2024, 1, 1)
        times = [start + timedelta(seconds=float(s)) for s in frame["timestamp"]]
        frame = frame.with_columns(timestamp=pl.Series(times))
    return frame


@engines
@pytest.mark.parametrize("unit", ["seconds", "datetime"])
def test_a_query_that_is_changed_soon_after_an_unsatisfying_page_was_reformulated(
    make: Make, unit: str
) -> None:
    log = lk.read_log(make(sessions(unit)))
    table = collected(lk.evidence(log, known_curve([1.0, 0.5]), columns=["reformulated"]))
    found = table.filter(pl.col("reformulated") > 0)
    assert found["query"].to_list() == ["jaguar", "jaguar", "news", "news"]
    assert found["reformulated"].to_list() == [1, 1, 1, 1]


def test_how_soon_is_soon_can_be_said() -> None:
    log = lk.read_log(sessions("seconds"))
    table = log.cells.lazy().group_by("query", "item").agg(nw.col("clicks").sum())
    soon = add_reformulated(table, log, soon=timedelta(seconds=15))
    counted = collected(soon.to_native())
    assert counted.filter(pl.col("reformulated") > 0)["query"].unique().to_list() == ["news"]


def test_columns_that_cost_a_pass_come_only_when_asked_for() -> None:
    log = lk.read_log(sessions("seconds"))
    assert {"reformulated", "last_clicks", "bounces"} <= set(available(log))
    assert not {"reformulated", "last_clicks", "bounces"} & set(available(log, on_request=False))
    with pytest.raises(LogError, match="'conversion_rate' is made from conversion or conv"):
        lk.evidence(log, known_curve([1.0, 0.5]), columns=["conversion_rate"])
