"""The log as it was known at a time, recent windows, and clicks that fade.

A label must not be explained by what came after it. ``known_at`` keeps the impressions before a
time and forgets what was learned of them later: a click, a dwell or a conversion that ended after
it. Fit the bias on the same log, ``PositionBias().fit(known_at(log, as_of))``, and nothing from
the future enters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias, TypeGuard
from zoneinfo import ZoneInfo

import narwhals as nw
import numpy as np

from labelkit.bias import Propensities
from labelkit.engine import NativeFrame, collect, lazy, move, to_polars_in_memory
from labelkit.errors import LogError
from labelkit.logs import InteractionLog
from labelkit.logs.cells import CELL, fixed_point
from labelkit.logs.part import part_of

# A time like the log's own: a date-time, or seconds since 1970.
Moment: TypeAlias = "datetime | date | float"
Span: TypeAlias = "timedelta | float"

MICROSECOND = 1_000_000
# A weight is a whole number of 1,024ths, and falls in eight steps per half-life: engines agree on
# whole numbers, not on powers.
UNIT = 2**10
STEPS = 8
AS_OF = "__as_of__"
_EMPTY = "The log has no impression in the period before as_of: look at its times and at as_of."


@dataclass(frozen=True)
class Decay:
    """Clicks and impressions that count for half as much every ``half_life_s`` seconds.

    Parameters
    ----------
    as_of : the time at which they count fully; with None, each example's own (column ``AS_OF``)
    """

    half_life_s: float
    as_of: Any = None
    unit: int = UNIT


def seconds(span: Span, name: str) -> float:
    """A positive length of time in seconds."""
    value = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if not value > 0:
        raise LogError(f"{name} is a positive time (a timedelta, or seconds); got {span!r}.")
    return value


def require_time(log: InteractionLog, name: str) -> nw.dtypes.DType:
    """The type of the log's timestamps."""
    if "timestamp" not in log.columns:
        raise LogError(f"{name} needs a log with times: map the column 'timestamp'.")
    return log.frame.collect_schema()["timestamp"]


def is_moment(value: object) -> TypeGuard[Moment]:
    """Whether this is a time, and not a frame of times."""
    return isinstance(value, date | float | int | np.number) and not isinstance(value, bool)


def moment(value: Moment, dtype: nw.dtypes.DType) -> Any:
    """``value`` as one that compares with a column of type ``dtype``.

    Raises
    ------
    LogError
        It is no time, or has no time zone where the log's times have one.
    """
    if not is_moment(value):
        raise LogError(f"A time is a date-time or seconds since 1970; got {value!r}.")
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if dtype.is_numeric():
        if not isinstance(value, datetime):
            return float(value)
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.timestamp()
    if not isinstance(value, datetime):
        value = datetime.fromtimestamp(float(value), UTC)
    zone = getattr(dtype, "time_zone", None)
    if zone:
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(ZoneInfo(zone))
    naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return naive.date() if dtype == nw.Date else naive


def age_us(earlier: nw.Expr, later: nw.Expr, dtype: nw.dtypes.DType) -> nw.Expr:
    """Whole microseconds from one time to another; null where either is unknown."""
    if dtype.is_numeric():
        return (later.cast(nw.Float64) - earlier.cast(nw.Float64)) * MICROSECOND
    if dtype == nw.Date:
        later, earlier = later.cast(nw.Datetime("us")), earlier.cast(nw.Datetime("us"))
    return (later - earlier).dt.total_microseconds()


def known_at(
    log: InteractionLog, as_of: Moment | None = None, *, window: Span | None = None
) -> InteractionLog:
    """The log as it was known at a time.

    Parameters
    ----------
    as_of : impressions at this time or later are left out, and what became known of earlier ones
        at this time or later is forgotten: clicks (by ``click_time``), dwell that had not ended,
        conversions (by ``conversion_time``). Default: everything in the log is known
    window : how far back to look: a timedelta, or seconds. Without ``as_of`` it ends with the
        last impression

    Returns
    -------
    InteractionLog, whose ``cells`` and ``summary`` are of the impressions that are left.

    Raises
    ------
    LogError
        The log has no times, or nothing of it lies in the period.

    Notes
    -----
    Without ``click_time`` a click is taken to have come with its impression, and without
    ``conversion_time`` a conversion with its click: such a log cannot say more.
    """
    if as_of is None and window is None:
        return log
    dtype = require_time(log, "as_of and window")
    frame = log.frame
    if as_of is None:
        limit = last_time(log)
    else:
        limit = moment(as_of, dtype)
        frame = frame.filter(nw.col("timestamp") < limit)
        frame = forget_later(frame, nw.lit(limit), dtype, log.columns)
    if window is not None:
        frame = frame.filter(in_window(nw.lit(limit), dtype, window))
    return part_of(log, frame, nothing_left=_EMPTY)


def in_window(limit: nw.Expr, dtype: nw.dtypes.DType, window: Span) -> nw.Expr:
    """Whether an impression is at most ``window`` old."""
    age = age_us(nw.col("timestamp"), limit, dtype)
    return age <= seconds(window, "window") * MICROSECOND


def last_time(log: InteractionLog) -> Any:
    """The time of the last impression."""
    last = collect(log.frame.select(nw.col("timestamp").max()))["timestamp"][0]
    if last is None:
        raise LogError("The log's timestamps are all empty: it cannot say what came when.")
    return last


def forget_later(
    frame: nw.LazyFrame[Any], limit: nw.Expr, dtype: nw.dtypes.DType, columns: tuple[str, ...]
) -> nw.LazyFrame[Any]:
    """Impressions with only what was known of them at ``limit``."""
    if "click_time" in columns:
        # A click without a time is taken to have come with its impression.
        late = (nw.col("click_time") >= limit).fill_null(False)
        frame = frame.with_columns(_unless(late, nw.col("clicked"), nw.lit(0)).alias("clicked"))
        gone = [name for name in ("dwell", "conversion") if name in columns]
        frame = frame.with_columns(nw.when(~late).then(nw.col(name)).alias(name) for name in gone)
    if "conversion_time" in columns:
        late = (nw.col("conversion_time") >= limit).fill_null(False)
        converted = (
            [_unless(late, nw.col("conversion"), nw.lit(0)).alias("conversion")]
            if "conversion" in columns
            else []
        )
        known = nw.when(~late).then(nw.col("conversion_time")).alias("conversion_time")
        frame = frame.with_columns(*converted, known)
    if "dwell" in columns:
        began = "click_time" if "click_time" in columns else "timestamp"
        start = nw.col(began)
        if began == "click_time":
            start = nw.when(start.is_null()).then(nw.col("timestamp")).otherwise(start)
        left = age_us(start, limit, dtype)
        over = nw.col("dwell").cast(nw.Float64) * MICROSECOND <= left
        frame = frame.with_columns(nw.when(over).then(nw.col("dwell")).alias("dwell"))
    return frame


def _unless(late: nw.Expr, value: nw.Expr, instead: nw.Expr) -> nw.Expr:
    return nw.when(late).then(instead).otherwise(value)


def known_at_each(
    log: InteractionLog, times: NativeFrame, *, window: Span | None = None
) -> tuple[InteractionLog, Any]:
    """The log as it was known at each example's own time, and the earliest of those times.

    Parameters
    ----------
    times : frame with ``query``, ``item`` and ``as_of``, one row per example; others are left out
    """
    dtype = require_time(log, "as_of")
    table = collect(lazy(times))
    missing = [name for name in ("query", "item", "as_of") if name not in table.columns]
    if missing:
        raise LogError(
            f"as_of as a frame has the columns query, item and as_of; it lacks {missing[0]!r}."
        )
    table = table.select("query", "item", nw.col("as_of").alias(AS_OF))
    n_null = int(table[AS_OF].is_null().sum())
    if n_null:
        raise LogError(f"as_of has {n_null:,} of {len(table):,} rows without a time.")
    twice = table.select("query", "item").is_duplicated()
    if n_twice := int(twice.sum()):
        first = table.filter(twice).select("query", "item").row(0)
        raise LogError(
            f"as_of has {n_twice:,} of {len(table):,} rows that share their example (first: "
            f"{log.example_name(first)}). Ask for one time per example."
        )
    frame = join_rows(log.frame, table, on=["query", "item"])
    limit = nw.col(AS_OF)
    frame = frame.filter(nw.col("timestamp") < limit)
    frame = forget_later(frame, limit, dtype, log.columns)
    if window is not None:
        frame = frame.filter(in_window(limit, dtype, window))
    part = part_of(log, frame, nothing_left=_EMPTY, keeps_order=False)
    return part, table[AS_OF].min()


def join_rows(
    frame: nw.LazyFrame[Any], table: nw.DataFrame[Any], *, on: list[str], how: Any = "inner"
) -> nw.LazyFrame[Any]:
    """Join a small table to the log's rows, in their engine where it takes tables in memory."""
    kind = frame.implementation
    if not (kind.is_pandas_like() or kind.is_pyarrow() or kind.is_polars()):
        frame, kind = lazy(to_polars_in_memory(frame)), nw.Implementation.POLARS
    return frame.join(move(table, frame, keys=on), on=on, how=how)


def decayed_cells(log: InteractionLog, curve: Propensities, decay: Decay) -> nw.DataFrame[Any]:
    """Cells that also carry ``weighted_impressions``, ``weighted_clicks`` (in 1/UNIT) and
    ``squared_impressions`` (in 1/UNIT, too).

    The weight of an impression of age t is 2^−t/half-life, held constant over an eighth of a
    half-life; below 1/2,048 it is 0.
    """
    dtype = require_time(log, "half_life")
    key = [*CELL, *curve.context]
    limit = nw.col(AS_OF) if decay.as_of is None else nw.lit(decay.as_of)
    weight = _weight(age_us(nw.col("timestamp"), limit, dtype), decay.half_life_s)
    w = nw.col("__weight__")
    rows = log.frame.with_columns(weight.alias("__weight__")).select(
        *(nw.col(name) for name in key),
        w.alias("weighted_impressions"),
        (w * nw.col("clicked").cast(nw.Int64)).alias("weighted_clicks"),
        (w.cast(nw.Float64) * w / UNIT).round(0).cast(nw.Int64).alias("squared_impressions"),
        *_decayed_propensities(w, log.columns),
    )
    sums = [name for name in rows.collect_schema().names() if name not in key]
    faded = collect(rows.group_by(*key).agg(nw.col(name).sum() for name in sums))
    if faded.implementation != log.cells.implementation:
        faded = collect(faded.lazy().collect(log.cells.implementation))
    faded = faded.with_columns(nw.col(*sums).cast(nw.Int64))
    cells = log.cells_by(tuple(curve.context))
    kept = [name for name in cells.columns if name not in sums]
    return cells.select(*kept).join(faded, on=key, how="left")


def _decayed_propensities(w: nw.Expr, columns: tuple[str, ...]) -> list[nw.Expr]:
    if "propensity" not in columns:
        return []
    p = nw.col("propensity").cast(nw.Float64)
    return [
        fixed_point(p * w / UNIT).alias("propensity_fp"),
        fixed_point(nw.col("clicked") * w / UNIT / p).alias("ips_clicks_fp"),
    ]


def _weight(age: nw.Expr, half_life_s: float) -> nw.Expr:
    """Weight in 1/UNIT, a whole number, from the age in microseconds; 0 where it is unknown."""
    step = half_life_s * MICROSECOND / STEPS
    n_steps = STEPS * 11
    fraction = [round(UNIT * 2 ** (-(j + 0.5) / STEPS)) for j in range(n_steps)]
    weight: nw.Expr = nw.lit(0)
    steps = age * (1 / step)
    # From the oldest to the youngest: the last condition that holds is the one that counts.
    for j in reversed(range(n_steps)):
        weight = nw.when(steps < j + 1).then(nw.lit(fraction[j])).otherwise(weight)
    return nw.when(age.is_null()).then(nw.lit(0)).otherwise(weight).cast(nw.Int64)
