"""The labeled unit: the same log with examples of another kind than (query, item).

A label may be about a user and an item, a session, or one impression. Sums over examples need
nothing but other keys, so the log is keyed anew: its ``query`` and ``item`` become the unit's
columns, and what was asked stays at hand, because pages, reformulations and what counts as a long
stay are of the query whatever is labeled. Examination depends on the position, so the curve is
the same for every unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import narwhals as nw

from labelkit.engine import NativeFrame, collect, lazy, to_polars_lazy
from labelkit.errors import LogError
from labelkit.evidence.query_prior import QueryPrior
from labelkit.evidence.rates import PriorChoice
from labelkit.logs import COLUMNS, InteractionLog
from labelkit.logs.cells import Ranges
from labelkit.logs.part import part_of

EXAMPLE = ("query", "item")
IMPRESSION = "impression"
KEYS = tuple(column.name for column in COLUMNS if column.kind == "key")
ASKED = "__query__"
# What stands for the item where a unit has one column only.
NO_ITEM = 0


def keyed_by(log: InteractionLog, unit: Sequence[str]) -> InteractionLog:
    """The log with examples of the kind ``unit``.

    Parameters
    ----------
    unit : one or two key columns of the log, or "impression" alone

    Returns
    -------
    InteractionLog, whose ``query`` is the unit's first column and whose ``item`` is the second, or
    ``NO_ITEM``; pages are those of ``log``.

    Raises
    ------
    LogError
        There is no such unit, the log lacks a column of it or has rows in which one is empty, or
        its engine has no order of rows by which to number impressions.
    """
    names = _checked(log, unit)
    if names == EXAMPLE:
        return log
    frame = _numbered(log) if names == (IMPRESSION,) else log.frame
    ranges = _ranges(log, frame, names)
    second = nw.col(names[1]) if len(names) == 2 else nw.lit(NO_ITEM).cast(nw.Int64)
    frame = frame.with_columns(
        nw.col(log.query_column).alias(ASKED),
        nw.col(names[0]).alias("query"),
        second.alias("item"),
    )
    part = part_of(log, frame, nothing_left="The log is empty.", ranges=ranges)
    return replace(part, unit=names, query_column=ASKED)


def checked_unit(unit: Sequence[str]) -> tuple[str, ...]:
    """The unit as a tuple, if there is such a unit in any log.

    Parameters
    ----------
    unit : one or two key columns of a log, or "impression" alone

    Raises
    ------
    LogError
        It names too many columns, one twice, or one that identifies nothing.

    Examples
    --------
    >>> checked_unit(["user", "item"])
    ('user', 'item')
    """
    if isinstance(unit, str):
        raise LogError(f"unit is a tuple of column names: unit=({unit!r},), not {unit!r}.")
    names = tuple(unit)
    if names == (IMPRESSION,):
        return names
    if IMPRESSION in names:
        raise LogError(
            f"unit={names!r} names more than the impression, which is an example by itself: "
            f"unit=({IMPRESSION!r},)."
        )
    if not 1 <= len(names) <= 2 or len(set(names)) < len(names):
        raise LogError(f"unit names one or two different key columns of the log; got {names!r}.")
    for name in names:
        if name not in KEYS:
            raise LogError(
                f"unit names {name!r}, which is no key column of an interaction log. Known: "
                f"{', '.join(KEYS)}; or {IMPRESSION}, alone."
            )
    return names


def described_impressions(log: InteractionLog) -> nw.LazyFrame[Any]:
    """Whose impression each one is: its number in ``evidence``, the keys of its row, its position.

    Parameters
    ----------
    log : as read, not keyed anew

    Returns
    -------
    ``impression``, those of query, item, page, session and user that the log has, ``position``.

    Raises
    ------
    LogError
        The log's engine has no order of rows by which to number impressions.
    """
    keys = [name for name in KEYS if name in log.columns]
    return _numbered(log).select(IMPRESSION, *keys, "position")


def belongs_to_a_query(unit: Sequence[str]) -> bool:
    """Whether examples of this unit lie several to a query, as a prior per query needs them."""
    return len(unit) == 2 and unit[0] == "query"


def refuse_query_prior(log: InteractionLog, prior: PriorChoice) -> None:
    """A prior per query needs examples that belong to one query each, several to a query."""
    if prior != "query" and not isinstance(prior, QueryPrior):
        return
    if belongs_to_a_query(log.unit):
        return
    raise LogError(
        f"A prior per query shrinks examples towards others of their query, and unit={log.unit!r} "
        'does not put its examples under a query. Use prior="placement" or "global", or a unit of '
        "two columns that begins with 'query'."
    )


def times_by_example(log: InteractionLog, times: NativeFrame) -> NativeFrame:
    """A frame of the unit's columns and ``as_of`` with the keys that ``log`` has inside."""
    if log.unit == EXAMPLE:
        return times
    table = lazy(times)
    present = table.collect_schema().names()
    needed = [*log.unit, "as_of"]
    if missing := [name for name in needed if name not in present]:
        raise LogError(
            f"as_of as a frame has the columns {', '.join(needed[:-1])} and as_of; it lacks "
            f"{missing[0]!r}."
        )
    second = nw.col(log.unit[1]) if len(log.unit) == 2 else nw.lit(NO_ITEM).cast(nw.Int64)
    keys = [nw.col(log.unit[0]).alias("query"), second.alias("item")]
    return table.select(*keys, "as_of").to_native()


def with_unit_names(
    table: nw.LazyFrame[Any], log: InteractionLog, columns: Sequence[str]
) -> nw.LazyFrame[Any]:
    """``columns`` of a table of examples, after its keys under the unit's own names."""
    keys = [nw.col(key).alias(name) for key, name in zip(log.keys, log.unit, strict=False)]
    return table.select(*keys, *columns)


def _checked(log: InteractionLog, unit: Sequence[str]) -> tuple[str, ...]:
    """The unit as a tuple of columns that the log has."""
    names = checked_unit(unit)
    for name in names:
        if name != IMPRESSION and name not in log.columns:
            raise LogError(
                f"unit names {name!r}, which the log does not have: map it in columns. The log's "
                f"keys are {', '.join(key for key in KEYS if key in log.columns)}."
            )
    return names


def _numbered(log: InteractionLog) -> nw.LazyFrame[Any]:
    """The log's rows with their numbers from 0, in the order of the log."""
    kind = log.frame.implementation
    if kind.is_polars():
        numbered = lazy(to_polars_lazy(log.frame).with_row_index(IMPRESSION))
    elif kind.is_pandas_like() or kind.is_pyarrow():
        numbered = collect(log.frame).with_row_index(IMPRESSION).lazy()
    else:
        raise LogError(
            f"unit=({IMPRESSION!r},) numbers the rows of the log, and a table of {kind.name} has "
            "no order of rows to go by. Read the log as a Polars, pandas or PyArrow table, or map "
            "an id of your own to 'page' and label by ('page', 'item')."
        )
    return numbered.with_columns(nw.col(IMPRESSION).cast(nw.Int64))


def _ranges(log: InteractionLog, frame: nw.LazyFrame[Any], names: tuple[str, ...]) -> Ranges | None:
    """Lowest and highest value of each column of a cell; None unless all are whole numbers.

    Raises
    ------
    LogError
        A key is empty in some rows.
    """
    schema = frame.collect_schema()
    whole = [name for name in names if schema[name].is_integer()]
    ends = [nw.col(name).min().alias(f"{name} min") for name in whole]
    ends += [nw.col(name).max().alias(f"{name} max") for name in whole]
    empty = [nw.col(name).is_null().sum().alias(f"{name} empty") for name in names]
    found = collect(frame.select(*empty, *ends)).rows(named=True)[0]
    for name in names:
        if n_empty := int(found[f"{name} empty"]):
            _refuse_empty(log, name, n_empty)
    if len(whole) < len(names):
        return None
    keys = [(int(found[f"{name} min"]), int(found[f"{name} max"])) for name in names]
    keys += [(NO_ITEM, NO_ITEM)] * (2 - len(keys))
    position = log.cells["position"]
    return (*keys, (int(position.min()), int(position.max())))


def _refuse_empty(log: InteractionLog, name: str, n_empty: int) -> None:
    rows = log.frame.filter(nw.col(name).is_null()).select("query", "item", "position")
    query, item, position = collect(rows.head(1)).row(0)
    raise LogError(
        f"Column {log.source_columns[name]!r} ({name}) is empty in {n_empty:,} of "
        f"{log.summary.n_impressions:,} rows (such as query {query!r}, item {item!r}, position "
        f"{position}), and names what is labeled. Give these rows a value of their own, or leave "
        "them out of the log."
    )
