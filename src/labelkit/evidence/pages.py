"""What a page says beyond its clicks: who was passed over, and where the user stopped.

A page is what ``page`` names together with its query; without that column, a session's results
for one query. Without ``click_time`` the last click is the lowest one, which is the last one of
four in five pages of users who read downwards; with it, it is the latest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw

from labelkit.engine import lazy, to_polars_lazy
from labelkit.evidence.people import group_examples, join_counts
from labelkit.logs import InteractionLog

if TYPE_CHECKING:
    import polars as pl


def add_skips(table: nw.LazyFrame[Any], log: InteractionLog) -> nw.LazyFrame[Any]:
    """Skip-above (Joachims 2002): shown unclicked above the lowest click of the same page."""
    by = list(log.page_key)
    if log.in_page_order and log.frame.implementation.is_polars():
        skipped = _skips_by_order(to_polars_lazy(log.frame), by)
    else:
        skipped = _skips_by_join(log.frame, by, log.keys)
    counted = group_examples(skipped.select(*log.keys), log, nw.len().alias("skips"))
    return join_counts(table, counted, log, ["skips"])


def _skips_by_order(rows: pl.LazyFrame, by: list[str]) -> nw.LazyFrame[Any]:
    """Skipped impressions of a log written page by page: the next click below is of their page.

    A scan from the end carries the last click seen; no page is grouped or joined, which takes a
    fifth of the time.
    """
    import polars as pl

    clicked = pl.col("clicked") == 1
    next_click = [pl.when(clicked).then(pl.col(name)).fill_null(strategy="backward") for name in by]
    same = pl.all_horizontal(
        pl.col(name) == click for name, click in zip(by, next_click, strict=True)
    )
    return lazy(rows.filter(~clicked & same).select("query", "item"))


def _skips_by_join(
    frame: nw.LazyFrame[Any], by: list[str], keys: tuple[str, ...]
) -> nw.LazyFrame[Any]:
    """Skipped impressions of a log in any order."""
    clicks = frame.filter(nw.col("clicked") == 1)
    lowest = clicks.group_by(*by).agg(nw.col("position").max().alias("lowest"))
    kept = dict.fromkeys([*by, *keys, "position"])
    unclicked = frame.filter(nw.col("clicked") == 0).select(*kept)
    return unclicked.join(lowest, on=by, how="inner").filter(nw.col("position") < nw.col("lowest"))


def add_last_clicks(table: nw.LazyFrame[Any], log: InteractionLog) -> nw.LazyFrame[Any]:
    """``last_clicks``: how often it was the last click of its page."""
    last = last_clicks(log).select(*log.keys)
    counted = group_examples(last, log, nw.len().alias("last_clicks"))
    return join_counts(table, counted, log, ["last_clicks"])


def last_clicks(log: InteractionLog) -> nw.LazyFrame[Any]:
    """The last click of each page: its page, example and position.

    Of clicks at the same time, the lowest; of an item listed twice at one place, all.
    """
    by = list(log.page_key)
    order = [*(["click_time"] if "click_time" in log.columns else []), "position"]
    kept = dict.fromkeys([*by, *log.keys, *order])
    clicks = log.frame.filter(nw.col("clicked") == 1).select(*kept)
    for name in order:
        # A page whose clicks have no time keeps them all, and the lowest is taken.
        last = clicks.group_by(*by).agg(nw.col(name).max().alias("__last__"))
        clicks = clicks.join(last, on=by, how="inner").filter(
            (nw.col(name) == nw.col("__last__")) | nw.col("__last__").is_null()
        )
        clicks = clicks.drop("__last__")
    return clicks
