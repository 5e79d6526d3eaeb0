"""Bots and double clicks: found by stated rules, counted, and set aside only when asked.

``find_bots`` names sessions or users that no person would be, with the reason and the number that
speaks against them; ``exclude`` makes a log without them; ``count_once`` makes one in which a
reload or a double click counts once. What was taken out is said in numbers, and the log that was
read stays as it is. Rows are looked at by Polars, whatever engine delivers them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import narwhals as nw

from labelkit.engine import (
    NativeFrame,
    collect,
    lazy,
    to_native_like,
    to_polars_in_memory,
    to_polars_lazy,
)
from labelkit.errors import LogError
from labelkit.logs.log import InteractionLog
from labelkit.logs.part import part_of

if TYPE_CHECKING:
    import polars as pl

By = Literal["user", "session"]
REASONS = ("clicks_everything", "too_many_clicks_a_page", "too_fast", "clockwork")
MICROSECOND = 1_000_000


@dataclass(frozen=True)
class BotRules:
    """What no person does. A rule is off where its limit is None.

    Parameters
    ----------
    click_rate : clicks on at least this share of what was shown …
    click_rate_impressions : … over at least so many impressions
    clicks_a_page : more clicks a page than this on average …
    clicks_a_page_pages : … over at least so many pages
    pages_a_minute : more pages than this within one minute of the clock
    clockwork : gaps between pages with a coefficient of variation below this …
    clockwork_gaps : … over at least so many gaps
    """

    click_rate: float | None = 0.95
    click_rate_impressions: int = 30
    clicks_a_page: float | None = 6.0
    clicks_a_page_pages: int = 3
    pages_a_minute: float | None = 30.0
    clockwork: float | None = 0.05
    clockwork_gaps: int = 10


DEFAULT_RULES = BotRules()


@dataclass(frozen=True)
class Excluded:
    """A log without some of its traffic, and how much was taken out.

    Parameters
    ----------
    n_ids : sessions or users taken out; 0 for repeats
    n_impressions, n_clicks : that went with them
    """

    log: InteractionLog
    n_ids: int
    n_impressions: int
    n_clicks: int


def find_bots(
    log: InteractionLog, *, by: By | None = None, rules: BotRules = DEFAULT_RULES
) -> NativeFrame:
    """Sessions or users that break a rule, with the rule and the number that broke it.

    Parameters
    ----------
    by : "user" or "session"; default user where the log has it
    rules : limits; those that need a time or pages are passed over in a log without

    Returns
    -------
    frame of the kind that the log was read from: ``id``, ``reason`` (the first of
    "clicks_everything", "too_many_clicks_a_page", "too_fast", "clockwork" that holds), ``value``
    (click rate, clicks a page, pages in the fullest minute, coefficient of variation),
    ``n_impressions``, ``n_clicks``; sorted by ``id``.

    Raises
    ------
    LogError
        The log has neither users nor sessions, or not the one that was asked for.

    Notes
    -----
    Rules are crude on purpose: each is one sentence that its owner can argue with. They find
    naive robots, not those that mean to look like people.
    """
    import polars as pl

    name = _identity(log, by)
    rows = to_polars_lazy(log.frame).filter(pl.col(name).is_not_null())
    page = _page(log)
    clicked = (pl.col("clicked") == 1).cast(pl.Int64)
    grouped = rows.group_by(list(dict.fromkeys([name, *page]))).agg(
        n=pl.len().cast(pl.Int64),
        c=clicked.sum(),
        **({"t": _microseconds(log).min()} if "timestamp" in log.columns else {}),
    )
    pages = grouped.collect(engine="streaming").lazy()
    facts = pages.group_by(name).agg(
        n_impressions=pl.col("n").sum(),
        n_clicks=pl.col("c").sum(),
        n_pages=pl.len().cast(pl.Int64),
    )
    n_pages = pl.col("n_pages") if page else pl.lit(None, pl.Int64)
    n, c = pl.col("n_impressions"), pl.col("n_clicks")
    values: dict[str, tuple[pl.Expr, pl.Expr]] = {}
    if rules.click_rate is not None:
        enough = n >= rules.click_rate_impressions
        values[REASONS[0]] = (c / n, enough & (c / n >= rules.click_rate))
    if rules.clicks_a_page is not None and page:
        enough = n_pages >= rules.clicks_a_page_pages
        values[REASONS[1]] = (c / n_pages, enough & (c / n_pages > rules.clicks_a_page))
    if "timestamp" in log.columns and page:
        timed = pages.filter(pl.col("t").is_not_null())
        if rules.pages_a_minute is not None:
            minute = pl.col("t").floordiv(60 * MICROSECOND).alias("minute")
            full = timed.group_by(name, minute).agg(pl.len().alias("m")).group_by(name)
            facts = facts.join(
                full.agg(fullest=pl.col("m").max().cast(pl.Float64)), on=name, how="left"
            )
            values[REASONS[2]] = (pl.col("fullest"), pl.col("fullest") > rules.pages_a_minute)
        if rules.clockwork is not None:
            gap = pl.col("t").sort().diff().drop_nulls().cast(pl.Float64)
            gaps = timed.group_by(name).agg(
                n_gaps=gap.len().cast(pl.Int64),
                variation=gap.std() / gap.mean(),
            )
            facts = facts.join(gaps, on=name, how="left")
            even = (pl.col("n_gaps") >= rules.clockwork_gaps) & (
                pl.col("variation") < rules.clockwork
            )
            values[REASONS[3]] = (pl.col("variation"), even)
    broken = [
        pl.when(holds.fill_null(False)).then(pl.lit(reason))
        for reason, (_, holds) in values.items()
    ]
    numbers = [pl.when(holds.fill_null(False)).then(value) for value, holds in values.values()]
    if not values:
        raise LogError("No rule is left to find bots by: every limit is None, or needs a time.")
    found = facts.select(
        pl.col(name).alias("id"),
        pl.coalesce(broken).alias("reason"),
        pl.coalesce(numbers).cast(pl.Float64).alias("value"),
        "n_impressions",
        "n_clicks",
    ).filter(pl.col("reason").is_not_null())
    table = nw.from_native(found.sort("id").collect(engine="streaming"), eager_only=True)
    return to_native_like(table, log.native)


def exclude(
    log: InteractionLog, ids: NativeFrame | Collection[Any], *, by: By | None = None
) -> Excluded:
    """The log without the traffic of some users or sessions.

    Parameters
    ----------
    ids : what ``find_bots`` returned, or the ids themselves
    by : as given to ``find_bots``
    """
    import polars as pl

    name = _identity(log, by)
    if isinstance(ids, list | tuple | set | frozenset):
        listed: list[Any] = list(ids)
    else:
        listed = collect(lazy(ids))["id"].to_list()
    rows = to_polars_in_memory(log.frame)
    kind = rows.collect_schema()[name]
    unwanted = pl.LazyFrame({name: pl.Series(listed, dtype=kind)}).unique()
    rows = rows.join(unwanted, on=name, how="anti", maintain_order="left")
    return _without(log, rows, n_ids=len(set(listed)))


def count_once(log: InteractionLog, *, within: timedelta | float, by: By | None = None) -> Excluded:
    """The log in which one user's repeats of a query's item within a short time count once.

    A run of impressions of one item for one query and one user, each at most ``within`` after the
    one before, becomes its first impression: clicked if one of them was, with their longest dwell
    and a conversion if one had it. Reloads and double clicks are such runs.

    Parameters
    ----------
    within : a timedelta, or seconds
    by : "user" or "session"; default user where the log has it. Rows without one stay
    """
    import polars as pl

    name = _identity(log, by)
    if "timestamp" not in log.columns:
        raise LogError("count_once needs a log with times: map the column 'timestamp'.")
    limit = (within.total_seconds() if isinstance(within, timedelta) else float(within)) * (
        MICROSECOND
    )
    if not limit >= 0:
        raise LogError(f"within is a time of 0 or more; got {within!r}.")
    key = [name, "query", "item"]
    rows = to_polars_lazy(log.frame).with_row_index("__row__")
    known = pl.col(name).is_not_null() & pl.col("timestamp").is_not_null()
    time = _microseconds(log)
    ordered = rows.with_columns(time.alias("__t__")).sort(*key, "__t__", "__row__")
    same = pl.all_horizontal(pl.col(k) == pl.col(k).shift(1) for k in key)
    near = pl.col("__t__") - pl.col("__t__").shift(1) <= limit
    run = (~(same & near & known).fill_null(False)).cum_sum().alias("__run__")
    strongest = [c for c in ("clicked", "dwell", "conversion") if c in log.columns]
    earliest = [c for c in ("click_time", "conversion_time") if c in log.columns]
    rest = [c for c in log.columns if c not in (*strongest, *earliest)]
    merged = (
        ordered.with_columns(run)
        .group_by("__run__")
        .agg(
            pl.col("__row__").min(),
            *(pl.col(c).first() for c in rest),
            *(pl.col(c).max() for c in strongest),
            *(pl.col(c).min() for c in earliest),
        )
        .sort("__row__")
        .select(log.columns)
    )
    # Sorted once, and not again in every pass over the log.
    return _without(log, merged.collect(engine="streaming").lazy(), n_ids=0)


def _identity(log: InteractionLog, by: By | None) -> str:
    if by is None:
        by = "user" if "user" in log.columns else "session"
    if by not in ("user", "session"):
        raise LogError(f"by is 'user' or 'session', not {by!r}.")
    if by not in log.columns:
        raise LogError(f"The log has no column {by!r} to tell visitors apart: map it in columns.")
    return by


def _page(log: InteractionLog) -> list[str]:
    """What tells one page from another; empty if nothing does."""
    if "page" in log.columns:
        return ["page", "query"]
    if "session" in log.columns:
        time = ["timestamp"] if "timestamp" in log.columns else []
        return ["session", "query", *time]
    return ["timestamp", "query"] if "timestamp" in log.columns else []


def _microseconds(log: InteractionLog) -> pl.Expr:
    import polars as pl

    time = pl.col("timestamp")
    if log.frame.collect_schema()["timestamp"].is_numeric():
        return (time.cast(pl.Float64) * MICROSECOND).round().cast(pl.Int64)
    return time.cast(pl.Datetime("us")).dt.timestamp("us")


def _without(log: InteractionLog, rows: pl.LazyFrame, *, n_ids: int) -> Excluded:
    """The log over ``rows``, and what is missing from it."""
    kind = log.frame.implementation
    frame = lazy(rows)
    if kind.is_pandas_like() or kind.is_pyarrow():
        frame = frame.collect(kind).lazy()
    part = part_of(
        log, frame, nothing_left="Nothing of the log is left: every impression was excluded."
    )
    return Excluded(
        part,
        n_ids,
        log.summary.n_impressions - part.summary.n_impressions,
        log.summary.n_clicks - part.summary.n_clicks,
    )
