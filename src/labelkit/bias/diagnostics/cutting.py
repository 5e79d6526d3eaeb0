"""A log cut into groups of impressions: time windows, or rankers, with their cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np

from labelkit.engine import collect
from labelkit.errors import LogError

if TYPE_CHECKING:
    import polars as pl

# Deeper positions are rarely joined well enough to be tested, and cost a test each.
MOST_POSITIONS = 40
# Units that times are counted by, and their seconds.
UNITS = (("h", 3600), ("m", 60), ("s", 1))
UNIT_NAMES = {"h": "hour", "m": "minute", "s": "second"}


def window_starts(known: nw.LazyFrame[Any], n_windows: int) -> list[Any]:
    """Where each window begins: at the first time, and then after equal shares of the impressions.

    Times are counted by the hour (minute, second), whichever is fine enough: one wrong clock in the
    log would stretch windows of equal length until one of them held everything.
    """
    time = nw.col("timestamp")
    ends = collect(known.select(time.min(), last=time.max()))
    first, last = ends["timestamp"].item(), ends["last"].item()
    if first is None or not first < last:
        raise LogError("Stability over time needs timestamps that differ; all rows have the same.")
    span = (last - first).total_seconds() if hasattr(last - first, "days") else float(last - first)
    unit, seconds = next((u, s) for u, s in UNITS if span > 100 * s or s == 1)
    dtype = known.collect_schema()["timestamp"]
    if dtype == nw.Date:
        coarse = time
    elif dtype.is_temporal():
        coarse = time.dt.truncate(f"1{unit}")
    else:
        coarse = (time / seconds).floor() * seconds
    counted = known.select(at=coarse).group_by("at").agg(nw.len().alias("n"))
    by_time = collect(counted).to_polars().sort("at")
    reached = by_time["n"].cum_sum().to_numpy()
    places = np.searchsorted(reached, reached[-1] * np.arange(1, n_windows) / n_windows)
    # A window that a single hour would fill twice over is left out.
    inner = sorted({int(place) for place in places} - {0})
    if not inner:
        raise LogError(
            "Stability over time needs impressions spread over time; nearly all of this log's are "
            f"of one {UNIT_NAMES[unit]}."
        )
    return [first, *(by_time["at"][place] for place in inner)]


def group_cells(frame: nw.LazyFrame[Any]) -> pl.DataFrame:
    """Impressions and clicks per (query, item, group, position), sorted; small beside the log."""
    keys = ["query", "item", "__group__", "position"]
    clicks = nw.col("clicked").cast(nw.Int64).alias("clicks")
    upper = frame.filter(nw.col("position") <= MOST_POSITIONS).select(*keys, clicks)
    summed = upper.group_by(*keys).agg(nw.len().alias("impressions"), nw.col("clicks").sum())
    # Engines sum whole numbers into types of their own (DuckDB into 128 bits).
    whole = nw.col("position", "impressions", "clicks").cast(nw.Int64)
    return collect(summed).with_columns(whole).to_polars().sort(keys)
