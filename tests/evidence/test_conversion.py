from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from given_curves import ENGINES, collected, known_curve

import labelkit as lk
from labelkit.errors import LogError
from labelkit.evidence.conversion import N_BINS, fit_delays

CURVE = known_curve([1.0, 0.5])
NAMES = ["conversion_rate", "conversion_low", "conversion_high", "clicks"]
DAY = 86_400.0


def late_conversions(
    seed: int = 0,
    *,
    n: int = 20_000,
    mean_days: float = 5.0,
    days: float = 20.0,
    shape: float = 1.0,
) -> pl.DataFrame:
    """Clicks over some days, of which item i converts with probability (i + 1)/20, in time."""
    rng = np.random.default_rng(seed)
    item = rng.integers(0, 6, n)
    start = np.floor(rng.uniform(0, days * DAY, n))
    delay = np.ceil(rng.weibull(shape, n) * mean_days * DAY)
    converts = rng.random(n) < (item + 1) / 20
    seen = converts & (start + delay < days * DAY)
    time = pl.Series(np.where(seen, start + delay, np.nan)).fill_nan(None)
    return pl.DataFrame(
        {
            "page": np.arange(n),
            "query": rng.integers(0, 4, n),
            "item": item,
            "position": 1 + rng.integers(0, 2, n),
            "clicked": np.ones(n, dtype=np.int64),
            "timestamp": start,
            "conversion": seen.astype(np.int64),
            "conversion_time": time,
        }
    )


@pytest.mark.parametrize("delay", ["exponential", "kaplan_meier"])
def test_a_click_that_may_still_convert_does_not_count_as_one_that_did_not(delay: Any) -> None:
    """A quarter of conversions are still to come; the naive rate misses them."""
    log = lk.read_log(late_conversions())
    options = {"window": None, "conversion_window": 15 * DAY} if delay == "kaplan_meier" else {}
    table = collected(
        lk.evidence(log, CURVE, columns=[*NAMES, "conversions"], conversion_delay=delay, **options)
    )
    truth = (table["item"].to_numpy() + 1) / 20
    if options:
        truth = truth * -np.expm1(-15 / 5)
    naive = (table["conversions"] / table["clicks"]).to_numpy()
    rate = table["conversion_rate"].to_numpy()
    assert np.mean(naive / truth) < 0.85
    assert np.mean(rate / truth) == pytest.approx(1, abs=0.06)
    inside = (table["conversion_low"].to_numpy() <= truth) & (
        truth <= table["conversion_high"].to_numpy()
    )
    assert inside.mean() >= 0.85


def test_the_exponential_law_is_told_from_truncated_delays() -> None:
    rng = np.random.default_rng(3)
    span, n = 100.0, 30_000
    age = rng.uniform(0, span, n)
    delay = rng.exponential(20.0, n)
    kept = delay < age
    width = span / N_BINS
    bins = (delay[kept] // width).astype(int), (age[kept] // width).astype(int)
    pairs, n_pairs = np.unique(np.stack(bins), axis=1, return_counts=True)
    expected = -np.expm1(-(np.arange(N_BINS) + 0.5) * width / 20.0)
    exponential = fit_delays(*pairs, n_pairs, span, "exponential", bounded=False)
    np.testing.assert_allclose(exponential.arrived[20:-1], expected[20:], rtol=0.04)
    free = fit_delays(*pairs, n_pairs, span, "kaplan_meier", bounded=True)
    # Without a shape, what comes after the oldest click cannot be known: shares of what came.
    whole = -np.expm1(-span / 20.0)
    np.testing.assert_allclose(free.arrived[20:-1], expected[20:] / whole, rtol=0.06)


def test_the_product_limit_follows_delays_that_no_exponential_fits() -> None:
    rng = np.random.default_rng(4)
    span, n = 100.0, 60_000
    age, delay = rng.uniform(0, span, n), 40 + rng.uniform(0, 20, n)
    kept = delay < age
    width = span / N_BINS
    pairs, n_pairs = np.unique(
        np.stack([(delay[kept] // width).astype(int), (age[kept] // width).astype(int)]),
        axis=1,
        return_counts=True,
    )
    law = fit_delays(*pairs, n_pairs, span, "kaplan_meier", bounded=True)
    at = (np.arange(N_BINS) + 0.5) * width
    truth = np.clip((at - 40) / 20, 0, 1)
    late = at > 45
    np.testing.assert_allclose(law.arrived[:-1][late], truth[late], atol=0.05)
    assert np.all(law.arrived[:-1][at < 39] == 0)


@pytest.mark.parametrize("times", ["seconds", "datetime"])
def test_every_engine_gives_the_same_conversion_rates(times: str) -> None:
    frame = late_conversions(n=2_000)
    if times == "datetime":
        frame = frame.with_columns(
            pl.from_epoch((pl.col(c) * 1e6).cast(pl.Int64), time_unit="us").alias(c)
            for c in ("timestamp", "conversion_time")
        )
    tables = [
        collected(lk.evidence(lk.read_log(make(frame)), CURVE, columns=NAMES))
        for make in ENGINES.values()
    ]
    for other in tables[1:]:
        assert other.select(NAMES).equals(tables[0].select(NAMES))


def test_with_a_window_alone_young_clicks_are_left_out() -> None:
    """Without times of conversions nothing is known of clicks whose window has not run out."""
    frame = late_conversions(days=40.0).with_columns(
        conversion=pl.when(
            (pl.col("conversion") == 1)
            & (pl.col("conversion_time") - pl.col("timestamp") <= 10 * DAY)
        )
        .then(1)
        .otherwise(0)
    )
    log = lk.read_log(frame.drop("conversion_time"))
    table = collected(lk.evidence(log, CURVE, columns=NAMES, conversion_window=timedelta(days=10)))
    truth = (table["item"].to_numpy() + 1) / 20 * -np.expm1(-10 / 5)
    assert np.mean(table["conversion_rate"].to_numpy() / truth) == pytest.approx(1, abs=0.05)
    old = log.frame.filter(pl_time_before(30 * DAY)).collect()
    assert len(old) < len(frame) * 0.8


def pl_time_before(limit: float) -> Any:
    import narwhals as nw

    return nw.col("timestamp") <= limit


def test_without_times_or_a_window_every_click_counts() -> None:
    frame = late_conversions().drop("conversion_time", "timestamp")
    table = collected(lk.evidence(lk.read_log(frame), CURVE, columns=[*NAMES, "conversions"]))
    naive = (table["conversions"] / table["clicks"]).to_numpy()
    np.testing.assert_allclose(table["conversion_rate"], naive, rtol=0.1)


def test_too_few_delays_are_refused_with_what_to_do() -> None:
    frame = late_conversions(n=40)
    assert frame["conversion"].sum() < 10
    with pytest.raises(LogError, match=r"at least 10 are needed .* name a conversion_window"):
        lk.evidence(lk.read_log(frame), CURVE, columns=["conversion_rate"])


def test_times_of_conversions_keep_the_contract() -> None:
    frame = late_conversions(n=200)
    row = int(np.argmax(frame["conversion"].to_numpy()))
    early = frame.with_columns(
        conversion_time=pl.when(pl.int_range(pl.len()) == row)
        .then(pl.col("timestamp") - 1)
        .otherwise("conversion_time")
    )
    with pytest.raises(LogError, match=r"'conversion_time' has 1 of 200 rows earlier than their"):
        lk.read_log(early)
    unflagged = frame.with_columns(
        conversion=pl.when(pl.int_range(pl.len()) == row).then(0).otherwise("conversion")
    )
    with pytest.raises(LogError, match=r"'conversion_time' has 1 of 200 rows without a conversion"):
        lk.read_log(unflagged)
    mixed = frame.with_columns(conversion_time=pl.lit(datetime(2024, 1, 1)))
    with pytest.raises(LogError, match="they cannot be compared"):
        lk.read_log(mixed)
