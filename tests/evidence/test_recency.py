"""As-of times: nothing from the future of a label enters it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from given_curves import ENGINES, collected, known_curve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import labelkit as lk
from labelkit.errors import LogError
from labelkit.evidence import COLUMNS, available, known_at
from labelkit.evidence.table import NOT_FOR_EACH

CURVE = known_curve([1 / k for k in range(1, 6)], covariance=np.diag([0.0, 0.01, 0.02, 0.03, 0.05]))
HOUR = 3600.0


def rows(seed: int, n: int, start: float, stop: float, *, first_page: int = 0) -> pl.DataFrame:
    """Impressions between two times, with clicks, stays and conversions that come later."""
    rng = np.random.default_rng(seed)
    page = np.repeat(np.arange(n), 3)
    time = np.repeat(np.sort(np.round(rng.uniform(start, stop, n), 3)), 3)
    clicked = (rng.random(3 * n) < 0.4).astype(np.int64)
    after = time + np.round(rng.exponential(200, 3 * n), 3)
    converted = clicked * (rng.random(3 * n) < 0.5)
    bought = after + np.round(rng.exponential(HOUR, 3 * n), 3)

    def where(mask: Any, value: Any) -> pl.Series:
        return pl.Series(np.where(mask == 1, value, np.nan)).fill_nan(None)

    return pl.DataFrame(
        {
            "page": page + first_page,
            "session": page // 4 + first_page,
            "user": page % 7,
            "query": rng.integers(0, 4, n).repeat(3),
            "item": rng.integers(0, 5, 3 * n),
            "position": np.tile(np.arange(1, 4), n),
            "clicked": clicked,
            "timestamp": time,
            "click_time": where(clicked, after),
            "dwell": where(clicked, np.round(rng.exponential(100, 3 * n), 3)),
            "conversion": converted,
            "conversion_time": where(converted, bought),
        }
    )


def of(frame: pl.DataFrame, kind: str) -> pl.DataFrame:
    if kind == "seconds":
        return frame
    zone = "UTC" if kind == "zoned" else None
    return frame.with_columns(
        pl.from_epoch((pl.col(c) * 1e6).round().cast(pl.Int64), time_unit="us")
        .dt.replace_time_zone(zone)
        .alias(c)
        for c in ("timestamp", "click_time", "conversion_time")
    )


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), n_later=st.integers(1, 30), query=st.booleans())
def test_what_comes_after_as_of_changes_nothing(seed: int, n_later: int, query: bool) -> None:
    """Every column that there is, with rows added after the time that is asked about."""
    early = rows(seed, 60, 0.0, 50 * HOUR)
    later = rows(seed + 1, n_later, 50 * HOUR, 60 * HOUR, first_page=1000)
    options: dict[str, Any] = {
        "columns": COLUMNS,
        "as_of": 50 * HOUR,
        "prior": "query" if query else "placement",
        "conversion_window": 10 * HOUR,
    }
    alone = collected(lk.evidence(lk.read_log(early), CURVE, **options))
    both = collected(lk.evidence(lk.read_log(pl.concat([early, later])), CURVE, **options))
    assert alone.equals(both)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000))
def test_each_example_sees_only_what_came_before_its_own_time(seed: int) -> None:
    frame = rows(seed, 80, 0.0, 80 * HOUR)
    log = lk.read_log(frame)
    keys = frame.select("query", "item").unique().sort("query", "item")
    rng = np.random.default_rng(seed)
    times = keys.with_columns(as_of=pl.Series(rng.uniform(30 * HOUR, 80 * HOUR, len(keys))))
    options: dict[str, Any] = {
        "columns": [c for c in available(log) if c not in NOT_FOR_EACH],
        "half_life": 20 * HOUR,
    }
    whole = collected(lk.evidence(log, CURVE, as_of=times, **options))
    target = whole.row(int(rng.integers(len(whole))), named=True)
    limit = times.filter((pl.col("query") == target["query"]) & (pl.col("item") == target["item"]))[
        "as_of"
    ].item()
    # What happens after this example's time, to whatever example, is taken out of the log.
    cut = collected(
        lk.evidence(lk.read_log(frame.filter(pl.col("timestamp") < limit)), CURVE,
                    as_of=times, **options)
    )  # fmt: skip
    same = cut.filter((pl.col("query") == target["query"]) & (pl.col("item") == target["item"]))
    assert same.row(0, named=True) == target


@pytest.mark.parametrize("kind", ["seconds", "naive", "zoned"])
def test_every_engine_knows_the_same_at_the_same_time(kind: str) -> None:
    frame = of(rows(3, 120, 0.0, 50 * HOUR), kind)
    as_of: Any = 40 * HOUR
    if kind != "seconds":
        as_of = datetime.fromtimestamp(40 * HOUR, UTC)
    options: dict[str, Any] = {"as_of": as_of, "window": timedelta(hours=30), "half_life": 7 * HOUR}
    names = [c for c in COLUMNS if c not in ("first_seen", "last_seen")]
    tables = [
        collected(lk.evidence(lk.read_log(make(frame)), CURVE, columns=names, **options))
        for make in ENGINES.values()
    ]
    assert len(tables[0]) > 5
    for other in tables[1:]:
        for name in names:
            assert other[name].to_list() == tables[0][name].to_list(), name


def test_times_per_example_work_on_every_engine() -> None:
    frame = of(rows(4, 100, 0.0, 50 * HOUR), "naive")
    keys = frame.select("query", "item").unique().sort("query", "item").head(10)
    as_of = keys.with_columns(
        as_of=pl.lit(datetime.fromtimestamp(40 * HOUR, UTC).replace(tzinfo=None))
    )
    names = ["impressions", "clicks", "ctr", "ctr_high", "dwell_mean"]
    tables = [
        collected(lk.evidence(lk.read_log(make(frame)), CURVE, columns=names, as_of=make(as_of)))
        for make in ENGINES.values()
    ]
    assert 0 < len(tables[0]) <= 10
    for other in tables[1:]:
        for name in names:
            assert other[name].to_list() == tables[0][name].to_list(), name


@pytest.mark.parametrize("make", ENGINES.values(), ids=list(ENGINES))
def test_clicks_stays_and_conversions_count_from_when_they_were_known(make: Any) -> None:
    frame = pl.DataFrame(
        {
            "query": [1, 1, 1, 1],
            "item": [1, 2, 3, 4],
            "position": [1, 2, 1, 2],
            "clicked": [1, 1, 1, 1],
            "timestamp": [100.0, 100.0, 100.0, 200.0],
            "click_time": [110.0, 160.0, 110.0, 210.0],
            "dwell": [20.0, 5.0, 90.0, 1.0],
            "conversion": [1, 0, 1, 0],
            "conversion_time": [130.0, None, 170.0, None],
        }
    )
    log = known_at(lk.read_log(make(frame)), 150.0)
    seen = nw.from_native(log.frame.to_native()).lazy().collect().to_polars().sort("item")
    if nw.from_native(make(frame)).implementation.is_pandas():
        seen = seen.fill_nan(None)
    assert seen["item"].to_list() == [1, 2, 3]
    assert seen["clicked"].to_list() == [1, 0, 1]
    assert seen["dwell"].to_list() == [20.0, None, None]
    assert [bool(c) for c in seen["conversion"].to_list()] == [True, False, False]
    assert log.summary.n_clicks == 2
    assert log.summary.n_impressions == 3


def test_a_window_and_a_half_life_look_back_from_the_last_impression() -> None:
    frame = pl.DataFrame(
        {
            "query": [1] * 6,
            "item": [1] * 6,
            "position": [1] * 5 + [2],
            "clicked": [1, 1, 0, 0, 1, 0],
            "timestamp": [0.0, 100.0, 200.0, 300.0, 390.0, 400.0],
        }
    )
    log = lk.read_log(frame)
    names = ["impressions", "clicks", "exposure", "raw_ctr", "ess", "ctr"]
    recent = collected(lk.evidence(log, CURVE, columns=names, window=timedelta(seconds=100)))
    assert (recent["impressions"].item(), recent["clicks"].item()) == (3, 1)
    faded = collected(lk.evidence(log, CURVE, columns=names, half_life=100.0)).row(0, named=True)
    assert (faded["impressions"], faded["clicks"]) == (6, 3)
    weight = 2 ** -(np.array([400, 300, 200, 100, 10, 0]) / 100)
    exposure = float(weight @ np.array([1, 1, 1, 1, 1, 0.5]))
    assert faded["exposure"] == pytest.approx(exposure, rel=0.07)
    rate = float(weight @ frame["clicked"].to_numpy() / weight.sum())
    assert faded["raw_ctr"] == pytest.approx(rate, rel=0.07)
    w = weight / np.array([1, 1, 1, 1, 1, 0.5])
    assert faded["ess"] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=0.07)


def test_the_bias_can_be_fitted_on_what_was_known() -> None:
    sim = lk.simulate(n_impressions=40_000, seed=5).frame
    log = lk.read_log(sim)
    middle = sim["timestamp"].sort()[len(sim) // 2]
    early = lk.PositionBias(n_bootstrap=20).fit(known_at(log, middle))
    alone = lk.PositionBias(n_bootstrap=20).fit(
        lk.read_log(sim.filter(pl.col("timestamp") < middle))
    )
    assert early.curve_.theta.tolist() == alone.curve_.theta.tolist()
    assert known_at(log) is log


def test_times_that_make_no_sense_are_refused() -> None:
    frame = rows(1, 30, 0.0, HOUR)
    log = lk.read_log(frame)
    with pytest.raises(LogError, match="no impression in the period before as_of"):
        lk.evidence(log, CURVE, as_of=-1.0)
    with pytest.raises(LogError, match="window is a positive time"):
        lk.evidence(log, CURVE, window=0)
    with pytest.raises(LogError, match="half_life is a positive time"):
        lk.evidence(log, CURVE, half_life=-3)
    with pytest.raises(LogError, match="map the column 'timestamp'"):
        lk.evidence(lk.read_log(frame.drop("timestamp")), CURVE, window=60)
    times = pl.DataFrame({"query": [0, 0], "item": [1, 1], "as_of": [1.0, 2.0]})
    with pytest.raises(LogError, match="2 of 2 rows that share their example"):
        lk.evidence(log, CURVE, as_of=times)
    with pytest.raises(LogError, match="has 1 of 2 rows without a time"):
        lk.evidence(log, CURVE, as_of=times.with_columns(as_of=pl.Series([1.0, None])))
    known = frame.select("query", "item").unique()
    with pytest.raises(LogError, match="lacks 'as_of'"):
        lk.evidence(log, CURVE, as_of=times.drop("as_of"))
    with pytest.raises(LogError, match="after its own as_of"):
        lk.evidence(log, CURVE, as_of=known.with_columns(as_of=HOUR), prior="query")
    with pytest.raises(LogError, match="'bounces' is held against other examples"):
        lk.evidence(log, CURVE, as_of=known.with_columns(as_of=HOUR), columns=["bounces"])
    with pytest.raises(LogError, match="Bernoulli trials cannot"):
        lk.evidence(log, CURVE, half_life=60, posterior="bernoulli")


def test_a_day_is_a_time() -> None:
    frame = of(rows(2, 100, 0.0, 90 * HOUR), "naive")
    log = lk.read_log(frame)
    by_day = lk.evidence(log, CURVE, as_of=date(1970, 1, 3))
    by_time = lk.evidence(log, CURVE, as_of=datetime(1970, 1, 3))
    assert collected(by_day).equals(collected(by_time))
