"""``read_log``: from files or frames to an ``InteractionLog`` that keeps the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import narwhals as nw

from labelkit.engine import NativeFrame, nan_to_null
from labelkit.errors import LogError
from labelkit.logs import checks
from labelkit.logs.cells import sum_cells
from labelkit.logs.log import InteractionLog, LogSummary
from labelkit.logs.schema import BY_NAME, resolve
from labelkit.logs.sources import Paths, find_files, from_frame, scan_files

PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def read_log(
    source: Paths | NativeFrame,
    *,
    columns: Mapping[str, str] | None = None,
    on_bad_rows: Literal["error", "quarantine"] = "error",
    quarantine_file: str | Path = "quarantine.parquet",
    position_offset: int = 0,
    timestamp_unit: Literal["s", "ms", "us", "ns"] = "s",
    engine: Literal["polars", "duckdb"] = "polars",
    now: datetime | None = None,
) -> InteractionLog:
    """Read an interaction log, check its contract, and sum it up, before any work is done.

    Parameters
    ----------
    source : path, list of paths, folder or glob of Parquet, CSV, TSV or NDJSON files; or a
        pandas, Polars, PyArrow or DuckDB table
    columns : canonical name → your column name, for names that differ (see ``schema.COLUMNS``)
    on_bad_rows : "error" refuses a log with bad rows; "quarantine" sets them aside in
        ``quarantine_file`` with the reason, and goes on with the rest
    position_offset : added to positions; 1 if yours count from 0
    timestamp_unit : unit of numeric times; inside labelkit it becomes seconds
    engine : which engine reads files
    now : timestamps after this are in the future; default is the present

    Returns
    -------
    InteractionLog
        Lazy impressions, and the cells (query, item, position) with their sums.

    Raises
    ------
    LogError
        A column is missing or has a wrong type; rows break the contract; or the log is empty,
        has no click, or shows one position only.

    Examples
    --------
    >>> import labelkit as lk, polars as pl
    >>> log = lk.read_log(
    ...     pl.DataFrame(
    ...         {"query": ["a", "a"], "item": [1, 2], "rank": [1, 2], "clicked": [1, 0]}
    ...     ),
    ...     columns={"position": "rank"},
    ... )
    >>> log.summary.n_impressions, log.summary.click_rate
    (2, 0.5)
    """
    if on_bad_rows not in ("error", "quarantine"):
        raise LogError(f"on_bad_rows is 'error' or 'quarantine', not {on_bad_rows!r}.")
    if timestamp_unit not in PER_SECOND:
        raise LogError(f"timestamp_unit is one of {', '.join(PER_SECOND)}; got {timestamp_unit!r}.")
    is_path = isinstance(source, str | Path) or (
        isinstance(source, list | tuple) and all(isinstance(p, str | Path) for p in source)
    )
    files = find_files(source) if is_path else ()
    raw = scan_files(files, engine) if is_path else from_frame(source)
    native = raw.to_native() if is_path else source

    found = resolve(raw.collect_schema(), dict(columns or {}))
    frame = _canonical(raw, found, position_offset, timestamp_unit)

    look = checks.first_look(frame, tuple(found), now)
    n_quarantined, written = 0, None
    if look.n_bad:
        problems = checks.find_problems(frame, found, position_offset, now)
        if on_bad_rows == "error":
            raise LogError(problems.message(found))
        written = Path(quarantine_file)
        frame, n_quarantined = problems.quarantine(written), problems.n_bad
        look = replace(checks.first_look(frame, tuple(found), now), unchecked=look.unchecked)

    # Positions may arrive as 1.0, 2.0 (a column that once had a null): whole, as checked above.
    frame = frame.with_columns(nw.col("position").cast(nw.Int64))
    cells = sum_cells(frame, tuple(found), look.ranges)
    log = InteractionLog(
        frame=frame,
        cells=cells,
        summary=LogSummary(
            n_impressions=int(cells["impressions"].sum() or 0),
            n_clicks=int(cells["clicks"].sum() or 0),
            n_examples=0,
            n_queries=0,
            n_positions=int(cells["position"].n_unique()),
            n_quarantined=n_quarantined,
            quarantine_file=written,
            unchecked=look.unchecked,
        ),
        source_columns=found,
        in_page_order=look.in_page_order,
        files=files,
        native=native,
    )
    _refuse_useless(log)
    return replace(
        log,
        summary=replace(
            log.summary, n_examples=log.counts.n_examples, n_queries=log.counts.n_queries
        ),
    )


def _canonical(
    raw: nw.LazyFrame[Any], found: dict[str, str], position_offset: int, timestamp_unit: str
) -> nw.LazyFrame[Any]:
    schema = raw.collect_schema()
    picked = []
    for name, source in found.items():
        column = nw.col(source)
        if schema[source] == nw.Boolean:
            column = column.cast(nw.Int8)
        if name == "position" and position_offset:
            column = column + position_offset
        if BY_NAME[name].kind == "time" and timestamp_unit != "s" and schema[source].is_numeric():
            column = column / PER_SECOND[timestamp_unit]
        picked.append(column.alias(name))
    return nan_to_null(raw.select(picked))


def _refuse_useless(log: InteractionLog) -> None:
    summary = log.summary
    aside = (
        f" ({summary.n_quarantined:,} rows were set aside in '{summary.quarantine_file}')"
        if summary.n_quarantined
        else ""
    )
    if summary.n_impressions == 0:
        raise LogError(f"The log is empty: no impression to learn from{aside}.")
    if summary.n_clicks == 0:
        raise LogError(
            f"The log has {summary.n_impressions:,} impressions and no click{aside}. Without "
            "clicks it carries no signal: check how 'clicked' is filled, or read a longer period."
        )
    if summary.n_positions == 1:
        only = int(log.cells["position"].max())
        raise LogError(
            f"Every impression stands at position {only}{aside}: position bias cannot be told "
            "from relevance there. Check the position column; if the page really has one slot, "
            "use the click rates as they are."
        )
