"""Sessions as evidence: what people did after they had clicked.

What comes in: an interaction log with sessions and times. What goes out: one row per example with
counts that LFs vote on, to be joined with the evidence table. It must never look at a label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from labelkit.engine import NativeFrame, collect, to_native_like, to_polars_lazy
from labelkit.errors import LogError
from labelkit.logs import InteractionLog

if TYPE_CHECKING:
    import polars as pl


def session_evidence(log: InteractionLog, *, within_s: float = 300.0) -> NativeFrame:
    """How often a click on an item was followed by another query, or ended the session.

    A result page is followed by the next page of its session. If that one is of another query and
    came within ``within_s`` seconds, the need was put into other words, and each click on the page
    counts as one that was followed by a reformulation. If no page came after, each click on the
    page is one that ended the session.

    Parameters
    ----------
    log : a log with ``session`` and ``timestamp``
    within_s : seconds after which another query is taken for another need

    Returns
    -------
    A frame of the kind of the log, one row per (query, item) that was shown, with the keys and

    ============================ ==================================================================
    ``clicks_then_reformulated`` clicks after which the session asked another query in time
    ``clicks_ending_session``    clicks on the last page of their session
    ============================ ==================================================================

    Raises
    ------
    LogError
        The log has no session or no timestamp.

    Notes
    -----
    A query is what the log's ``query`` column tells apart. Where that is a user or a slot there
    are no reformulations, and where sessions are cut by a timer their ends mean little. Hassan et
    al. (2013), "Beyond clicks: query reformulation as a predictor of search satisfaction", CIKM.
    """
    import polars as pl

    missing = [name for name in ("session", "timestamp") if name not in log.columns]
    if missing:
        raise LogError(
            f"Session evidence is made from session and timestamp; the log has no {missing[0]!r}."
        )
    if not within_s > 0:
        raise LogError(f"within_s is a number of seconds above 0; got {within_s!r}.")
    page = ["session", "query", *(["page"] if "page" in log.columns else [])]
    read = log.frame.select(*page, "item", "clicked", "timestamp")
    # The rows are read twice, which a DuckDB relation refuses to Polars: it answers one at a time.
    rows = (
        to_polars_lazy(read)
        if read.implementation.is_polars()
        else collect(read).to_polars().lazy()
    )
    pages = (
        rows.group_by(page)
        .agg(__start__=pl.col("timestamp").min())
        # The other columns settle ties, so that the order of rows changes nothing.
        .sort("session", "__start__", *page[1:])
        .with_columns(
            __next__=pl.col("query").shift(-1).over("session"),
            __after__=_seconds(
                pl.col("__start__").shift(-1).over("session") - pl.col("__start__"),
                rows.collect_schema()["timestamp"],
            ),
        )
        .select(
            *page,
            reformulated=(
                (pl.col("__next__") != pl.col("query")) & (pl.col("__after__") <= within_s)
            ).fill_null(False),
            ended=pl.col("__after__").is_null(),
        )
    )
    clicked = pl.col("clicked") == 1
    counted = (
        rows.join(pages, on=page, how="left")
        .group_by("query", "item")
        .agg(
            clicks_then_reformulated=(clicked & pl.col("reformulated")).sum().cast(pl.Int64),
            clicks_ending_session=(clicked & pl.col("ended")).sum().cast(pl.Int64),
        )
        .sort("query", "item")
        .collect(engine="streaming")
    )
    like = log.frame if log.native is None else log.native
    return to_native_like(nw.from_native(counted), like)


def _seconds(difference: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A difference of two timestamps in seconds, whatever a timestamp is."""
    if dtype.is_temporal():
        return difference.dt.total_milliseconds() / 1000
    return difference
