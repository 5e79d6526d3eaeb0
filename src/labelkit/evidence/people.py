"""Who clicked, and when it was shown: passes over the rows that distinct values and times need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw

from labelkit.engine import Frame, collect, move
from labelkit.logs import InteractionLog
from labelkit.logs.cells import PackedKey

SOURCE = {"users": "user", "sessions": "session"}


def add_distinct(
    table: nw.LazyFrame[Any], log: InteractionLog, names: Sequence[str]
) -> nw.LazyFrame[Any]:
    """``users`` and ``sessions``: how many different ones clicked."""
    clicked = log.frame.filter(nw.col("clicked") == 1).select(
        "query", "item", *(nw.col(SOURCE[name]).alias(name) for name in names)
    )
    counts = [nw.col(name).n_unique() for name in names]
    return join_counts(table, group_examples(clicked, log, *counts), log, names)


def add_times(
    table: nw.LazyFrame[Any], log: InteractionLog, names: Sequence[str]
) -> nw.LazyFrame[Any]:
    """``first_seen`` and ``last_seen``."""
    time = nw.col("timestamp")
    either = {"first_seen": nw.col("first_seen").min(), "last_seen": nw.col("last_seen").max()}
    seen = log.frame.select("query", "item", *(time.alias(name) for name in names))
    return join_examples(table, group_examples(seen, log, *(either[n] for n in names)), log)


def group_examples(
    rows: nw.LazyFrame[Any], log: InteractionLog, *aggregates: nw.Expr
) -> nw.DataFrame[Any]:
    """Group rows of a log by example.

    Computed here and now: passes over a log run one after the other, so that what they hold in
    memory does not add up.
    """
    keys = log.keys
    packed = PackedKey.of(keys, None if log.ranges is None else log.ranges[: len(keys)])
    if packed is None:
        return collect(rows.group_by(*keys).agg(*aggregates))
    others = [name for name in rows.collect_schema().names() if name not in keys]
    grouped = collect(rows.select(packed.pack(), *others).group_by("key").agg(*aggregates))
    return packed.unpack(grouped, rows.collect_schema())


def join_counts(
    table: nw.LazyFrame[Any],
    counted: Frame,
    log: InteractionLog,
    names: Sequence[str],
) -> nw.LazyFrame[Any]:
    """Join counts per example; an example that was not counted has none."""
    joined = join_examples(table, counted, log)
    return joined.with_columns(nw.col(*names).fill_null(0).cast(nw.Int64))


def join_examples(table: nw.LazyFrame[Any], other: Frame, log: InteractionLog) -> nw.LazyFrame[Any]:
    """Join columns per example, made in the engine of the rows or in Polars."""
    if other.implementation != table.implementation:
        # The log stays in its engine; what comes back is one row per example.
        other = move(other, log.cells, keys=["query", "item"])
    return table.join(other.lazy(), on=["query", "item"], how="left")
