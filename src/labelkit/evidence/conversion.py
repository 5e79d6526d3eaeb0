"""Conversions that take time: a click of today that has not converted is unknown, not negative.

Of the conversions that a click will have, the share G(t) has come when the click is t old. So
conversions seen by now are Poisson with mean p Σ G(t_i) over the clicks (Chapelle 2014), and the
sum is the number of clicks that had their time. G is estimated from the delays of those that
converted, each of which could only be seen because it was shorter than its click is old: delays
are truncated on the right, by an exponential law or by the product-limit estimate in reverse time
(Lynden-Bell 1971; Lagakos, Barraj & De Gruttola 1988), the Kaplan–Meier of truncated delays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import numpy as np
import numpy.typing as npt

from labelkit.engine import collect
from labelkit.errors import LogError
from labelkit.evidence.people import join_examples
from labelkit.evidence.prior import fit_gamma_prior
from labelkit.evidence.recency import MICROSECOND, Span, age_us, last_time, require_time, seconds
from labelkit.evidence.slots import directions
from labelkit.logs import InteractionLog

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Delay = Literal["exponential", "kaplan_meier"]

# Ages and delays are told apart to a 400th of the longest.
N_BINS = 400
N_BOOTSTRAP = 50
FEWEST_DELAYS = 10
NAMES = ("conversion_rate", "conversion_low", "conversion_high")


@dataclass(frozen=True)
class DelayLaw:
    """Share of a click's conversions that has come by an age.

    ::

        arrived     (N_BINS + 1,) G at the middle of each bin of age; the last bin is open
        directions  (N_BINS + 1, r) of the errors of log G (see ``slots.directions``)
        bin_s       width of a bin, seconds
    """

    arrived: FloatArray
    directions: FloatArray
    bin_s: float


def add_conversion_rates(
    table: nw.LazyFrame[Any],
    log: InteractionLog,
    *,
    as_of: Any = None,
    window: Span | None = None,
    delay: Delay = "exponential",
    level: float = 0.95,
    seed: int = 0,
) -> nw.LazyFrame[Any]:
    """``conversion_rate``, ``conversion_low`` and ``conversion_high``, conversions per click.

    Parameters
    ----------
    as_of : when the log was last looked at; default its last impression
    window : conversions later than this after the click do not count. In a log without
        ``conversion_time`` clicks that are not yet so old are left out, with their conversions;
        without a window either, every click counts as if it had had its time
    delay : the law of delays in a log with ``conversion_time``
    """
    if delay not in ("exponential", "kaplan_meier"):
        raise LogError(f"delay is 'exponential' or 'kaplan_meier', not {delay!r}.")
    width = None if window is None else seconds(window, "conversion_window")
    timed = "conversion_time" in log.columns
    if timed or width is not None:
        clicks = _clicks(log, as_of)
        span = width if width is not None else _longest(clicks, timed)
    else:
        clicks, span = _untimed_clicks(log), 1.0
    cells = _bin(clicks, span, log, bounded=width is not None)
    new = ((nw.col("query") != nw.col("query").shift(1)) | (
        nw.col("item") != nw.col("item").shift(1)
    )).fill_null(True)  # fmt: skip
    flags = cells.select(new.alias("new"))["new"].to_numpy().astype(bool)
    example = np.cumsum(flags) - 1
    age, n = cells["age"].to_numpy(), cells["n"].to_numpy().astype(np.float64)
    came = cells["came"].to_numpy().astype(np.float64)
    if timed:
        law = fit_delays(*_delays(clicks, span), span, delay, bounded=width is not None, seed=seed)
    else:
        whole = np.where(np.arange(N_BINS + 1) == N_BINS, 1.0, 0.0)
        law = DelayLaw(whole, np.zeros((N_BINS + 1, 0)), span / N_BINS)
        came = came * (age == N_BINS)
    size = int(example[-1]) + 1 if len(example) else 0
    had_time: FloatArray = n * law.arrived[age]

    def by_example(values: FloatArray) -> FloatArray:
        return np.bincount(example, values, size).astype(np.float64)

    errors = [by_example(had_time * f[age]) for f in law.directions.T]
    rates = _rates(by_example(came), by_example(had_time), errors, level)
    keys = cells.select("query", "item").filter(flags.tolist())
    series = [
        nw.new_series(name, values, backend=keys.implementation)
        for name, values in zip(NAMES, rates, strict=True)
    ]
    return join_examples(table, keys.with_columns(*series).lazy(), log)


def _rates(
    converted: FloatArray, exposure: FloatArray, errors: list[FloatArray], level: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gamma–Poisson mean and interval; the uncertainty of the delays adds in squares of logs."""
    from scipy.special import ndtri

    prior = fit_gamma_prior(converted, exposure)
    total = prior.rate + exposure
    mean = (prior.shape + converted) / total
    low, high = (q / total for q in prior.quantiles(converted, level))
    x = float(ndtri(0.5 + level / 2)) * np.sqrt(sum(e**2 for e in errors)) / total
    r = np.expm1(x)
    below = np.sqrt((mean / np.maximum(low, 1e-150) - 1) ** 2 + r**2)
    above = high / mean - 1
    above = np.where(above > 0, np.sqrt(above**2 + r**2), above + r)
    ends = mean, mean / (1 + below), mean * (1 + above)
    return tuple(np.minimum(end, 1.0) for end in ends)  # type: ignore[return-value]


def _clicks(log: InteractionLog, as_of: Any) -> nw.LazyFrame[Any]:
    """Clicks with whether they converted, their age and the delay, in whole microseconds."""
    dtype = require_time(log, "conversion_rate of late conversions")
    now = nw.lit(last_time(log) if as_of is None else as_of)
    start = nw.col("timestamp")
    if "click_time" in log.columns:
        start = nw.when(nw.col("click_time").is_null()).then(start).otherwise(nw.col("click_time"))
    if "conversion" in log.columns:
        came = nw.col("conversion").fill_null(0).cast(nw.Int64)
    else:
        came = (~nw.col("conversion_time").is_null()).cast(nw.Int64)
    gap = (
        age_us(start, nw.col("conversion_time"), dtype)
        if "conversion_time" in log.columns
        else nw.lit(None, nw.Float64)
    )
    return log.frame.filter((nw.col("clicked") == 1) & ~nw.col("timestamp").is_null()).select(
        "query",
        "item",
        came.alias("came"),
        age_us(start, now, dtype).cast(nw.Float64).alias("age_us"),
        gap.cast(nw.Float64).alias("delay_us"),
    )


def _untimed_clicks(log: InteractionLog) -> nw.LazyFrame[Any]:
    """Clicks of a log that does not say when: all as old as one could wish."""
    return log.frame.filter(nw.col("clicked") == 1).select(
        "query",
        "item",
        nw.col("conversion").fill_null(0).cast(nw.Int64).alias("came"),
        nw.lit(2.0 * MICROSECOND).alias("age_us"),
        nw.lit(None, nw.Float64).alias("delay_us"),
    )


def _longest(clicks: nw.LazyFrame[Any], timed: bool) -> float:
    """Ages beyond which nothing changes: four times the longest delay, in seconds."""
    longest = collect(clicks.select(nw.col("delay_us").max()))["delay_us"][0]
    return max(4 * float(longest or 0) / MICROSECOND, 1e-3)


def _bin(
    clicks: nw.LazyFrame[Any], span: float, log: InteractionLog, *, bounded: bool
) -> nw.DataFrame[Any]:
    """Clicks and conversions per example and bin of age, sorted."""
    width = span * MICROSECOND / N_BINS
    young = (nw.col("age_us") * (1 / width)).floor()
    age = nw.when(young < N_BINS).then(young).otherwise(nw.lit(float(N_BINS))).cast(nw.Int64)
    came = nw.col("came")
    if bounded:
        # Too late to count; of those whose delay is not known nothing speaks against them.
        late = (nw.col("delay_us") > span * MICROSECOND).fill_null(False)
        came = nw.when(late).then(nw.lit(0)).otherwise(came)
    rows = clicks.select("query", "item", age.alias("age"), came.cast(nw.Int64).alias("came"))
    cells = collect(
        rows.group_by("query", "item", "age").agg(nw.len().alias("n"), nw.col("came").sum())
    )
    if cells.implementation != log.cells.implementation:
        cells = collect(cells.lazy().collect(log.cells.implementation))
    return cells.with_columns(nw.col("n", "came", "age").cast(nw.Int64)).sort(
        "query", "item", "age"
    )


def _delays(clicks: nw.LazyFrame[Any], span: float) -> tuple[IntArray, IntArray, IntArray]:
    """Bins of delay and of age over converted clicks, and how many there are of each pair."""
    width = span * MICROSECOND / N_BINS
    known = clicks.filter((nw.col("came") == 1) & ~nw.col("delay_us").is_null())
    young = (nw.col("age_us") * (1 / width)).floor()
    rows = known.filter(nw.col("delay_us") <= span * MICROSECOND).select(
        (nw.col("delay_us") * (1 / width)).floor().cast(nw.Int64).alias("delay"),
        nw.when(young < N_BINS)
        .then(young)
        .otherwise(nw.lit(float(N_BINS)))
        .cast(nw.Int64)
        .alias("age"),
    )
    table = collect(rows.group_by("delay", "age").agg(nw.len().alias("n"))).sort("delay", "age")
    delay, age, n = (table[c].to_numpy().astype(np.int64) for c in ("delay", "age", "n"))
    return np.minimum(delay, N_BINS - 1), age, n


def fit_delays(
    delay: IntArray,
    age: IntArray,
    n: IntArray,
    span: float,
    law: Delay,
    *,
    bounded: bool,
    seed: int = 0,
) -> DelayLaw:
    """The law of delays, with its bootstrap uncertainty.

    Parameters
    ----------
    delay, age, n : (m,) bins of delay and age of conversions, and their number
    span : what N_BINS bins are long, seconds
    bounded : whether the span is a window in which every conversion that counts must fall
    """
    kept = age >= delay
    delay, age, n = delay[kept], age[kept], n[kept]
    if n.sum() < FEWEST_DELAYS:
        raise LogError(
            f"Column 'conversion_time' has {int(n.sum())} conversions with a delay: at least "
            f"{FEWEST_DELAYS} are needed to tell how long they take. Leave the column out and name "
            "a conversion_window instead."
        )
    fit = _exponential if law == "exponential" else _reverse_product_limit
    arrived = fit(delay, age, n, bounded)
    rng = np.random.default_rng(seed)
    draws = np.array(
        [
            fit(delay, age, rng.multinomial(n.sum(), n / n.sum()), bounded)
            for _ in range(N_BOOTSTRAP)
        ]
    )
    spread = np.log(np.maximum(draws, 1e-12)) - np.log(np.maximum(arrived, 1e-12))
    covariance = spread.T @ spread / N_BOOTSTRAP
    return DelayLaw(arrived, directions(covariance, arrived + 1e-9), span / N_BINS)


def _exponential(delay: IntArray, age: IntArray, n: IntArray, bounded: bool) -> FloatArray:
    """G of exponential delays, each seen because it was shorter than its click is old."""
    from scipy.optimize import minimize_scalar

    d = delay + 0.5
    # Without a window an open age has seen all; with one, all that count.
    open_ended = age == N_BINS
    e = np.where(open_ended, N_BINS if bounded else 64.0 * N_BINS, age + 0.5)
    e = np.maximum(e, d)
    total = float(n @ d)
    ages, where = np.unique(e, return_inverse=True)
    weight = np.bincount(where, n)

    def negative(log_rate: float) -> float:
        rate = np.exp(log_rate)
        seen = np.log(-np.expm1(-rate * ages))
        return float(rate * total - n.sum() * log_rate + weight @ seen)

    best = minimize_scalar(negative, bounds=(np.log(1e-3 / N_BINS), np.log(4.0)), method="bounded")
    rate = float(np.exp(best.x))
    middle = np.arange(N_BINS) + 0.5
    whole = -np.expm1(-rate * N_BINS) if bounded else 1.0
    return np.append(-np.expm1(-rate * middle) / whole, 1.0)


def _reverse_product_limit(
    delay: IntArray, age: IntArray, n: IntArray, bounded: bool
) -> FloatArray:
    """G without a shape: F(t) = Π_{u > t} (1 − D(u)/Y(u)), Y(u) of delay ≤ u and age ≥ u."""
    died = np.bincount(delay, n, N_BINS)
    # At bin u at risk: conversions that were no later than u, of clicks at least u old.
    entered = np.cumsum(died)
    left = np.concatenate([[0.0], np.cumsum(np.bincount(age, n, N_BINS + 1))[: N_BINS - 1]])
    at_risk = np.maximum(entered - left, died)
    keep = np.where(at_risk > 0, 1 - died / np.maximum(at_risk, 1), 1.0)
    # Where all that are at risk convert at once, nothing earlier is left to tell.
    first = int(np.argmax(died > 0))
    keep[: first + 1] = 1.0
    after = np.append(np.cumprod(keep[::-1])[::-1][1:], 1.0)
    upto = np.where(np.arange(N_BINS) < first, 0.0, after)
    before = np.append(0.0, upto[:-1])
    return np.append((before + upto) / 2, 1.0)
