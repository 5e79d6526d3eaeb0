"""The contract of an interaction log, checked in one pass; bad rows are named, never dropped.

The good case is one light scan that counts. Only when it finds something are the rows looked at
again, to count each mistake on its own, show an example, and set the rows aside.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import narwhals as nw

from labelkit.engine import to_polars_lazy
from labelkit.errors import LogError
from labelkit.files import atomic
from labelkit.logs.cells import CELL, Ranges
from labelkit.logs.order import PageOrder, count_repeats
from labelkit.logs.schema import page_columns

if TYPE_CHECKING:
    import polars as pl

ROW = "__row__"
REASON = "__reason__"

# What tells page views apart. Two rows of one page view with the same query, item and position are
# one impression; without a page, session or time, nothing can be said.
IDENTITY = ("page", "session", "user", "timestamp")
ENDS = ("min", "max")


@dataclass(frozen=True)
class Check:
    """One way in which a row can break the contract; ``compares`` it with the row above or not."""

    column: str
    what: str
    hint: str
    bad: Callable[[dict[str, Any]], pl.Expr]
    needs: tuple[str, ...] = ()
    compares: bool = False

    def applies(self, columns: Collection[str]) -> bool:
        """Whether a log with these columns can carry the check."""
        return {self.column, *self.needs} <= set(columns)


@dataclass(frozen=True)
class Problem:
    """How many rows break the contract in one way, with the first of them."""

    check: Check
    n_bad: int
    example: dict[str, Any]


@dataclass(frozen=True)
class Problems:
    """Every way in which a log breaks its contract."""

    rows: pl.LazyFrame
    found: tuple[Problem, ...]
    n_rows: int

    @property
    def n_bad(self) -> int:
        """Rows with at least one problem (each is counted for its first)."""
        return sum(problem.n_bad for problem in self.found)

    def message(self, source_columns: dict[str, str]) -> str:
        """One error that names every problem with its count and an example."""
        lines = []
        for problem in self.found:
            source = source_columns[problem.check.column]
            named = f"'{source}'"
            if source != problem.check.column:
                named += f" ({problem.check.column})"
            row = problem.example
            shown = ", ".join(
                f"{name} {row[name]!r}"
                for name in dict.fromkeys(
                    ("query", "item", problem.check.column, *problem.check.needs)
                )
                if name in row
            )
            lines.append(
                f"column {named} has {problem.n_bad:,} of {self.n_rows:,} rows "
                f"{problem.check.what} (first: row {row[ROW] + 1:,}: {shown}). "
                f"{problem.check.hint}".rstrip()
            )
        head = (
            lines[0] if len(lines) == 1 else "\n  ".join(["the log breaks its contract:", *lines])
        )
        return (
            f'{head}\nNothing was done. Mend the log, or set on_bad_rows = "quarantine" to set '
            "such rows aside in a file and go on with the rest."
        )

    def quarantine(self, file: Path) -> nw.LazyFrame[Any]:
        """Write the bad rows with their reason to ``file``; return the good ones."""
        import polars as pl

        marked = self.rows.collect(engine="streaming")
        bad = marked.filter(pl.col(REASON).is_not_null())
        reasons = {
            i: f"{problem.check.column}: {problem.check.what.removeprefix('that are ')}"
            for i, problem in enumerate(self.found)
        }
        with atomic(file) as temporary:
            bad.select(
                (pl.col(ROW) + 1).alias("row"),
                pl.col(REASON).replace_strict(reasons, return_dtype=pl.String).alias("reason"),
                pl.all().exclude(ROW, REASON),
            ).write_parquet(temporary)
        good = marked.filter(pl.col(REASON).is_null()).drop(ROW, REASON)
        return nw.from_native(good.lazy())


@dataclass(frozen=True)
class FirstLook:
    """What one light scan over a log found, before anything is done with it.

    Parameters
    ----------
    n_bad : times that a row breaks the contract; 0 only if none does
    unchecked : checks that this log cannot carry
    in_page_order : each page's impressions of one query stand in one piece, from the top down
    ranges : lowest and highest value of each key column; None unless all of them are whole numbers
    """

    n_bad: int
    unchecked: tuple[str, ...]
    in_page_order: bool
    ranges: Ranges | None


def first_look(
    frame: nw.LazyFrame[Any], columns: tuple[str, ...], now: datetime | None
) -> FirstLook:
    """Count how often the contract is broken, and learn what makes the next pass cheap."""
    import polars as pl

    rows = to_polars_lazy(frame)
    schema = dict(rows.collect_schema())
    checks = [c for c in _checks(0, now) if c is not REPEATED and c.applies(columns)]
    whole = all(schema[name].is_integer() for name in CELL)
    ends = [(f"{name} {end}", getattr(pl.col(name), end)()) for name in CELL for end in ENDS]
    asked = dict(ends if whole else [], n_bad=_count(checks, schema, compares=False))
    found = rows.select(**asked).collect(engine="streaming").row(0, named=True)
    # What looks at the row above is asked apart: beside the rest, Polars would hold rows back to
    # line the two up, and its memory would grow with the log.
    compared = {"n_bad": _count(checks, schema, compares=True)}
    in_order = False
    if result_page := page_columns(columns):
        order = PageOrder.of(rows, result_page)
        compared |= {"falls": order.falls, "climbs": order.climbs}
    above = rows.select(**compared).collect(engine="streaming").row(0, named=True)
    if result_page and not above["falls"]:
        in_order = above["climbs"] or order.starts_differ()

    # A sum of 32-bit counts: more than 4 billion bad rows are bad enough as 4 billion.
    n_bad = int(found["n_bad"] or 0) + int(above["n_bad"] or 0)
    unchecked = []
    if "timestamp" not in columns:
        unchecked.append("timestamps: the log has none")
    elif "session" not in columns:
        unchecked.append("timestamps going backwards: the log has no session")
    if page := _page(columns):
        # A page view is part of a page: what holds no position twice repeats no impression.
        n_bad += 0 if in_order else count_repeats(rows, [*page, "query", "item", "position"])
    else:
        unchecked.append("duplicate impressions: the log has no page, session or timestamp")
    ranges = None
    if whole and n_bad == 0 and None not in found.values():
        ranges = tuple((found[f"{name} min"], found[f"{name} max"]) for name in CELL)
    return FirstLook(n_bad, tuple(unchecked), in_order, ranges)


def _count(checks: Collection[Check], schema: dict[str, Any], *, compares: bool) -> pl.Expr:
    import polars as pl

    bad = (
        check.bad(schema).fill_null(False).sum() for check in checks if check.compares == compares
    )
    return pl.sum_horizontal(pl.lit(0), *bad)


def _page(columns: Collection[str]) -> list[str]:
    """The columns that tell page views apart; none without a page, session or time."""
    found = [name for name in IDENTITY if name in columns]
    return found if {"page", "session", "timestamp"} & set(found) else []


def find_problems(
    frame: nw.LazyFrame[Any],
    source_columns: dict[str, str],
    position_offset: int,
    now: datetime | None,
) -> Problems:
    """Look at every row, and give each bad one the first reason that fits."""
    import polars as pl

    rows = to_polars_lazy(frame).with_row_index(ROW)
    schema = dict(rows.collect_schema())
    checks = [c for c in _checks(position_offset, now) if c.applies(source_columns)]
    reason = pl.coalesce(
        pl.when(check.bad(schema).fill_null(False)).then(pl.lit(i, dtype=pl.Int32))
        for i, check in enumerate(checks)
    )
    rows = rows.with_columns(reason.alias(REASON))
    counted = (
        rows.filter(pl.col(REASON).is_not_null())
        .group_by(REASON)
        .agg(pl.len().alias("__n__"), pl.all().sort_by(ROW).first())
        .sort(REASON)
        .collect(engine="streaming")
    )
    # Not pl.len(): DuckDB's reader cannot select no column at all.
    counted_rows = pl.col("clicked").count() + pl.col("clicked").null_count()
    n_rows = rows.select(counted_rows).collect(engine="streaming").item()
    found = tuple(
        Problem(checks[row[REASON]], row["__n__"], row) for row in counted.iter_rows(named=True)
    )
    numbered = {i: n for n, i in enumerate(counted[REASON].to_list())}
    rows = rows.with_columns(
        pl.col(REASON).replace_strict(numbered, default=None, return_dtype=pl.Int32)
    )
    return Problems(rows, found, n_rows)


def _checks(position_offset: int, now: datetime | None) -> list[Check]:
    import polars as pl

    def flag(name: str) -> Callable[[dict[str, Any]], pl.Expr]:
        return lambda _: (pl.col(name) != 0) & (pl.col(name) != 1)

    def not_whole(schema: dict[str, Any]) -> pl.Expr:
        if not schema["position"].is_float():
            return pl.lit(False)
        return pl.col("position") != pl.col("position").round()

    def future(schema: dict[str, Any]) -> pl.Expr:
        empty = nw.from_native(pl.Series([], dtype=schema["timestamp"]), series_only=True)
        late: pl.Expr = pl.col("timestamp") > _limit(empty.dtype, now)
        return late

    def backwards(schema: dict[str, Any]) -> pl.Expr:
        same = pl.col("session") == pl.col("session").shift(1)
        return same & (pl.col("timestamp") < pl.col("timestamp").shift(1))

    counted_from_0 = (
        "Positions count from 1. If yours count from 0, set position_offset = 1."
        if position_offset == 0
        else f"position_offset = {position_offset} was added."
    )
    return [
        Check(
            "clicked",
            "that are clicks without an impression (clicked, but no position or no item)",
            "Join clicks to the page that showed the item, or drop them at the source.",
            lambda _: (
                (pl.col("clicked") == 1) & (pl.col("position").is_null() | pl.col("item").is_null())
            ),
            ("position",),
        ),
        Check("query", "without a value", "", lambda _: pl.col("query").is_null()),
        Check("item", "without a value", "", lambda _: pl.col("item").is_null()),
        Check("position", "without a value", "", lambda _: pl.col("position").is_null()),
        Check("position", "below 1", counted_from_0, lambda _: pl.col("position") < 1),
        Check("position", "that are not whole numbers", "", not_whole),
        Check(
            "clicked",
            "that are neither 0 nor 1",
            "Write 1 for a clicked impression, however often, and 0 for all others.",
            lambda schema: pl.col("clicked").is_null() | flag("clicked")(schema),
        ),
        Check("conversion", "that are neither 0 nor 1 nor null", "", flag("conversion")),
        Check("randomised", "that are neither 0 nor 1 nor null", "", flag("randomised")),
        Check("dwell", "below 0", "Dwell is in seconds.", lambda _: pl.col("dwell") < 0),
        Check(
            "propensity",
            "outside (0, 1]",
            "A logged propensity is a probability, and every shown impression had one.",
            lambda _: (
                pl.col("propensity").is_null()
                | (pl.col("propensity") <= 0)
                | (pl.col("propensity") > 1)
            ),
        ),
        Check(
            "timestamp",
            "in the future",
            "Numbers are read as seconds since 1970; for milliseconds set timestamp_unit = 'ms'.",
            future,
        ),
        Check(
            "timestamp",
            "earlier than the row before in the same session",
            "Sort the log by session and time, or repair the clock.",
            backwards,
            ("session",),
            compares=True,
        ),
        Check(
            "click_time",
            "earlier than their impression",
            "Both times must come from one clock.",
            lambda _: pl.col("click_time") < pl.col("timestamp"),
            ("timestamp",),
        ),
        Check(
            "conversion_time",
            "earlier than their impression",
            "Both times must come from one clock.",
            lambda _: pl.col("conversion_time") < pl.col("timestamp"),
            ("timestamp",),
        ),
        Check(
            "conversion_time",
            "without a conversion",
            "Set conversion = 1 where there is a time of it, and leave the time empty elsewhere.",
            lambda _: (
                pl.col("conversion_time").is_not_null()
                & (pl.col("conversion").is_null() | (pl.col("conversion") == 0))
            ),
            ("conversion",),
        ),
        REPEATED,
    ]


def _repeats(schema: dict[str, Any]) -> pl.Expr:
    import polars as pl

    page = _page(schema)
    if not page:
        return pl.lit(False)
    return ~pl.struct(*page, "query", "item", "position").is_first_distinct()


REPEATED = Check(
    "item",
    "that repeat an impression (the first of each is kept)",
    "If a session may show the same page twice, map 'page' or 'timestamp' as well.",
    _repeats,
)


def _limit(dtype: nw.dtypes.DType, now: datetime | None) -> Any:
    """The present, as a value that compares with a column of type ``dtype``."""
    present = now or datetime.now(UTC)
    if present.tzinfo is None:
        raise LogError("now needs a time zone, such as datetime.now(UTC).")
    if dtype.is_numeric():
        return present.timestamp()
    if dtype == nw.Date:
        return date.fromtimestamp(present.timestamp())
    if isinstance(dtype, nw.Datetime) and dtype.time_zone:
        return present.astimezone(ZoneInfo(dtype.time_zone))
    return present.astimezone(UTC).replace(tzinfo=None)
