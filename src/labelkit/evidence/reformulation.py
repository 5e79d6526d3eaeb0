"""Reformulation: the user changed the query soon after, without having found anything.

What a page showed before such a change did not satisfy: clicked or not, its items are a little
less likely to be what was looked for (Hassan et al. 2013, "Beyond clicks: query reformulation as
a predictor of search satisfaction").
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import narwhals as nw

from labelkit.engine import lazy, to_polars_in_memory
from labelkit.evidence.people import join_counts
from labelkit.evidence.recency import MICROSECOND
from labelkit.logs import InteractionLog

# A stay of half a minute is the usual mark of a satisfied click (Fox et al. 2005); five minutes
# later a new query is a new task.
SATISFIED_S = 30.0
SOON_S = 300.0


def add_reformulated(
    table: nw.LazyFrame[Any],
    log: InteractionLog,
    *,
    soon: timedelta | float = SOON_S,
    satisfied_s: float = SATISFIED_S,
) -> nw.LazyFrame[Any]:
    """``reformulated``: impressions on pages after which the session's query changed.

    Parameters
    ----------
    soon : the next page of the session came at most so long after, and had another query
    satisfied_s : a click with at least this dwell satisfied; in a log without dwell, or where it
        is unknown, every click did
    """
    import polars as pl

    optional = [name for name in ("page", "dwell") if name in log.columns]
    asked = log.query_column
    used = dict.fromkeys(["session", asked, *log.keys, "timestamp", "clicked", *optional])
    rows = to_polars_in_memory(log.frame.select(*used))
    time = pl.col("timestamp")
    kind = log.frame.collect_schema()["timestamp"]
    if kind.is_numeric():
        gap = (time.shift(-1) - time) * MICROSECOND
    else:
        us = time.cast(pl.Datetime("us"))
        gap = (us.shift(-1) - us).dt.total_microseconds()
    page = ["session", asked, "page"] if "page" in log.columns else ["session", asked]
    happy = pl.col("clicked") == 1
    if "dwell" in log.columns:
        happy &= pl.col("dwell").fill_null(satisfied_s) >= satisfied_s
    # Without a page id a query asked twice in a session is two pages if their times differ.
    key = page if "page" in log.columns else [*page, "timestamp"]
    pages = (
        rows.filter(time.is_not_null() & pl.col("session").is_not_null())
        .group_by(key)
        .agg(*([time.min()] if "page" in log.columns else []), happy.any().alias("__happy__"))
    )
    limit = (soon.total_seconds() if isinstance(soon, timedelta) else float(soon)) * MICROSECOND
    same = pl.col("session") == pl.col("session").shift(-1)
    # The query breaks ties of time, so that the order of the rows does not matter.
    changed = (
        pages.sort("session", "timestamp", *key[1:])
        .filter(
            same
            & (pl.col(asked) != pl.col(asked).shift(-1))
            & (gap <= limit)
            & ~pl.col("__happy__")
        )
        .select(key)
    )
    shown = rows.select(*dict.fromkeys([*key, "query", "item"]))
    counted = (
        shown.join(changed, on=key, how="semi").group_by("query", "item").agg(
            pl.len().cast(pl.Int64).alias("reformulated")
        )
    )  # fmt: skip
    return join_counts(table, lazy(counted), log, ["reformulated"])
